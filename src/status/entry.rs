//! Reads and writes one step of the status file.

use serde_json::{Value, json};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    Running,
    /// The step runs, and waits until a problem is solved.
    Waiting,
    Done,
    Failed,
}

impl State {
    const ALL: [State; 5] = [
        State::Pending,
        State::Running,
        State::Waiting,
        State::Done,
        State::Failed,
    ];

    fn parse(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Running => "running",
            State::Waiting => "waiting",
            State::Done => "done",
            State::Failed => "failed",
        }
    }
}

/// The progress of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Download {
    /// How many bytes the partial file has.
    pub bytes: u64,
    /// How many bytes the complete file has, if that is known.
    pub total: Option<u64>,
    /// The rate over the last few seconds (bytes per second); `None` until it was measured.
    pub rate: Option<u64>,
    /// When this progress was reported (time since boot).
    pub at: Duration,
}

/// A step, with its state and its times.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub step: String,
    pub state: State,
    pub started: Duration,
    pub took: Duration,
    pub error: Option<String>,
    pub download: Option<Download>,
}

impl Entry {
    pub fn pending(step: &str) -> Entry {
        Entry {
            step: step.into(),
            state: State::Pending,
            started: Duration::ZERO,
            took: Duration::ZERO,
            error: None,
            download: None,
        }
    }

    pub fn parse(entry: &Value) -> Option<Entry> {
        let download = &entry["download"];
        let progress = || {
            Some(Download {
                bytes: download["bytes"].as_u64()?,
                total: download["total"].as_u64(),
                rate: download["rate"].as_u64(),
                at: seconds(&download["at"])?,
            })
        };
        Some(Entry {
            step: text(&entry["step"])?,
            state: State::parse(entry["state"].as_str()?)?,
            started: seconds(&entry["started"]).unwrap_or_default(),
            took: seconds(&entry["seconds"])?,
            error: text(&entry["error"]),
            download: progress(),
        })
    }

    pub fn to_json(&self) -> Value {
        let download = self.download.map(|download| {
            json!({
                "bytes": download.bytes,
                "total": download.total,
                "rate": download.rate,
                "at": rounded(download.at),
            })
        });
        json!({
            "step": self.step,
            "state": self.state.name(),
            "started": rounded(self.started),
            "seconds": rounded(self.took),
            "error": self.error,
            "download": download,
        })
    }
}

pub(super) fn text(value: &Value) -> Option<String> {
    value.as_str().map(String::from)
}

pub(super) fn seconds(value: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(value.as_f64()?).ok()
}

/// A time in seconds, rounded to milliseconds.
pub(super) fn rounded(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
