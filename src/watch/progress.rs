//! The progress of a download, and its rate.

use std::time::{Duration, Instant};

/// How long the rate of a download is measured (milliseconds). Datagrams that the network delayed
/// arrive within a shorter time.
const MEASURE: u64 = 500;

/// How far a download is.
#[derive(Clone, Copy, Debug)]
pub struct Download {
    /// How many bytes the board has.
    pub bytes: u64,
    /// How many bytes there are.
    pub total: Option<u64>,
    /// The bytes per second, as an average in which the last seconds weigh most.
    pub rate: Option<u64>,
    /// Where the measurement of the rate began: a time, and the bytes that the board had.
    mark: (Instant, u64),
}

impl Download {
    /// Updates a download: at the time `now` the board has reported that it has `bytes` of `total`.
    pub fn new(
        bytes: u64,
        total: Option<u64>,
        earlier: Option<Download>,
        now: Instant,
    ) -> Download {
        let mut download = Download {
            bytes,
            total,
            rate: None,
            mark: (now, bytes),
        };
        // A download that starts again has fewer bytes.
        if let Some(earlier) = earlier.filter(|earlier| earlier.bytes <= bytes) {
            let (since, start) = earlier.mark;
            let millis = now.saturating_duration_since(since).as_millis() as u64;
            if millis < MEASURE {
                return Download {
                    bytes,
                    total,
                    ..earlier
                };
            }
            let rate = (bytes - start).saturating_mul(1000) / millis;
            download.rate = Some(earlier.rate.map_or(rate, |last| last / 4 * 3 + rate / 4));
        }
        download
    }

    /// How much of the download is done, in percent.
    pub fn percent(&self) -> Option<u64> {
        let total = self.total.filter(|total| *total > 0)?;
        Some((u128::from(self.bytes.min(total)) * 100 / u128::from(total)) as u64)
    }

    /// The time until the download ends at this rate.
    pub fn left(&self) -> Option<Duration> {
        let rate = self.rate.filter(|rate| *rate > 0)?;
        let bytes = self.total?.saturating_sub(self.bytes);
        Some(Duration::from_secs(bytes / rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn the_rate_follows_the_last_seconds_and_tells_the_time_left() {
        let start = Instant::now();
        let mut download = Download::new(0, Some(80_000_000), None, start);
        assert_eq!((download.rate, download.left()), (None, None));
        for second in 1..=4 {
            let bytes = second * 10_000_000;
            let now = at(start, second * 1000);
            download = Download::new(bytes, Some(80_000_000), Some(download), now);
            assert_eq!(download.rate, Some(10_000_000));
        }
        assert_eq!(download.percent(), Some(50));
        assert_eq!(download.left(), Some(Duration::from_secs(4)));
        // Datagrams that arrive together do not count as a high rate.
        let together = Download::new(
            50_000_000,
            Some(80_000_000),
            Some(download),
            at(start, 4001),
        );
        assert_eq!(together.rate, Some(10_000_000));
        let next = Download::new(
            50_000_000,
            Some(80_000_000),
            Some(together),
            at(start, 5000),
        );
        assert!(
            next.rate
                .is_some_and(|rate| (9_900_000..=10_100_000).contains(&rate))
        );
    }

    #[test]
    fn a_download_that_starts_again_has_no_rate_and_odd_numbers_do_no_harm() {
        let start = Instant::now();
        let first = Download::new(5_000_000, None, None, start);
        let again = Download::new(1, None, Some(first), at(start, 1000));
        assert_eq!(
            (again.rate, again.percent(), again.left()),
            (None, None, None)
        );
        let odd = Download::new(u64::MAX, Some(7), Some(again), at(start, 2000));
        assert_eq!(odd.percent(), Some(100));
        assert_eq!(odd.left(), Some(Duration::ZERO));
        let none = Download::new(1, Some(0), None, start);
        assert_eq!(none.percent(), None);
    }
}
