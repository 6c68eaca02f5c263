//! Records when k3s was started, and how often k3s died soon after its start.

use crate::host::Host;
use crate::paths;
use log::warn;
use serde_json::{Value, json};
use std::time::Duration;

/// When k3s ends sooner than this after its start, this is a quick death.
const QUICK: Duration = Duration::from_secs(60);
/// After this many quick deaths of k3s in a row, muster runs all steps of the boot and does not
/// only restart k3s, because a new join may solve the problem.
pub(super) const QUICK_DEATHS: u64 = 3;
/// The shortest time from one run of all steps to the next one that quick deaths cause. Running all
/// steps again sooner would not help, and would send needless requests to the server.
const FULL_BOOT_PAUSE: Duration = Duration::from_secs(300);

/// When k3s was started, and how often it died quickly. All times are since boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Starts {
    /// When k3s was started last. It is `None` after a run of all steps began, until k3s is
    /// started.
    pub(super) started: Option<Duration>,
    /// The number of quick deaths of k3s in a row.
    quick: u64,
    /// When all steps of the boot were run last.
    full_boot: Duration,
}

impl Starts {
    pub(super) fn read(host: &Host) -> Starts {
        let text = host.read_text(paths::STARTS.path).unwrap_or_default();
        let starts: Value = serde_json::from_str(&text).unwrap_or_default();
        let seconds = |name: &str| starts[name].as_u64().map(Duration::from_secs);
        Starts {
            started: seconds("started"),
            quick: starts["quick"].as_u64().unwrap_or(0),
            full_boot: seconds("full_boot").unwrap_or_default(),
        }
    }

    pub(super) fn write(&self, host: &Host) {
        let starts = json!({
            "started": self.started.map(|time| time.as_secs()),
            "quick": self.quick,
            "full_boot": self.full_boot.as_secs(),
        });
        if let Err(error) = host.write_note(paths::STARTS, &format!("{starts}\n")) {
            warn!("{error:#}");
        }
    }

    /// The number of quick deaths in a row, for a k3s that has died at `now`. It is 0 when this
    /// death was not quick.
    fn deaths(&self, now: Duration) -> u64 {
        let quick = self.started.is_some_and(|started| now < started + QUICK);
        if quick { self.quick + 1 } else { 0 }
    }

    /// Whether all steps must run, because k3s has died quickly too often.
    pub(super) fn full_boot_is_due(&self, now: Duration) -> bool {
        self.deaths(now) >= QUICK_DEATHS && now >= self.full_boot + FULL_BOOT_PAUSE
    }

    /// Updates the number of quick deaths in a row after k3s has died at `now`.
    pub(super) fn count(&mut self, now: Duration) {
        self.quick = self.deaths(now);
    }

    /// Records that all steps run at `now`, and sets the number of quick deaths to 0.
    pub(super) fn record_full_boot(&mut self, now: Duration) {
        self.quick = 0;
        self.started = None;
        self.full_boot = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_quick_deaths_in_a_row_cause_one_whole_list_each_five_minutes() {
        let second = Duration::from_secs;
        let mut starts = Starts::default();
        starts.record_full_boot(second(20));
        let mut lists = Vec::new();
        // k3s dies every ten seconds, for half an hour.
        for now in (20..1820).step_by(10).map(second) {
            if starts.full_boot_is_due(now) {
                lists.push(now.as_secs());
                starts.record_full_boot(now);
            } else {
                starts.count(now);
            }
            starts.started = Some(now);
        }
        assert_eq!(lists, [320, 620, 920, 1220, 1520]);
        // A k3s that lives for a minute between its deaths causes none.
        let mut starts = Starts::default();
        for now in (1000..3000).step_by(60).map(second) {
            assert!(!starts.full_boot_is_due(now));
            starts.count(now);
            starts.started = Some(now);
        }
    }
}
