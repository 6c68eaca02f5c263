//! Draws the rack as a picture, with one row for each board and one colour for each step, and
//! writes it to a file.

use super::board::Board;
use super::condition::Condition;
use super::screen::summary;
use super::words::{known, line, state};
use crate::boot::Step;
use crate::host::Host;
use crate::report::format::State;
use crate::svg::{Axis, Bar, Colour, Picture, Row};
use crate::text::clock;
use anyhow::Result;
use std::time::{Duration, Instant};

/// The most boards that a picture shows. A picture has about 1 KiB for each board.
const BOARDS_MAX: usize = 500;
/// The longest axis (seconds). With a longer axis, a board that waits for hours would make the bars
/// of the other boards too narrow.
const AXIS_MAX: f64 = 900.0;
/// The shortest axis (seconds).
const AXIS_MIN: f64 = 10.0;

/// The shortest time between two writes of the file.
const PAUSE: Duration = Duration::from_secs(1);

/// The file with the picture (`--svg`).
pub struct File {
    path: String,
    /// The picture that was written last.
    written: String,
    next: Instant,
    /// Why the last write failed.
    pub error: Option<String>,
}

impl File {
    pub fn new(path: &str, now: Instant) -> File {
        File {
            path: path.into(),
            written: String::new(),
            next: now,
            error: None,
        }
    }

    /// Writes the picture when it has changed, and once a second at most. A failure is also kept in
    /// `error`, and a call after at least a second tries again.
    pub fn update(&mut self, host: &Host, boards: &[&Board], now: Instant) -> Result<()> {
        if now < self.next {
            return Ok(());
        }
        self.next = now + PAUSE;
        let picture = draw(boards, now);
        if picture == self.written {
            return Ok(());
        }
        let result = host.write_as_named(&self.path, &picture);
        self.error = result.as_ref().err().map(|error| format!("{error:#}"));
        if result.is_ok() {
            self.written = picture;
        }
        result
    }
}

/// The picture of the rack as an SVG file. `boards` are in the order in which they are shown.
pub fn draw(boards: &[&Board], now: Instant) -> String {
    let shown = &boards[..boards.len().min(BOARDS_MAX)];
    let rows: Vec<Row> = shown.iter().map(|board| row(board, now)).collect();
    let ends = rows.iter().flat_map(|row| &row.bars).map(|bar| bar.to);
    let steps = Step::all().enumerate();
    let steps = steps.map(|(n, step)| (Colour::Number(n), format!("{} {}", n + 1, step.name())));
    let mut legend = vec![(Colour::Before, "before muster".into())];
    legend.extend(steps);
    legend.push((Colour::Hatch, "waiting".into()));
    let more = boards.len() - shown.len();
    Picture {
        title: "The rack, as muster watch sees it".into(),
        notes: vec![summary(boards, now)],
        legend,
        axis: Axis {
            from: 0.0,
            to: ends.fold(AXIS_MIN, f64::max).min(AXIS_MAX),
        },
        rows,
        end: match more {
            0 => Vec::new(),
            _ => vec![format!(
                "number of boards for which the picture has no room: {more}"
            )],
        },
    }
    .draw()
}

fn row(board: &Board, now: Instant) -> Row {
    let condition = board.condition(now);
    let state = state(board, now);
    let is_joined = condition == Condition::Joined;
    let after = match (board.since_power_on(now), board.step) {
        (Some(time), _) if is_joined => format!("joined after {}", clock(time)),
        (_, Some(step)) if !is_joined && board.download.is_none() => {
            format!("{}: {state}", step.name())
        }
        _ => state,
    };
    Row {
        label: match (&board.name, board.mac) {
            (None, Some(mac)) => mac.to_string(),
            (None, None) => known(&board.address),
            (name, _) => known(name),
        },
        is_marked: condition.is_stuck(),
        bars: bars(board, condition, now),
        after,
        below: board.trouble.clone().unwrap_or_default(),
        hint: line(board, now),
    }
}

/// The bars of a board: one for the time before muster started, and one for each step that has
/// begun.
fn bars(board: &Board, condition: Condition, now: Instant) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (step, span) in board.timeline.spans() {
        if bars.is_empty() {
            bars.push(Bar {
                from: 0.0,
                to: span.from.as_secs_f64(),
                colour: Colour::Before,
                texts: Vec::new(),
                is_hatched: false,
            });
        }
        // The step that is under way lasts until now, unless it has failed or the board sends
        // nothing any more.
        let is_open = board.step == Some(step) && !span.is_done;
        let goes_on = is_open && condition > Condition::Silent && condition != Condition::Joined;
        let now = board.since_power_on(now).filter(|_| goes_on);
        let to = now.map_or(span.to, |now: Duration| now.max(span.to));
        let (number, name) = (step as usize, step.name());
        bars.push(Bar {
            from: span.from.as_secs_f64(),
            to: to.as_secs_f64(),
            colour: Colour::Number(number),
            texts: vec![name.into(), (number + 1).to_string()],
            is_hatched: is_open && board.state == Some(State::Waiting),
        });
    }
    bars
}

#[cfg(test)]
mod tests;
