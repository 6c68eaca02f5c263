//! What this boot did, for `muster status`: each step with its state, its duration and its last
//! error.

pub mod shown;

use crate::redact::redacted;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending,
    Running,
    Done,
    Failed,
}

impl State {
    const ALL: [State; 4] = [State::Pending, State::Running, State::Done, State::Failed];

    fn parse(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Running => "running",
            State::Done => "done",
            State::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    step: String,
    state: State,
    started: Duration,
    took: Duration,
    error: Option<String>,
}

/// What this boot did: the steps of the last boot attempt, their results, and when muster tries
/// again. A boot attempt is one run of all steps. All points in time are times since boot.
#[derive(Clone, Debug, Default)]
pub struct Status {
    hostname: Option<String>,
    k3s_version: Option<String>,
    steps: Vec<Entry>,
    /// The number of boot attempts in this boot.
    runs: u64,
    /// How many times k3s was restarted from the record of this boot (`life::record`), without a
    /// boot attempt.
    restarts: u64,
    /// Why the last boot attempt failed.
    last_error: Option<String>,
    /// The time of the next boot attempt (time since boot).
    next_try: Option<Duration>,
}

impl Status {
    /// Parses the text of a status file, which an earlier muster process of this boot wrote.
    pub fn parse(json: &str) -> Status {
        let status: Value = serde_json::from_str(json).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(String::from);
        let seconds = |value: &Value| Duration::try_from_secs_f64(value.as_f64()?).ok();
        let entry = |step: &Value| {
            Some(Entry {
                step: text(&step["step"])?,
                state: State::parse(step["state"].as_str()?)?,
                started: Duration::ZERO,
                took: seconds(&step["seconds"])?,
                error: text(&step["error"]),
            })
        };
        let steps = status["steps"].as_array();
        Status {
            hostname: text(&status["hostname"]),
            k3s_version: text(&status["k3s_version"]),
            steps: steps.into_iter().flatten().filter_map(entry).collect(),
            runs: status["runs"].as_u64().unwrap_or(0),
            restarts: status["restarts"].as_u64().unwrap_or(0),
            last_error: text(&status["last_error"]),
            next_try: seconds(&status["next_try"]),
        }
    }

    /// Starts a new boot attempt with these steps.
    pub fn begin<'a>(&mut self, steps: impl Iterator<Item = &'a str>) {
        *self = Status {
            steps: steps.map(pending).collect(),
            runs: self.runs + 1,
            restarts: self.restarts,
            ..Status::default()
        };
    }

    /// Counts a restart of k3s from the record of this boot.
    pub fn restart(&mut self) {
        self.restarts += 1;
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
        if self.entry(step).is_none() {
            // The operator named this step on the command line, and there was no boot attempt yet.
            self.steps.push(pending(step));
        }
        if let Some(entry) = self.entry(step) {
            entry.error = None;
            entry.state = State::Running;
            entry.started = now;
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

    /// Sets the problem that keeps a step waiting.
    pub fn problem(&mut self, step: &str, text: &str) {
        if let Some(entry) = self.entry(step) {
            entry.error = Some(redacted(text));
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
        let step = |entry: &Entry| {
            let seconds = (entry.took.as_secs_f64() * 1000.0).round() / 1000.0;
            json!({ "step": entry.step, "state": entry.state.name(), "seconds": seconds, "error": entry.error })
        };
        let steps: Vec<Value> = self.steps.iter().map(step).collect();
        let status = json!({
            "hostname": self.hostname,
            "k3s_version": self.k3s_version,
            "steps": steps,
            "runs": self.runs,
            "restarts": self.restarts,
            "last_error": self.last_error,
            "next_try": self.next_try.map(|time| time.as_secs()),
            "pid": std::process::id(),
        });
        format!("{status:#}\n")
    }
}

fn pending(step: &str) -> Entry {
    Entry {
        step: step.into(),
        state: State::Pending,
        started: Duration::ZERO,
        took: Duration::ZERO,
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::shown::table;
    use super::*;

    #[test]
    fn a_run_reads_back_as_a_table() {
        let mut status = Status::default();
        status.begin(["identity", "network", "fetch"].into_iter());
        status.hostname("worker-b5b697");
        status.start("identity", Duration::from_millis(5000));
        status.end("identity", Duration::from_millis(5012), None);
        status.start("network", Duration::from_secs(6));
        status.problem("network", "no address on eth0 yet");
        status.k3s_version("v1.34.1+k3s1");
        let text = table(&status.to_json(), Duration::ZERO).unwrap();
        let expected = "hostname  worker-b5b697\nk3s       v1.34.1+k3s1\n\n\
            identity  done         0.012 s\n\
            network   running      0.000 s  no address on eth0 yet\n\
            fetch     pending      0.000 s\n";
        assert_eq!(text, expected);
        status.end("network", Duration::from_secs(9), Some("cable"));
        assert!(status.to_json().contains("\"failed\""));
        let read = Status::parse(&status.to_json());
        assert_eq!(read.to_json(), status.to_json());
    }

    #[test]
    fn a_failure_is_shown_with_the_next_try_until_the_next_run() {
        let mut status = Status::default();
        status.begin(["fetch"].into_iter());
        status.failed("fetch: no mirror", Some(Duration::from_secs(100)));
        let text = table(&status.to_json(), Duration::from_secs(85)).unwrap();
        assert!(
            text.ends_with("\nfailed    fetch: no mirror\nnext try  in 15 s\n"),
            "{text}"
        );
        status.begin(["fetch"].into_iter());
        let text = table(&status.to_json(), Duration::ZERO).unwrap();
        assert!(!text.contains("no mirror"), "{text}");
        status.restart();
        let json: Value = serde_json::from_str(&status.to_json()).unwrap();
        assert_eq!((&json["runs"], &json["restarts"]), (&json!(2), &json!(1)));
    }

    #[test]
    fn no_password_of_a_url_is_kept() {
        let mut status = Status::default();
        let text = "https://user:pass@mirror: too slow";
        status.begin(["fetch"].into_iter());
        status.problem("fetch", text);
        assert!(!status.to_json().contains("pass"));
        status.end("fetch", Duration::ZERO, Some(text));
        status.failed(text, None);
        let json = status.to_json();
        assert!(!json.contains("pass") && json.contains("@mirror: too slow"));
    }

    #[test]
    fn a_step_named_by_hand_leaves_the_others_as_they_were() {
        let mut status = Status::default();
        status.begin(["identity", "fetch"].into_iter());
        status.end("fetch", Duration::ZERO, None);
        let mut by_hand = Status::parse(&status.to_json());
        by_hand.start("identity", Duration::ZERO);
        by_hand.end("identity", Duration::ZERO, None);
        assert_eq!(by_hand.to_json().matches("\"done\"").count(), 2);
    }
}
