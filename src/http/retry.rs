//! Retries requests: decides how long to wait before the next attempt, and logs the failed
//! attempts.

use super::failure::Failure;
use crate::board::mac::mix;
use crate::host::Host;
use anyhow::Result;
use std::time::Duration;

/// The first delay between two attempts.
const FIRST: Duration = Duration::from_secs(1);
/// The longest delay that muster itself chooses, except for a server in distress.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest delay that muster itself chooses for a server in distress, which is overloaded or
/// not ready ([`Failure::is_distress`]). With this delay, 2,000 boards that register at once with a
/// server of four cores all succeed in the end (`tests/simulation`); with [`LONGEST`] none of these
/// boards would succeed.
const LONGEST_IN_DISTRESS: Duration = Duration::from_secs(300);
/// The longest wait that is accepted from a `Retry-After` header. A longer wait is shortened to
/// this.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The delays between attempts. They double from 1 s to 30 s, or to 300 s for a server in distress.
/// Jitter shortens each delay by up to half. Each board has its own jitter, so that boards which
/// failed at the same time do not retry at the same time.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    state: u64,
}

impl Backoff {
    /// Delays whose jitter is derived from `seed`, a number that differs between boards
    /// ([`crate::board::mac::Mac::seed`]).
    pub fn new(seed: u64) -> Backoff {
        Backoff {
            next: FIRST,
            state: seed,
        }
    }

    /// Makes the next delay short again, as at the beginning.
    pub fn restart(&mut self) {
        self.next = FIRST;
    }

    /// The delay before the next attempt. When the server asked for a wait (`retry_after`), half of
    /// the usual delay is added to this wait as jitter. The wait counts as [`LONGEST_RETRY_AFTER`]
    /// when it is longer.
    pub fn delay(&mut self, retry_after: Option<Duration>) -> Duration {
        let delay = self.grow(LONGEST);
        retry_after.map_or(delay, |asked| asked.min(LONGEST_RETRY_AFTER) + delay / 2)
    }

    /// Does the same as [`Backoff::delay`], for a server in distress: the delays grow to
    /// [`LONGEST_IN_DISTRESS`], and are added to the wait that the server asked for.
    pub fn delay_in_distress(&mut self, retry_after: Option<Duration>) -> Duration {
        let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        asked + self.grow(LONGEST_IN_DISTRESS)
    }

    /// Returns the next delay, which is at most `longest`.
    fn grow(&mut self, longest: Duration) -> Duration {
        self.state = mix(self.state);
        let fraction = self.state as f64 / u64::MAX as f64;
        let delay = self.next.min(longest).mul_f64(0.5 + fraction / 2.0);
        self.next = (self.next * 2).min(longest);
        delay
    }
}

/// Repeats `attempt` until it succeeds or fails permanently. A failed attempt is logged when its
/// error differs from the previous error. An error that stays the same is logged again every 30 s.
/// A success after failures is logged too. `what` is the name of the requested thing in these log
/// lines. Also fails when the settings or the token change during a wait ([`Host::wait`]).
pub fn retry<T>(
    host: &Host,
    seed: u64,
    what: &str,
    mut attempt: impl FnMut() -> Result<T, Failure>,
) -> Result<T> {
    let mut backoff = Backoff::new(seed);
    loop {
        let answer = attempt();
        host.doubt_clock_if(answer.as_ref().is_err_and(Failure::is_about_dates));
        match answer {
            Ok(value) => {
                host.problem_solved(&format!("{what}: recovered"));
                return Ok(value);
            }
            Err(Failure::Permanent { error, .. }) => return Err(error),
            Err(
                ref failure @ Failure::Transient {
                    ref error,
                    retry_after,
                    ..
                },
            ) => {
                host.report_problem(&format!("{what}: {error:#}; retrying"));
                host.wait_before_retry(match failure.is_distress() {
                    true => backoff.delay_in_distress(retry_after),
                    false => backoff.delay(retry_after),
                })?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_cap_and_differ_between_boards() {
        let delays = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..12).map(|_| backoff.delay(None)).collect::<Vec<_>>()
        };
        let one = delays(1);
        assert!(one[0] >= FIRST / 2 && one[0] <= FIRST);
        assert!(one[11] >= LONGEST / 2 && one[11] <= LONGEST);
        assert_eq!(one, delays(1));
        assert_ne!(one, delays(2));
    }

    #[test]
    fn a_server_in_distress_is_left_alone_for_longer_and_longer() {
        let mut backoff = Backoff::new(1);
        let delays: Vec<_> = (0..12).map(|_| backoff.delay_in_distress(None)).collect();
        assert!(delays[0] <= FIRST && delays[11] >= LONGEST_IN_DISTRESS / 2);
        // A request to a server that is down puts no load on it, so the delays stay short.
        assert!(backoff.delay(None) <= LONGEST);
        let asked = Duration::from_secs(40);
        let mut backoff = Backoff::new(1);
        assert!(backoff.delay_in_distress(Some(asked)) > asked);
        assert!(backoff.delay_in_distress(Some(Duration::MAX)) < LONGEST_RETRY_AFTER * 2);
    }

    #[test]
    fn retry_after_is_honoured_up_to_a_cap() {
        let asked = Duration::from_secs(40);
        assert!(Backoff::new(1).delay(Some(asked)) >= asked);
        assert!(Backoff::new(1).delay(Some(Duration::MAX)) <= LONGEST_RETRY_AFTER + LONGEST);
    }
}
