//! What this boot did, for `muster status`: each step with its state, its time and its last error.

use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending,
    Running,
    Done,
    Failed,
}

impl State {
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
    step: &'static str,
    state: State,
    started: Duration,
    took: Duration,
    error: Option<String>,
}

/// The steps of one run and how they went. All times are measured with the time since boot.
#[derive(Clone, Debug, Default)]
pub struct Status {
    hostname: Option<String>,
    k3s_version: Option<String>,
    steps: Vec<Entry>,
}

impl Status {
    /// Starts the status of a new run, which will take these steps.
    pub fn begin(&mut self, hostname: &str, steps: impl Iterator<Item = &'static str>) {
        let entry = |step| Entry {
            step,
            state: State::Pending,
            started: Duration::ZERO,
            took: Duration::ZERO,
            error: None,
        };
        *self = Status {
            hostname: Some(hostname.into()),
            k3s_version: None,
            steps: steps.map(entry).collect(),
        };
    }

    /// Marks a step as running. `now` is the time since boot, as in [`Status::end`].
    pub fn start(&mut self, step: &str, now: Duration) {
        if let Some(entry) = self.entry(step) {
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
            entry.error = error.map(String::from).or(entry.error.take());
        }
    }

    /// Sets the problem that a step waits for.
    pub fn problem(&mut self, step: &str, text: &str) {
        if let Some(entry) = self.entry(step) {
            entry.error = Some(text.into());
        }
    }

    /// Sets the release of k3s that this boot wants.
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
        let status =
            json!({ "hostname": self.hostname, "k3s_version": self.k3s_version, "steps": steps });
        format!("{status:#}\n")
    }
}

/// The status file's text as a table for a console.
pub fn table(json: &str) -> Result<String, serde_json::Error> {
    let status: Value = serde_json::from_str(json)?;
    let text = |value: &Value| value.as_str().unwrap_or("-").to_string();
    let mut table = format!(
        "hostname  {}\nk3s       {}\n\n",
        text(&status["hostname"]),
        text(&status["k3s_version"])
    );
    for step in status["steps"].as_array().into_iter().flatten() {
        let seconds = step["seconds"].as_f64().unwrap_or(0.0);
        let error = step["error"].as_str().unwrap_or("");
        let line = format!(
            "{:<10}{:<9}{seconds:>9.3} s  {error}",
            text(&step["step"]),
            text(&step["state"])
        );
        let _ = writeln!(table, "{}", line.trim_end());
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_reads_back_as_a_table() {
        let mut status = Status::default();
        status.begin(
            "worker-b5b697",
            ["identity", "network", "fetch"].into_iter(),
        );
        status.start("identity", Duration::from_millis(5000));
        status.end("identity", Duration::from_millis(5012), None);
        status.start("network", Duration::from_secs(6));
        status.problem("network", "no address on eth0 yet");
        status.k3s_version("v1.34.1+k3s1");
        let table = table(&status.to_json()).unwrap();
        let expected = "hostname  worker-b5b697\nk3s       v1.34.1+k3s1\n\n\
            identity  done         0.012 s\n\
            network   running      0.000 s  no address on eth0 yet\n\
            fetch     pending      0.000 s\n";
        assert_eq!(table, expected);
        status.end("network", Duration::from_secs(9), Some("cable"));
        assert!(status.to_json().contains("\"failed\""));
    }
}
