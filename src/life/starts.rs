//! When k3s was started, and how often it died soon after.

use crate::host::Host;
use crate::paths;
use log::warn;
use serde_json::{Value, json};
use std::time::Duration;

/// A k3s that ended sooner than this after its start died quickly.
const QUICK: Duration = Duration::from_secs(60);
/// After this many quick deaths in a row all steps are run, because a new join may solve the problem.
pub(super) const QUICK_DEATHS: u64 = 3;
/// The shortest time between two full boots that quick deaths cause. A full boot that ran just
/// before would heal nothing, and would cost the server questions.
const LIST_PAUSE: Duration = Duration::from_secs(300);
/// When k3s was started, and how often it died quickly. All times are since boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Starts {
    pub(super) started: Option<Duration>,
    /// Quick deaths in a row.
    quick: u64,
    /// When all steps were run last.
    listed: Duration,
}

impl Starts {
    pub(super) fn read(host: &Host) -> Starts {
        let text = host.read_text(paths::STARTS.path).unwrap_or_default();
        let starts: Value = serde_json::from_str(&text).unwrap_or_default();
        let seconds = |name: &str| starts[name].as_u64().map(Duration::from_secs);
        Starts {
            started: seconds("started"),
            quick: starts["quick"].as_u64().unwrap_or(0),
            listed: seconds("listed").unwrap_or_default(),
        }
    }

    pub(super) fn write(&self, host: &Host) {
        let starts = json!({
            "started": self.started.map(|time| time.as_secs()),
            "quick": self.quick,
            "listed": self.listed.as_secs(),
        });
        if let Err(error) = host.write_note(paths::STARTS, &format!("{starts}\n")) {
            warn!("{error:#}");
        }
    }

    /// The number of quick deaths in a row, with the one that just happened, if it was quick.
    fn deaths(&self, now: Duration) -> u64 {
        let quick = self.started.is_some_and(|started| now < started + QUICK);
        if quick { self.quick + 1 } else { 0 }
    }

    pub(super) fn list_is_due(&self, now: Duration) -> bool {
        self.deaths(now) >= QUICK_DEATHS && now >= self.listed + LIST_PAUSE
    }

    pub(super) fn count(&mut self, now: Duration) {
        self.quick = self.deaths(now);
    }

    pub(super) fn list(&mut self, now: Duration) {
        self.quick = 0;
        self.started = None;
        self.listed = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_quick_deaths_in_a_row_cause_one_whole_list_each_five_minutes() {
        let second = Duration::from_secs;
        let mut starts = Starts::default();
        starts.list(second(20));
        let mut lists = Vec::new();
        // k3s dies every ten seconds, for half an hour.
        for now in (20..1820).step_by(10).map(second) {
            if starts.list_is_due(now) {
                lists.push(now.as_secs());
                starts.list(now);
            } else {
                starts.count(now);
            }
            starts.started = Some(now);
        }
        assert_eq!(lists, [320, 620, 920, 1220, 1520]);
        // A k3s that lives for a minute between its deaths causes none.
        let mut starts = Starts::default();
        for now in (1000..3000).step_by(60).map(second) {
            assert!(!starts.list_is_due(now));
            starts.count(now);
            starts.started = Some(now);
        }
    }
}
