//! The status file as `muster status` shows it.

use serde_json::{Map, Value};
use std::fmt::Write;
use std::time::Duration;

/// Corrects the text of the status file when the process that wrote it does not exist any more: the
/// step that was `running` becomes `killed`. `exists` tells whether a process exists.
pub fn current(json: &str, exists: impl Fn(u32) -> bool) -> Result<String, serde_json::Error> {
    let mut status: Map<String, Value> = serde_json::from_str(json)?;
    let pid = status.get("pid").and_then(Value::as_u64);
    if pid.is_some_and(|pid| u32::try_from(pid).is_ok_and(exists)) {
        return Ok(json.into());
    }
    status.insert("pid".into(), Value::Null);
    let steps = status.get_mut("steps").and_then(Value::as_array_mut);
    for step in steps.into_iter().flatten() {
        if step["state"] == "running" {
            step["state"] = "killed".into();
        }
    }
    Ok(format!("{:#}\n", Value::from(status)))
}

/// Formats the text of the status file as a table for a console. `now` is the time since boot.
pub fn table(json: &str, now: Duration) -> Result<String, serde_json::Error> {
    let status: Value = serde_json::from_str(json)?;
    let text = |value: &Value| value.as_str().unwrap_or("-").to_string();
    let mut table = format!(
        "hostname  {}\nk3s       {}\n\n",
        text(&status["hostname"]),
        text(&status["k3s_version"])
    );
    for step in status["steps"].as_array().into_iter().flatten() {
        let seconds = step["seconds"].as_f64().unwrap_or(0.0);
        let error = step["error"].as_str().unwrap_or("");
        let line = format!(
            "{:<10}{:<9}{seconds:>9.3} s  {error}",
            text(&step["step"]),
            text(&step["state"])
        );
        let _ = writeln!(table, "{}", line.trim_end());
    }
    if let Some(error) = status["last_error"].as_str() {
        let _ = writeln!(table, "\nfailed    {error}");
    }
    if let Some(next) = status["next_try"].as_u64() {
        let left = next.saturating_sub(now.as_secs());
        let _ = writeln!(table, "next try  in {left} s");
    }
    let restarts = status["restarts"].as_u64().unwrap_or(0);
    if restarts > 0 {
        let _ = writeln!(table, "\nk3s was restarted {restarts} times in this boot");
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;

    #[test]
    fn a_step_whose_process_was_killed_is_not_running() {
        let mut status = Status::default();
        status.begin(["identity", "fetch"].into_iter());
        status.start("fetch", Duration::ZERO);
        let text = status.to_json();
        assert_eq!(current(&text, |_| true).unwrap(), text);
        let killed = current(&text, |_| false).unwrap();
        assert!(killed.contains("killed") && !killed.contains("running"));
    }
}
