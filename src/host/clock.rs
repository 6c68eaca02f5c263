//! Clocks: the wall clock, the time since boot, and sleeping.

use super::Host;
use anyhow::{Context, Result};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};
use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// If the wall clock is behind the expected time by more than this, another program has set it
/// back. The corrections of a time daemon are smaller.
const SET_BACK: Duration = Duration::from_secs(60);

impl Host {
    /// The wall clock, as the time since 1970.
    pub fn now(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }

    /// The time since boot (CLOCK_BOOTTIME), which no program can set.
    pub fn uptime(&self) -> Duration {
        clock_gettime(ClockId::CLOCK_BOOTTIME)
            .map(Duration::from)
            .unwrap_or_default()
    }

    /// Sets the wall clock to the time since 1970 that `time` returns. When `time` returns `None`,
    /// the clock is not changed. `what` describes this in a plan.
    pub fn set_clock(
        &self,
        what: impl Display,
        time: impl FnOnce() -> Result<Option<Duration>>,
    ) -> Result<()> {
        self.effect(what, || match time()? {
            Some(time) => {
                let time = TimeSpec::from_duration(time);
                clock_settime(ClockId::CLOCK_REALTIME, time).context("cannot set the clock")
            }
            None => Ok(()),
        })?;
        Ok(())
    }

    /// Remembers that the wall clock is right now, so that [`Host::wait_before_retry`] can detect
    /// that something has set it back later.
    pub fn trust_clock(&self) {
        self.trusted_clock.set(Some((self.uptime(), self.now())));
    }

    /// Sleeps before the next attempt. If something has set the clock back since
    /// [`Host::trust_clock`], the clock is first set forward again, because otherwise no
    /// certificate is valid and no attempt can succeed. For example, a hwclock service that starts
    /// late may have read the time from a clock chip without a battery.
    pub fn wait_before_retry(&self, time: Duration) {
        if let Some((then, clock)) = self.trusted_clock.get() {
            let expected = clock + self.uptime().saturating_sub(then);
            if self.now() + SET_BACK < expected {
                self.report_problem("something has set the clock back; setting it forward again");
                let what = "set the clock forward again";
                if let Err(error) = self.set_clock(what, || Ok(Some(expected))) {
                    self.report_problem(&format!("{error:#}"));
                }
            }
        }
        self.sleep(time);
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
