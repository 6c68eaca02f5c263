//! Retries: how long to wait before the next attempt, and what is logged about the attempts.

use super::failure::Failure;
use crate::board::mac::mix;
use crate::host::Host;
use anyhow::Result;
use log::info;
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// The longest `Retry-After` that is honoured.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The delays between attempts. They double from one second to thirty, and each is shortened by up
/// to half by the board's own jitter, so that boards which failed together do not retry together.
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

    /// The delay before the next attempt. When the server asked for a wait (`retry_after`), the
    /// delay is that wait, at most [`LONGEST_RETRY_AFTER`], plus half of the usual delay, as
    /// jitter.
    pub fn delay(&mut self, retry_after: Option<Duration>) -> Duration {
        self.state = mix(self.state);
        let fraction = self.state as f64 / u64::MAX as f64;
        let delay = self.next.mul_f64(0.5 + fraction / 2.0);
        self.next = (self.next * 2).min(LONGEST);
        retry_after.map_or(delay, |asked| asked.min(LONGEST_RETRY_AFTER) + delay / 2)
    }
}

/// Repeats `attempt` until it succeeds or fails permanently. A failed attempt is logged only when
/// its error differs from the previous one. A success after failures is logged too. `what` is the
/// name of the requested thing in these log lines. Fails too when a watched file changes during a
/// wait.
pub fn retry<T>(
    host: &Host,
    seed: u64,
    what: &str,
    mut attempt: impl FnMut() -> Result<T, Failure>,
) -> Result<T> {
    let mut backoff = Backoff::new(seed);
    let mut last_message = String::new();
    loop {
        let answer = attempt();
        host.doubt_clock_if(answer.as_ref().is_err_and(Failure::is_about_dates));
        match answer {
            Ok(value) => {
                if !last_message.is_empty() {
                    info!(target: host.step(), "{what}: recovered");
                }
                return Ok(value);
            }
            Err(Failure::Permanent { error, .. }) => return Err(error),
            Err(Failure::Transient {
                error, retry_after, ..
            }) => {
                let message = format!("{error:#}");
                if message != last_message {
                    host.report_problem(&format!("{what}: {message}; retrying"));
                    last_message = message;
                }
                host.wait_before_retry(backoff.delay(retry_after))?;
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
    fn retry_after_is_honoured_up_to_a_cap() {
        let asked = Duration::from_secs(40);
        assert!(Backoff::new(1).delay(Some(asked)) >= asked);
        assert!(Backoff::new(1).delay(Some(Duration::MAX)) <= LONGEST_RETRY_AFTER + LONGEST);
    }
}
