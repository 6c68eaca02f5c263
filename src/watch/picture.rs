//! Draws the rack as a picture, one row a board with its steps in colours, and keeps it in a file.

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

/// The most boards that a picture shows. It has about 1 KiB for each.
const BOARDS_MAX: usize = 500;
/// The longest axis, so that a board which waits for hours leaves room for the bars of the others.
const AXIS_MAX: f64 = 900.0;
/// The shortest axis.
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
    /// `error`, and the next call tries again.
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
            _ => vec![format!("{more} more boards have no room here")],
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

/// The time before muster, and the steps.
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
        // The step that is under way lasts until now, unless the board says nothing any more.
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
mod tests {
    use super::*;
    use crate::host::Mode;
    use crate::watch::datagram::parse;

    /// A board that has said this at these seconds after power-on: step, and more parameters.
    fn board(story: &[(u64, &str, &str)], start: Instant) -> Board {
        let mut board = Board::default();
        for (second, step, params) in story {
            let line = format!(
                "<30>1 - worker-43dfae muster 1 {step} [muster@32473 mac=\"dc:a6:32:01:02:03\" \
                 ip=\"192.0.2.7\" uptime=\"{second}.000\" attempt=\"1\" {params}] no carrier"
            );
            let now = start + Duration::from_secs(*second);
            board.hear(parse(line.as_bytes()).unwrap(), now);
        }
        board
    }

    fn seconds(row: &Row) -> Vec<(Colour, f64, f64)> {
        let bars = row.bars.iter();
        bars.map(|bar| (bar.colour, bar.from, bar.to)).collect()
    }

    #[test]
    fn a_row_has_the_steps_to_scale_and_the_last_one_until_now() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let story = [
            (10, "identity", "state=\"done\""),
            (10, "network", "state=\"running\""),
            (12, "network", "state=\"done\""),
            (12, "fetch", "state=\"running\""),
        ];
        let mut steps = vec![
            (Colour::Before, 0.0, 10.0),
            (Colour::Number(0), 10.0, 10.0),
            (Colour::Number(1), 10.0, 12.0),
            (Colour::Number(5), 12.0, 20.0),
        ];
        let running = board(&story, start);
        let shown = row(&running, at(20));
        assert_eq!(seconds(&shown), steps);
        assert_eq!(
            (shown.label.as_str(), shown.after.as_str()),
            ("worker-43dfae", "fetch: running")
        );
        // What a board does that says nothing any more is not known.
        steps[3].2 = 12.0;
        let silent = row(&running, at(100));
        assert_eq!((seconds(&silent), silent.is_marked), (steps, true));
        let waits = [(9, "network", "state=\"waiting\"")];
        let waiting = row(&board(&waits, start), at(40));
        let hatched: Vec<bool> = waiting.bars.iter().map(|bar| bar.is_hatched).collect();
        assert_eq!(hatched, [false, true]);
        let joined = board(&[(41, "join", "state=\"joined\"")], start);
        let joined = row(&joined, at(900));
        assert_eq!(
            (joined.bars[1].to, joined.after.as_str()),
            (41.0, "joined after 0:41")
        );
    }

    #[test]
    fn the_file_is_written_when_the_picture_changes_and_once_a_second_at_most() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let unheard = Board::default();
        let joined = board(&[(41, "join", "state=\"joined\"")], start);
        let mut file = File::new("/rack.svg", start);
        let mut update = |board: &Board, millis| {
            host.remove("/rack.svg").unwrap();
            file.update(&host, &[board], at(millis)).unwrap();
            host.metadata("/rack.svg").is_some()
        };
        assert!(update(&unheard, 0));
        assert!(!update(&joined, 900));
        assert!(update(&joined, 1000));
        assert!(!update(&joined, 2000) && !update(&joined, 90_000));
        let many: Vec<&Board> = std::iter::repeat_n(&joined, BOARDS_MAX + 7).collect();
        let svg = draw(&many, start);
        assert!(svg.contains(">7 more boards have no room here<"));
        assert_eq!(svg.matches("<g>").count(), BOARDS_MAX);
    }
}
