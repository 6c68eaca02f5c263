//! Prepares the status file for `muster status`: corrects it to the present time, and formats it as
//! a table.

use super::advice::advice;
use super::entry::{rounded, seconds};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::time::Duration;

/// The width of the bar that shows when a step ran (characters).
const BAR: usize = 32;
/// The name of the line that says when the next boot attempt comes.
const NEXT_TRY: &str = "next try";

/// Corrects the text of the status file to the present time `now` (time since boot), and adds the
/// field `now`. If the process that wrote the file still exists, a step that runs or waits gets the
/// time that it has taken until now. Otherwise such a step becomes `killed`, and `pid` becomes
/// null. `exists` tells whether a process exists.
pub fn current(
    text: &str,
    now: Duration,
    exists: impl Fn(u32) -> bool,
) -> Result<String, serde_json::Error> {
    let mut status: Map<String, Value> = serde_json::from_str(text)?;
    let pid = status.get("pid").and_then(Value::as_u64);
    let runs = pid.is_some_and(|pid| u32::try_from(pid).is_ok_and(exists));
    if !runs {
        status.insert("pid".into(), Value::Null);
    }
    status.insert("now".into(), rounded(now).into());
    let steps = status.get_mut("steps").and_then(Value::as_array_mut);
    for step in steps.into_iter().flatten() {
        if step["state"] != "running" && step["state"] != "waiting" {
            continue;
        }
        if !runs {
            step["state"] = "killed".into();
        } else if let Some(started) = seconds(&step["started"]) {
            step["seconds"] = json!(rounded(now.saturating_sub(started)));
        }
    }
    Ok(format!("{:#}\n", Value::from(status)))
}

/// Formats the text that [`current`] returns as a table for a console, at most 80 columns wide
/// except for messages.
pub fn table(text: &str) -> Result<String, serde_json::Error> {
    let status: Value = serde_json::from_str(text)?;
    let now = number(&status["now"]);
    let mut table = String::new();
    for (name, value) in [("hostname", "hostname"), ("k3s", "k3s_version")] {
        let value = status[value].as_str().unwrap_or("-");
        let _ = writeln!(table, "{name:<9} {value}");
    }
    table += &history(&status, now);
    let steps = status["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let (start, end) = times(steps, now);
    if !steps.is_empty() {
        table.push('\n');
    }
    for step in steps {
        add_step(&mut table, step, now, start, (end - start).max(0.001));
    }
    for (name, text) in outlook(&status, steps, now) {
        if name != NEXT_TRY {
            table.push('\n');
        }
        let _ = writeln!(table, "{name:<9} {text}");
    }
    Ok(table)
}

/// Returns lines, each as a name and a text: why the last boot attempt failed, when the next
/// attempt comes, and what the operator should do.
pub(super) fn outlook(status: &Value, steps: &[Value], now: f64) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let Some(error) = status["last_error"].as_str() {
        lines.push(("failed", error.into()));
    }
    if let Some(next) = status["next_try"].as_f64() {
        lines.push((NEXT_TRY, format!("in {:.0} s", (next - now).max(0.0))));
    }
    lines.push(("to do", advice(status, steps)));
    lines
}

/// When the first of these steps began, and when the last one ended (`now`, if it still runs). Both
/// are `now` when no step has begun.
pub(super) fn times(steps: &[Value], now: f64) -> (f64, f64) {
    let begun = steps.iter().filter(|step| step["state"] != "pending");
    let times = begun.map(|step| (number(&step["started"]), number(&step["seconds"])));
    let start = times.clone().map(|(start, _)| start).fold(now, f64::min);
    let ends = times.map(|(start, took)| start + took);
    (start, ends.fold(start, f64::max))
}

/// The lines that say what happened in this boot besides the steps: the boot attempts, and the
/// restarts of k3s.
pub(super) fn history(status: &Value, now: f64) -> String {
    let mut table = String::new();
    let attempt = status["runs"].as_u64().unwrap_or(0);
    if attempt > 0 {
        let _ = write!(table, "boot      attempt {attempt}");
        if let Some(joined) = status["joined"].as_f64() {
            let joined = span(joined);
            let _ = write!(table, ", which started k3s {joined} after power-on");
        }
        table.push('\n');
    }
    let restarts = status["restarts"].as_u64().unwrap_or(0);
    if restarts > 0 {
        let _ = match restarts {
            1 => write!(table, "restarts  k3s was restarted once in this boot"),
            _ => write!(
                table,
                "restarts  k3s was restarted {restarts} times in this boot"
            ),
        };
        if let Some(last) = status["restarted"].as_f64() {
            let _ = write!(table, ", the last time {} ago", span(now - last));
        }
        table.push('\n');
    }
    table
}

/// Adds the lines of one step. `start` is the time at which the bars begin, and `length` is the
/// time that a whole bar stands for (seconds).
fn add_step(table: &mut String, step: &Value, now: f64, start: f64, length: f64) {
    let state = step["state"].as_str().unwrap_or_default();
    let name = step["step"].as_str().unwrap_or_default();
    if state == "pending" {
        let _ = writeln!(table, "{name:<9} {state}");
        return;
    }
    let mark = match state {
        "done" => '#',
        "running" => '=',
        "waiting" => '.',
        _ => 'x',
    };
    let (started, took) = (number(&step["started"]), number(&step["seconds"]));
    let column = |time: f64| ((time - start) / length * BAR as f64) as usize;
    let from = column(started).min(BAR - 1);
    let to = column(started + took).clamp(from + 1, BAR);
    let bar: String = (0..BAR)
        .map(|at| if (from..to).contains(&at) { mark } else { ' ' })
        .collect();
    let _ = writeln!(table, "{name:<9} {state:<8}{took:>9.1} s  |{bar}|");
    if let (Some(error), true) = (step["error"].as_str(), state != "done") {
        let _ = writeln!(table, "          {error}");
    }
    if step["download"].is_object() && state == "running" {
        let _ = writeln!(table, "          {}", progress(&step["download"], now));
    }
}

/// How far a download is, such as `30 of 72 MB (42 %), 2.4 MB/s, 18 s left`.
pub(super) fn progress(download: &Value, now: f64) -> String {
    let (bytes, rate) = (number(&download["bytes"]), number(&download["rate"]));
    let mut text = format!("{:.0}", (bytes / 1e6).floor());
    let total = download["total"].as_f64();
    if let Some(total) = total {
        let percent = (bytes / total * 100.0).floor();
        let _ = write!(text, " of {:.0} MB ({percent:.0} %)", (total / 1e6).floor());
    } else {
        text += " MB";
    }
    let silent = now - number(&download["at"]);
    if silent >= 5.0 {
        let _ = write!(text, ", no data for {silent:.0} s");
    } else if rate > 0.0 {
        let _ = write!(text, ", {:.1} MB/s", rate / 1e6);
        if let Some(total) = total {
            let _ = write!(text, ", {:.0} s left", ((total - bytes) / rate).ceil());
        }
    }
    text
}

pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

/// Formats a time in seconds, such as `41.2 s` or `15 min`.
fn span(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{seconds:.1} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.0} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests;
