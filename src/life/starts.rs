//! Records when k3s was started, and how often k3s ended soon after its start.

use crate::host::Host;
use crate::paths;
use log::warn;
use serde_json::{Value, json};
use std::time::Duration;

/// When k3s ends sooner than this after its start, this is called an early end of k3s.
const EARLY: Duration = Duration::from_secs(60);
/// After this many early ends of k3s in a row, muster runs all steps of the boot and does not only
/// restart k3s, because a new join may solve the problem.
pub(super) const EARLY_ENDS: u64 = 3;
/// After muster has run all steps, it does not run them again because of early ends until this time
/// has passed. A run before that would not help, and would send needless requests to the server.
const FULL_BOOT_PAUSE: Duration = Duration::from_secs(300);

/// When k3s was started, and how often it ended early ([`EARLY`]). All times are since boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Starts {
    /// The time of the last start of k3s. It is `None` before the first start, and while all steps
    /// run because of early ends.
    pub(super) started: Option<Duration>,
    /// The number of early ends of k3s in a row.
    early: u64,
    /// The time of the last run of all steps.
    full_boot: Duration,
}

impl Starts {
    pub(super) fn read(host: &Host) -> Starts {
        let text = host.read_text(paths::STARTS.path).unwrap_or_default();
        let starts: Value = serde_json::from_str(&text).unwrap_or_default();
        let seconds = |name: &str| starts[name].as_u64().map(Duration::from_secs);
        Starts {
            started: seconds("started"),
            early: starts["quick"].as_u64().unwrap_or(0),
            full_boot: seconds("full_boot").unwrap_or_default(),
        }
    }

    pub(super) fn write(&self, host: &Host) {
        let starts = json!({
            "started": self.started.map(|time| time.as_secs()),
            "quick": self.early,
            "full_boot": self.full_boot.as_secs(),
        });
        if let Err(error) = host.write_note(paths::STARTS, &format!("{starts}\n")) {
            warn!("{error:#}");
        }
    }

    /// The number of early ends in a row, including the end of k3s at `now`; 0 when this last end
    /// was not early.
    fn early_ends(&self, now: Duration) -> u64 {
        let early = self.started.is_some_and(|started| now < started + EARLY);
        if early { self.early + 1 } else { 0 }
    }

    /// Whether all steps must run: k3s has ended early too often, and the last run of all steps was
    /// not within [`FULL_BOOT_PAUSE`].
    pub(super) fn full_boot_is_due(&self, now: Duration) -> bool {
        self.early_ends(now) >= EARLY_ENDS && now >= self.full_boot + FULL_BOOT_PAUSE
    }

    /// Updates the number of early ends in a row after k3s has ended at `now`.
    pub(super) fn count(&mut self, now: Duration) {
        self.early = self.early_ends(now);
    }

    /// Records that all steps run at `now`, and sets the number of early ends to 0.
    pub(super) fn record_full_boot(&mut self, now: Duration) {
        self.early = 0;
        self.started = None;
        self.full_boot = now;
    }
}

#[cfg(test)]
mod tests;
