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
    let now = rcgen::date_time_ymd(1970, 1, 1) + unix_now();
    let (date, time) = (now.date(), now.time());
    let month = u8::from(date.month());
    let stamp = format!(
        "{:04}-{month:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    raw(&format!("time=\"{stamp}\" level={level} msg={text:?}\n"));
}

/// Writes a text without a prefix. As in k3s, a closed stderr is not an error.
pub fn raw(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
