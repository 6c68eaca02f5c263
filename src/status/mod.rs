//! Records what this boot did, for `muster status`: each step with its state, its time and its last
//! error.
//!
//! `docs/status.md` describes the status file, which other programs may read.

mod advice;
mod entry;
pub mod picture;
pub mod shown;

pub use entry::Download;

use crate::redact::redacted;
use entry::{Entry, State, rounded, seconds, text};
use serde_json::{Value, json};
use std::time::Duration;

/// The version of the status file's format. It is raised when a field changes its meaning or is
/// removed, and not when a field is added.
pub const FORMAT: u64 = 1;

/// What this boot did: the steps of the last boot attempt, their results, and when muster tries
/// again. A boot attempt is one run of all steps. All points in time are times since boot.
#[derive(Clone, Debug, Default)]
pub struct Status {
    hostname: Option<String>,
    k3s_version: Option<String>,
    steps: Vec<Entry>,
    /// The number of boot attempts in this boot.
    runs: u64,
    /// When k3s was started after all steps.
    joined: Option<Duration>,
    /// How many times k3s was restarted from the record of this boot (`life::record`), without a
    /// boot attempt.
    restarts: u64,
    /// When k3s was restarted last.
    restarted: Option<Duration>,
    /// Why the last boot attempt failed.
    last_error: Option<String>,
    /// When the next boot attempt starts.
    next_try: Option<Duration>,
}

impl Status {
    /// Parses the text of a status file, which an earlier muster process of this boot wrote. The
    /// status is empty when the text is not valid.
    pub fn parse(json: &str) -> Status {
        let status: Value = serde_json::from_str(json).unwrap_or_default();
        let steps = status["steps"].as_array();
        Status {
            hostname: text(&status["hostname"]),
            k3s_version: text(&status["k3s_version"]),
            steps: steps
                .into_iter()
                .flatten()
                .filter_map(Entry::parse)
                .collect(),
            runs: status["runs"].as_u64().unwrap_or(0),
            joined: seconds(&status["joined"]),
            restarts: status["restarts"].as_u64().unwrap_or(0),
            restarted: seconds(&status["restarted"]),
            last_error: text(&status["last_error"]),
            next_try: seconds(&status["next_try"]),
        }
    }

    /// Starts a new boot attempt with these steps.
    pub fn begin<'a>(&mut self, steps: impl Iterator<Item = &'a str>) {
        *self = Status {
            steps: steps.map(Entry::pending).collect(),
            runs: self.runs + 1,
            restarts: self.restarts,
            restarted: self.restarted,
            ..Status::default()
        };
    }

    /// Records that k3s starts now, after all steps.
    pub fn join(&mut self, now: Duration) {
        self.joined = Some(now);
        self.last_error = None;
        self.next_try = None;
    }

    /// Counts one more restart of k3s with the record of this boot (`life::record`), so without
    /// running the steps again.
    pub fn restart(&mut self, now: Duration) {
        self.restarts += 1;
        self.restarted = Some(now);
        self.last_error = None;
        self.next_try = None;
    }

    /// Sets the node's name.
    pub fn hostname(&mut self, name: &str) {
        self.hostname = Some(name.into());
    }

    /// Sets why the boot attempt failed, and the time of the next boot attempt (time since boot),
    /// if there is one.
    pub fn failed(&mut self, error: &str, next_try: Option<Duration>) {
        self.last_error = Some(redacted(error));
        self.next_try = next_try;
    }

    /// Marks a step as running. `now` is the time since boot, as in [`Status::end`].
    pub fn start(&mut self, step: &str, now: Duration) {
        self.last_error = None;
        if self.entry(step).is_none() {
            // The operator named this step on the command line, and there was no boot attempt yet.
            self.steps.push(Entry::pending(step));
        }
        if let Some(entry) = self.entry(step) {
            *entry = Entry {
                state: State::Running,
                started: now,
                ..Entry::pending(step)
            };
        }
    }

    /// Marks a step as done, or as failed with an error.
    pub fn end(&mut self, step: &str, now: Duration, error: Option<&str>) {
        if let Some(entry) = self.entry(step) {
            entry.state = if error.is_some() {
                State::Failed
            } else {
                State::Done
            };
            entry.took = now.saturating_sub(entry.started);
            entry.error = error.map(redacted).or(entry.error.take());
        }
    }

    /// The number of boot attempts in this boot.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// How long a step took.
    pub fn took(&self, step: &str) -> Duration {
        let entry = self.steps.iter().find(|entry| entry.step == step);
        entry.map_or(Duration::ZERO, |entry| entry.took)
    }

    /// Sets the problem that keeps a step waiting.
    pub fn problem(&mut self, step: &str, text: &str) {
        if let Some(entry) = self.entry(step) {
            entry.state = State::Waiting;
            entry.error = Some(redacted(text));
        }
    }

    /// Marks a step that was waiting as running again. Its last error stays.
    pub fn solved(&mut self, step: &str) {
        if let Some(entry) = self.entry(step) {
            entry.state = State::Running;
        }
    }

    /// Sets how far the download of a step is.
    pub fn download(&mut self, step: &str, download: Download) {
        if let Some(entry) = self.entry(step) {
            entry.download = Some(download);
        }
    }

    /// Sets the release of k3s that this boot installs.
    pub fn k3s_version(&mut self, version: &str) {
        self.k3s_version = Some(version.into());
    }

    fn entry(&mut self, step: &str) -> Option<&mut Entry> {
        self.steps.iter_mut().find(|entry| entry.step == step)
    }

    /// The text of the status file.
    pub fn to_json(&self) -> String {
        let status = json!({
            "format": FORMAT,
            "hostname": self.hostname,
            "k3s_version": self.k3s_version,
            "steps": self.steps.iter().map(Entry::to_json).collect::<Vec<_>>(),
            "runs": self.runs,
            "joined": self.joined.map(rounded),
            "restarts": self.restarts,
            "restarted": self.restarted.map(rounded),
            "last_error": self.last_error,
            "next_try": self.next_try.map(|time| time.as_secs()),
            "pid": std::process::id(),
        });
        format!("{status:#}\n")
    }
}

#[cfg(test)]
mod tests;
