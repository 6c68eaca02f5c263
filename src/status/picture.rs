//! Draws the status of a boot as a picture, with one row for each step.

use super::shown::{history, number, outlook, progress, times};
use crate::svg::{Axis, Bar, Colour, Picture, Row};
use serde_json::Value;

/// The picture of the status that [`current`](super::shown::current) returns, as an SVG file.
pub fn draw(text: &str) -> Result<String, serde_json::Error> {
    let status: Value = serde_json::from_str(text)?;
    let now = number(&status["now"]);
    let steps = status["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let (start, end) = times(steps, now);
    let is_first = status["runs"].as_u64().unwrap_or(0) <= 1;
    let mut rows = Vec::new();
    if is_first && end > start {
        let mut before = row("before muster", Colour::Before, 0.0, start);
        before.after = format!("{start:.1} s");
        rows.push(before);
    }
    rows.extend(steps.iter().map(|step| row_of(step, now)));
    let word = |name: &str| status[name].as_str();
    let version = word("k3s_version").unwrap_or("-");
    let mut notes = vec![format!("k3s       {version}")];
    notes.extend(history(&status, now).lines().map(String::from));
    let last = outlook(&status, steps, now).into_iter();
    let last = last.map(|(name, text)| format!("{name}: {text}")).collect();
    let legend = ["done", "running", "waiting", "failed or killed"];
    let legend = legend.map(|state| (colour(state), state.into()));
    let picture = Picture {
        title: format!("The boot of {}", word("hostname").unwrap_or("this board")),
        notes,
        legend: legend.into(),
        axis: Axis {
            // A later attempt may begin hours after power-on, so its axis does not begin at
            // power-on.
            from: if is_first { 0.0 } else { start },
            to: end,
        },
        rows,
        end: last,
    };
    Ok(picture.draw())
}

fn colour(state: &str) -> Colour {
    match state {
        "done" => Colour::Number(5),
        "running" => Colour::Number(1),
        "waiting" => Colour::Number(4),
        _ => Colour::Number(6),
    }
}

fn row(label: &str, colour: Colour, from: f64, to: f64) -> Row {
    Row {
        label: label.into(),
        bars: vec![Bar {
            from,
            to,
            colour,
            texts: Vec::new(),
            is_hatched: false,
        }],
        ..Row::default()
    }
}

/// The row of a step.
fn row_of(step: &Value, now: f64) -> Row {
    let word = |name: &str| step[name].as_str().unwrap_or_default();
    let (name, state) = (word("step"), word("state"));
    let (started, took) = (number(&step["started"]), number(&step["seconds"]));
    let mut row = row(name, colour(state), started, started + took);
    if state == "pending" {
        row.bars.clear();
        row.after = state.into();
        return row;
    }
    for bar in &mut row.bars {
        bar.texts.push(state.into());
        bar.is_hatched = state == "waiting";
    }
    row.after = format!("{state}  {took:.1} s");
    row.is_marked = matches!(state, "failed" | "killed" | "waiting");
    if state != "done" {
        row.below = word("error").into();
    }
    if state == "running" && step["download"].is_object() {
        row.below = progress(&step["download"], now);
    }
    row
}
