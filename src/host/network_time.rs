//! Sets the clock to the first acceptable answer of a time server.

use super::Host;
use super::time_servers::ask_servers;
use crate::paths;
use anyhow::{Result, bail};
use log::{debug, info};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// The clock is not corrected when its difference from network time is smaller than this. The dates
/// of certificates and the times of leases are in whole seconds, so more accuracy is not needed.
pub const TOLERANCE: Duration = Duration::from_millis(500);
/// When the clock is behind the expected time (see `expected`) by more than this, something has set
/// it back. A time daemon that adjusts the clock changes it by less.
const SET_BACK: Duration = Duration::from_secs(60);
/// For this time after a time server answered, the clock counts as right. When a certificate is
/// rejected because of its dates during this time, the time servers are not asked again.
const ASK_AGAIN: Duration = Duration::from_secs(300);

/// The time servers of the settings. Those that DHCP names (option 42) are asked after `named` and
/// before `last`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeServers {
    /// The servers that the operator named, which are asked first.
    pub named: Vec<String>,
    /// The servers that are asked last.
    pub last: Vec<String>,
}

impl TimeServers {
    /// All time servers in the order in which they are asked: one list for each place that names
    /// time servers (the settings, DHCP and the default).
    pub fn places(&self, host: &Host) -> Vec<Vec<String>> {
        let by_dhcp = host.read_text(paths::DHCP_TIME_SERVERS.path);
        let by_dhcp = by_dhcp.unwrap_or_default();
        let by_dhcp = by_dhcp.split_whitespace().map(String::from);
        let by_dhcp = by_dhcp.filter(|server| !self.named.contains(server));
        let mut places = vec![self.named.clone(), by_dhcp.collect(), self.last.clone()];
        places.retain(|servers| !servers.is_empty());
        places
    }
}

/// Where the time of a boot comes from.
#[derive(Clone, Debug, Default)]
pub struct TimeSource {
    /// `None`: no time server is asked.
    pub servers: Option<TimeServers>,
    /// The earliest time (since 1970) that a correct clock can show.
    pub earliest: Duration,
}

/// What this process knows about the clock.
#[derive(Default)]
pub(super) struct ClockState {
    source: RefCell<TimeSource>,
    /// The time since boot and the wall clock at the moment when a time server answered last.
    answered: Cell<Option<(Duration, Duration)>>,
    /// Whether a certificate was rejected because of its dates since the last call of
    /// `correct_clock`.
    doubted: Cell<bool>,
}

impl Host {
    /// Sets the time source that [`Host::wait_before_retry`] uses when the clock seems to be wrong.
    pub fn set_time_source(&self, source: TimeSource) {
        self.clock.source.replace(source);
    }

    /// Call this with `true` when a certificate was rejected because of its dates; `false` changes
    /// nothing. After `true`, the next [`Host::wait_before_retry`] asks the time servers again,
    /// unless one of them has answered less than `ASK_AGAIN` ago.
    pub fn doubt_clock_if(&self, doubted: bool) {
        self.clock.doubted.set(self.clock.doubted.get() || doubted);
    }

    /// Asks the time servers in order and sets the clock to the first acceptable answer. Returns
    /// what was done, in words. Fails when there is no acceptable answer. Returns `None` in two
    /// cases: `source` has no time servers, or this is a dry run, which only prints the effect.
    pub fn set_clock_from(&self, source: &TimeSource) -> Result<Option<String>> {
        let Some(servers) = &source.servers else {
            return Ok(None);
        };
        let (named, last) = (servers.named.join(" "), servers.last.join(" "));
        let first = match named.is_empty() {
            true => String::new(),
            false => format!("{named}, else "),
        };
        let what =
            format!("set the clock from {first}the time servers that DHCP names, else {last}");
        self.effect(what, || self.ask_places(servers, source.earliest))
    }

    fn ask_places(&self, servers: &TimeServers, earliest: Duration) -> Result<String> {
        let (server, time) = self.first_answer(servers.places(self), earliest)?;
        self.set_clock_to(&server, time)
    }

    /// Asks the time servers in order. Returns the first server with an acceptable answer, and the
    /// time that it answered. When no server has one, the error says why, for each server.
    pub fn first_answer(
        &self,
        places: Vec<Vec<String>>,
        earliest: Duration,
    ) -> Result<(String, Duration)> {
        let names = places.concat().join(" ");
        let mut reasons = Vec::new();
        for servers in places {
            match ask_servers(servers, earliest) {
                Ok(answer) => return Ok(answer),
                Err(error) => reasons.push(format!("{error:#}")),
            }
        }
        bail!(
            "no network time: none of these time servers gave an acceptable time: {names} ({}); \
             the clock stays as it is; if certificates are rejected, set MUSTER_NTP to a time \
             server that answers",
            reasons.join("; ")
        )
    }

    fn set_clock_to(&self, server: &str, time: Duration) -> Result<String> {
        let now = self.now();
        let (time, done) = match correction(now, time) {
            None => (now, format!("the clock agrees with {server}")),
            Some(by) => {
                self.write_clock(time)?;
                let done = format!("set the clock {by}, to the time of {server}");
                (time, done)
            }
        };
        self.clock.answered.set(Some((self.uptime(), time)));
        self.send_log_with_time();
        Ok(done)
    }

    /// Corrects the clock, so that the next request can succeed. This is done if something has set
    /// the clock back, for example a hwclock service that starts late and reads a chip without a
    /// battery. It is also done if a certificate was rejected because of its dates, unless a time
    /// server has answered less than `ASK_AGAIN` ago.
    pub(super) fn correct_clock(&self) {
        let doubted = self.clock.doubted.replace(false);
        let source = self.clock.source.borrow().clone();
        let answered = self.clock.answered.get();
        let expected = expected(answered, source.earliest, self.uptime());
        let is_set_back = self.now() + SET_BACK < expected;
        if is_set_back {
            self.report_problem("something has set the clock back; setting it forward again");
        } else if !doubted || is_recent(answered, self.uptime()) {
            return;
        }
        match self.set_clock_from(&source) {
            Ok(Some(done)) => info!("{done}"),
            Ok(None) => {}
            Err(error) => debug!("{error:#}"),
        }
        if self.now() + SET_BACK < expected {
            let what = "set the clock forward again";
            if let Err(error) = self.set_clock(what, || Ok(expected)) {
                self.report_problem(&format!("{error:#}"));
            }
        }
    }
}

/// The earliest time that a correct clock can show: the last answer of a time server plus the time
/// that has passed since then, but not before `earliest`. The time that the clock showed earlier is
/// not used, because the clock may have been ahead until a time daemon corrected it.
fn expected(
    answered: Option<(Duration, Duration)>,
    earliest: Duration,
    uptime: Duration,
) -> Duration {
    let expected = answered.map(|(then, clock)| clock + uptime.saturating_sub(then));
    expected.unwrap_or_default().max(earliest)
}

/// How far a clock that shows `now` must be set to show `time`, in words; `None` when the difference
/// is smaller than [`TOLERANCE`].
fn correction(now: Duration, time: Duration) -> Option<String> {
    let by = now.abs_diff(time);
    let direction = if time > now { "forward" } else { "back" };
    (by >= TOLERANCE).then(|| format!("{direction} by {:.1} s", by.as_secs_f64()))
}

fn is_recent(answered: Option<(Duration, Duration)>, uptime: Duration) -> bool {
    answered.is_some_and(|(then, _)| uptime < then + ASK_AGAIN)
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the file that the DHCP script would"
)]
mod tests;
