//! Writes log lines to stderr in the form of k3s's logger.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub fn info(text: &str) {
    line("info", text);
}

pub fn error(text: &str) {
    line("error", text);
}

pub fn fatal(text: &str) {
    line("fatal", text);
}

/// Returns the time since 1970.
pub fn unix_now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn line(level: &str, text: &str) {
    let stamp = stamp(unix_now());
    raw(&format!("time=\"{stamp}Z\" level={level} msg={text:?}\n"));
}

/// The time in the form of Kubernetes, with microseconds.
pub fn now() -> String {
    let now = unix_now();
    format!("{}.{:06}Z", stamp(now), now.subsec_micros())
}

/// A time since 1970 as date and time of day.
fn stamp(unix: Duration) -> String {
    let at = rcgen::date_time_ymd(1970, 1, 1) + unix;
    let (date, time) = (at.date(), at.time());
    let month = u8::from(date.month());
    format!(
        "{:04}-{month:02}-{:02}T{:02}:{:02}:{:02}",
        date.year(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// Writes a text without a prefix. As in k3s, a closed stderr is not an error.
pub fn raw(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
