//! Values of HTTP headers that muster reads.

use std::time::{Duration, SystemTime};

/// The values of a `Content-Range` header whose unit is bytes (RFC 9110, 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The offset of the first byte.
    pub start: u64,
    /// The length of the whole file (bytes); `None` when the header does not tell this length.
    pub total: Option<u64>,
}

/// Parses `bytes <start>-<end>/<total>`. Returns `None` for another form, and for numbers that
/// contradict each other, such as an end before the start.
pub fn content_range(text: &str) -> Option<ContentRange> {
    let number = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse::<u64>().ok())?
    };
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end) = (number(start)?, number(end)?);
    let total = if total == "*" {
        None
    } else {
        Some(number(total)?)
    };
    (start <= end && total.is_none_or(|total| end < total)).then_some(ContentRange { start, total })
}

/// How long the server asks to wait. `text` is the value of a `Retry-After` header: a number of
/// seconds or a date (RFC 9110, 10.2.3). Returns `None` when the value cannot be parsed, or when
/// the date has passed.
pub fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text.trim())
            .ok()?
            .duration_since(now)
            .ok(),
    }
}

#[cfg(test)]
mod tests;
