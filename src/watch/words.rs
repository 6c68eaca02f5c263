//! Describes a board in words, as a line of text, and as JSON.

use super::board::Board;
use super::condition::{Condition, STUCK_AFTER};
use super::progress::Download;
use crate::report::format::State;
use crate::text::clock;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The version of the format of `muster watch --json`. It is raised when a field changes its
/// meaning or is removed, and not when a field is added.
pub const FORMAT: u64 = 1;

/// What stands for an unknown value in a table.
const UNKNOWN: &str = "-";
/// The width of the bar that shows the progress of a download (characters).
const BAR: u64 = 10;

/// The text of a value that may be unknown.
pub fn known<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map_or(UNKNOWN.into(), T::to_string)
}

/// The step of a board.
pub fn step(board: &Board) -> &'static str {
    board.step.map_or(UNKNOWN, |step| step.name())
}

/// The state of the board, with the progress of its download, for a screen that is drawn
/// repeatedly.
pub fn state(board: &Board, now: Instant) -> String {
    let silence = || clock(board.silence(now).unwrap_or_default());
    match board.condition(now) {
        Condition::Failed => format!("failed{}", attempt(board)),
        Condition::Silent => format!("no message for {}", silence()),
        Condition::Stuck => format!("waiting for {}", clock(board.waited(now))),
        Condition::Unheard => "not heard yet".into(),
        Condition::Waiting => "waiting".into(),
        Condition::Booting => match board.download {
            Some(download) => progress(&download),
            None if board.state == Some(State::Done) => "done".into(),
            None => format!("running{}", attempt(board)),
        },
        Condition::Joined => "joined".into(),
    }
}

/// A text such as `, attempt 2`; empty in the first boot attempt, and when its number is not known.
fn attempt(board: &Board) -> String {
    let attempt = board.attempt.filter(|attempt| *attempt > 1);
    attempt.map_or(String::new(), |attempt| format!(", attempt {attempt}"))
}

/// The progress of a download: a bar, the rate and the time left.
fn progress(download: &Download) -> String {
    let megabytes = |bytes: u64| format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10);
    let mut text = match download.percent() {
        Some(percent) => {
            let full = (percent * BAR / 100) as usize;
            let (full, rest) = ("#".repeat(full), "-".repeat(BAR as usize - full));
            format!("[{full}{rest}] {percent:>3} %")
        }
        None => megabytes(download.bytes),
    };
    if let Some(rate) = download.rate {
        text += &format!("  {}/s", megabytes(rate));
    }
    if let Some(left) = download.left() {
        text += &format!("  {} left", clock(left));
    }
    text
}

/// The board in one line, for an output that is not drawn again. The line has no running times and
/// shows a download in steps of 25 %, so that it does not change all the time.
pub fn line(board: &Board, now: Instant) -> String {
    line_of_change(board, true, now)
}

/// The same line. The last trouble of the board is left out unless `trouble` is true.
pub fn line_of_change(board: &Board, trouble: bool, now: Instant) -> String {
    let limit = STUCK_AFTER.as_secs();
    let condition = board.condition(now);
    let state = match condition {
        Condition::Silent => format!("no message for more than {limit} s"),
        Condition::Stuck => format!("waiting for more than {limit} s"),
        Condition::Booting => match board.download.map(|download| download.percent()) {
            Some(Some(percent)) => format!("downloading, {} %", percent / 25 * 25),
            Some(None) => "downloading".into(),
            None => state(board, now),
        },
        Condition::Joined => match board.since_power_on(now) {
            Some(time) => format!("joined, {} after power-on", clock(time)),
            None => "joined".into(),
        },
        _ => state(board, now),
    };
    let mut line = format!("{}  {}", known(&board.name), known(&board.mac));
    if let Some(address) = board.address {
        line += &format!("  {address}");
    }
    match board.step {
        Some(step) if condition != Condition::Joined => {
            line += &format!("  {}: {state}", step.name());
        }
        _ => line += &format!("  {state}"),
    }
    if let Some(trouble) = board.trouble.as_ref().filter(|_| trouble) {
        line += &format!(": {trouble}");
    }
    line
}

/// The board as a JSON object, without the times and the rate, which [`with_times`] adds.
pub fn to_json(board: &Board, now: Instant) -> Value {
    let condition = board.condition(now);
    json!({
        "format": FORMAT,
        "mac": board.mac.map(|mac| mac.to_string()),
        "name": board.name.as_ref().map(|name| name.as_str()),
        "address": board.address.map(|address| address.to_string()),
        "version": board.version.as_ref().map(|tag| tag.as_str()),
        "step": board.step.map(|step| step.name()),
        "state": board.state.map(State::name),
        "condition": condition.name(),
        "stuck": condition.is_stuck(),
        "attempt": board.attempt,
        "bytes": board.download.map(|download| download.bytes),
        "total": board.download.and_then(|download| download.total),
        "trouble": board.trouble,
    })
}

/// Adds the times, and the rate of the download, to the object that [`to_json`] returns. `elapsed`
/// is the time since `muster watch` was started.
pub fn with_times(mut object: Value, board: &Board, elapsed: Duration, now: Instant) -> Value {
    let download = board.download;
    object["time"] = seconds(elapsed);
    object["since_power_on"] = board.since_power_on(now).map(seconds).into();
    object["rate"] = download.and_then(|download| download.rate).into();
    object["seconds_left"] = download.and_then(|d| d.left()).map(|d| d.as_secs()).into();
    object
}

/// Seconds with three decimal places.
fn seconds(time: Duration) -> Value {
    (time.as_millis() as f64 / 1000.0).into()
}

#[cfg(test)]
mod tests;
