//! Reads and sets the wall clock, reads the time since boot, and sleeps.

use super::Host;
use anyhow::{Context, Result};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};
use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time since boot ([`Host::uptime`]).
pub(super) fn uptime() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map(Duration::from)
        .unwrap_or_default()
}

impl Host {
    /// The wall clock, as the time since 1970.
    pub fn now(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }

    /// The time since boot (CLOCK_BOOTTIME), which no program can set.
    pub fn uptime(&self) -> Duration {
        uptime()
    }

    /// Sets the wall clock to the time since 1970 that `time` returns.
    pub fn set_clock(
        &self,
        what: impl Display,
        time: impl FnOnce() -> Result<Duration>,
    ) -> Result<()> {
        self.effect(what, || self.write_clock(time()?))?;
        Ok(())
    }

    /// Sets the wall clock. It is called only from inside an effect (`Host::effect`), so never in a
    /// dry run.
    pub(super) fn write_clock(&self, time: Duration) -> Result<()> {
        let time = TimeSpec::from_duration(time);
        clock_settime(ClockId::CLOCK_REALTIME, time).context("cannot set the clock")
    }

    /// Waits before a failed request or download is tried again. Before the wait, the clock is
    /// corrected if that is needed ([`super::network_time`]). Fails when the settings or the token
    /// have changed ([`Host::wait`]).
    pub fn wait_before_retry(&self, time: Duration) -> Result<()> {
        self.correct_clock();
        self.wait_and_report(time)
    }

    /// Sleeps, except in a dry run.
    pub fn sleep(&self, time: Duration) {
        if !self.plans() {
            std::thread::sleep(time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Mode;

    #[test]
    fn the_time_since_boot_does_not_go_back() {
        let host = Host::new("/", Mode::Plan);
        let first = host.uptime();
        assert!(!first.is_zero());
        assert!(host.uptime() >= first);
    }

    #[test]
    fn a_dry_run_neither_asks_for_the_time_nor_sleeps() {
        let host = Host::new("/", Mode::Plan);
        host.set_clock("set the clock", || panic!("a dry run asked"))
            .unwrap();
        host.sleep(Duration::from_secs(3600));
    }
}
