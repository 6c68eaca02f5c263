//! Trying again: when, and what is said about it.

use crate::host::Host;
use crate::http::Failure;
use crate::mac::mix;
use anyhow::Result;
use log::info;
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// The longest wait that a server may ask for with `Retry-After`.
pub const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// The delays between attempts: doubling from a second to thirty, each of them shortened by up to half by a jitter that is a
/// board's own, so that boards which failed together do not come back together.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
    state: u64,
}

impl Backoff {
    pub fn new(seed: u64) -> Backoff {
        Backoff {
            next: FIRST,
            state: seed,
        }
    }

    /// Begins again with short delays.
    pub fn restart(&mut self) {
        self.next = FIRST;
    }

    /// The next delay; `asked` is what the server asked for.
    pub fn delay(&mut self, asked: Option<Duration>) -> Duration {
        self.state = mix(self.state);
        let part = self.state as f64 / u64::MAX as f64;
        let delay = self.next.mul_f64(0.5 + part / 2.0);
        self.next = (self.next * 2).min(LONGEST);
        // A board waits as long as it was asked to, and its own jitter on top.
        asked.map_or(delay, |asked| asked.min(LONGEST_ASKED) + delay / 2)
    }
}

/// Attempts for ever while failures may pass. One warning when the reason changes and one line when it works again: not one for
/// each attempt. `what` is what is asked for.
pub fn retry<T>(
    host: &Host,
    seed: u64,
    what: &str,
    mut attempt: impl FnMut() -> Result<T, Failure>,
) -> Result<T> {
    let mut backoff = Backoff::new(seed);
    let mut said = String::new();
    loop {
        match attempt() {
            Ok(value) => {
                if !said.is_empty() {
                    info!(target: host.step(), "{what}: it works again");
                }
                return Ok(value);
            }
            Err(Failure::Permanent { error, .. }) => return Err(error),
            Err(Failure::Transient {
                error, retry_after, ..
            }) => {
                let text = format!("{error:#}");
                if text != said {
                    host.trouble(&format!("{what}: {text}; trying again"));
                    said = text;
                }
                host.wait_out(backoff.delay(retry_after));
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
    fn a_servers_wish_is_heeded_within_reason() {
        let asked = Duration::from_secs(40);
        assert!(Backoff::new(1).delay(Some(asked)) >= asked);
        assert!(Backoff::new(1).delay(Some(Duration::MAX)) <= LONGEST_ASKED + LONGEST);
    }
}
