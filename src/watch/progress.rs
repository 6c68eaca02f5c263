//! Computes the rate of a download from its progress.

use std::time::{Duration, Instant};

/// The shortest time over which the rate of a download is measured (milliseconds). Datagrams that
/// the network delayed may arrive together, within a shorter time, and must not count as a high
/// rate.
const MEASURE: u64 = 500;

/// How far a download is.
#[derive(Clone, Copy, Debug)]
pub struct Download {
    /// How many bytes the board has.
    pub bytes: u64,
    /// The size of the complete file (bytes), if it is known.
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
mod tests;
