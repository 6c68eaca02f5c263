//! Draws the rack for a terminal.

use super::board::Board;
use super::condition::Condition;
use super::words::{known, state, step};
use crate::text::{clip, clock, wrap};
use std::fmt::Write;
use std::time::Instant;

/// The titles of the columns.
const TITLES: [&str; COLUMNS] = [
    "NAME",
    "MAC ADDRESS",
    "ADDRESS",
    "K3S",
    "STEP",
    "STATE",
    "POWER-ON",
    "LAST TROUBLE",
];
const COLUMNS: usize = 8;
/// The column with the last trouble. It has the rest of the line.
const TROUBLE: usize = COLUMNS - 1;
/// The columns that a narrow window leaves out, the first one first.
const OPTIONAL: [usize; 4] = [3, 2, 1, 6];
/// How many characters of the last trouble are shown at least. Where less is left, other columns are
/// left out.
const TROUBLE_LEAST: usize = 20;
/// The space between two columns.
const GAP: usize = 2;

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// Counts the boards by their condition, in words.
pub(super) fn summary(boards: &[&Board], now: Instant) -> String {
    let conditions: Vec<Condition> = boards.iter().map(|board| board.condition(now)).collect();
    let count = |is: fn(Condition) -> bool| conditions.iter().filter(|c| is(**c)).count();
    format!(
        "{} boards: {} stuck, {} not heard yet, {} booting, {} joined",
        boards.len(),
        count(Condition::is_stuck),
        count(|c| c == Condition::Unheard),
        count(|c| matches!(c, Condition::Waiting | Condition::Booting)),
        count(|c| c == Condition::Joined),
    )
}

/// The lines of the screen: `title`, how many boards there are, the titles of the columns, and the
/// boards. No line is longer than the window, and there are no more lines than it has.
pub fn draw(title: &str, boards: &[&Board], now: Instant, size: Size) -> Vec<String> {
    let rows: Vec<[String; COLUMNS]> = boards
        .iter()
        // More boards than this have no room.
        .take(size.rows)
        .map(|board| cells(board, now))
        .collect();
    let widths = widths(&rows);
    let columns = columns(&widths, size.columns);
    let header = TITLES.map(String::from);
    let mut lines = vec![
        title.into(),
        summary(boards, now),
        format!("  {}", line(&header, &columns, &widths)),
    ];
    for (shown, (board, row)) in boards.iter().zip(&rows).enumerate() {
        let lines_of_board = board_lines(board, row, &columns, &widths, size.columns, now);
        // One line must be left to say that there are more boards.
        let is_last = shown + 1 == boards.len();
        let needed = lines.len() + lines_of_board.len() + usize::from(!is_last);
        if needed > size.rows {
            let more = boards.len() - shown;
            let line = format!("  {more} more boards: make the window larger to see them");
            lines.push(line);
            break;
        }
        lines.extend(lines_of_board);
    }
    lines.truncate(size.rows);
    for line in &mut lines {
        *line = clip(line.trim_end(), size.columns);
    }
    lines
}

/// The text that makes a terminal show these lines in place of what it shows.
pub fn frame(lines: &[String]) -> String {
    // The cursor goes to the upper left corner. Each line is cleared after its text, and then the
    // rest of the screen, so that nothing flickers.
    let mut text = String::from("\u{1b}[H");
    for line in lines {
        let _ = writeln!(text, "{line}\u{1b}[K");
    }
    text + "\u{1b}[J"
}

fn cells(board: &Board, now: Instant) -> [String; COLUMNS] {
    [
        known(&board.name),
        known(&board.mac),
        known(&board.address),
        known(&board.version),
        step(board).into(),
        state(board, now),
        known(&board.since_power_on(now).map(clock)),
        board.trouble.clone().unwrap_or_default(),
    ]
}

/// The width of each column.
fn widths(rows: &[[String; COLUMNS]]) -> [usize; COLUMNS] {
    let mut widths = TITLES.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

/// The columns that a window of this width has room for.
fn columns(widths: &[usize; COLUMNS], window: usize) -> Vec<usize> {
    let mut columns: Vec<usize> = (0..COLUMNS).collect();
    let trouble = widths[TROUBLE].min(TROUBLE_LEAST);
    for optional in OPTIONAL {
        if start_of_trouble(&columns, widths) + trouble <= window {
            break;
        }
        columns.retain(|column| *column != optional);
    }
    columns
}

/// The number of characters before the last trouble.
fn start_of_trouble(columns: &[usize], widths: &[usize; COLUMNS]) -> usize {
    let before = columns.iter().filter(|column| **column != TROUBLE);
    GAP + before.map(|column| widths[*column] + GAP).sum::<usize>()
}

/// The line of a board. Where a board is stuck and its last trouble has no room in the line, the
/// lines that follow have all of it.
fn board_lines(
    board: &Board,
    row: &[String; COLUMNS],
    columns: &[usize],
    widths: &[usize; COLUMNS],
    window: usize,
    now: Instant,
) -> Vec<String> {
    let is_stuck = board.condition(now).is_stuck();
    let trouble = &row[TROUBLE];
    let room = window.saturating_sub(start_of_trouble(columns, widths));
    let fits = trouble.chars().count() <= room;
    let mark = if is_stuck { "! " } else { "  " };
    if fits || !is_stuck {
        return vec![format!("{mark}{}", line(row, columns, widths))];
    }
    let mut row = row.clone();
    let text = std::mem::take(&mut row[TROUBLE]);
    let mut lines = vec![format!("{mark}{}", line(&row, columns, widths))];
    let indent = "    ";
    let wrapped = wrap(&text, window.saturating_sub(indent.len()));
    lines.extend(wrapped.iter().map(|part| format!("{indent}{part}")));
    lines
}

/// The cells of a row, each with the width of its column.
fn line(row: &[String; COLUMNS], columns: &[usize], widths: &[usize; COLUMNS]) -> String {
    let mut line = String::new();
    for column in columns {
        let width = widths[*column] + GAP;
        let _ = write!(line, "{:width$}", row[*column]);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::hostname::Naming;
    use crate::board::mac::Mac;
    use crate::watch::{datagram::parse, rack::Rack};
    use std::time::Duration;

    /// A rack with a board in each of four conditions, and the time.
    fn rack() -> (Rack, Instant) {
        let listed = [Mac::parse("52:54:00:00:00:09").unwrap()];
        let mut rack = Rack::new(&listed, &Naming::new("worker-", 6).unwrap());
        let now = Instant::now();
        for (second, board, uptime, step, params, text) in [
            (
                0,
                1,
                "20.5",
                "register",
                "state=\"failed\" attempt=\"3\"",
                REFUSED,
            ),
            (
                0,
                2,
                "20.5",
                "fetch",
                "bytes=\"10000000\" version=\"v1.34.1+k3s1\"",
                "",
            ),
            (
                2,
                2,
                "22.5",
                "fetch",
                "bytes=\"30000000\" total=\"80000000\"",
                "",
            ),
            (
                2,
                3,
                "41.9",
                "join",
                "state=\"joined\" version=\"v1.34.1+k3s1\"",
                "",
            ),
        ] {
            let severity = if text.is_empty() { 30 } else { 27 };
            let line = format!(
                "<{severity}>1 - worker-{board} muster 1 {step} [muster@32473 \
                 mac=\"52:54:00:00:00:0{board}\" ip=\"192.0.2.{board}\" uptime=\"{uptime}\" \
                 {params}] {text}"
            );
            let report = parse(line.as_bytes()).unwrap();
            let from = [192, 0, 2, 200].into();
            rack.hear(report, from, now + Duration::from_secs(second));
        }
        (rack, now + Duration::from_secs(3))
    }

    const REFUSED: &str = "the server refuses this node: delete the secret \
        worker-1.node-password.k3s in the namespace kube-system, and start this board again";

    fn drawn(columns: usize, rows: usize) -> Vec<String> {
        let (rack, now) = rack();
        draw("title", &rack.rows(now), now, Size { columns, rows })
    }

    #[test]
    fn the_rack_is_a_table_with_the_stuck_boards_first() {
        #[rustfmt::skip]
        let expected = [
            "title",
            "4 boards: 1 stuck, 1 not heard yet, 1 booting, 1 joined",
            "  NAME           MAC ADDRESS        ADDRESS    K3S           STEP      STATE                                     POWER-ON  LAST TROUBLE",
            "! worker-1       52:54:00:00:00:01  192.0.2.1  -             register  failed, attempt 3                         0:23",
            "    the server refuses this node: delete the secret worker-1.node-password.k3s in the namespace kube-system, and start this board again",
            "  worker-ebf74e  52:54:00:00:00:09  -          -             -         not heard yet                             -",
            "  worker-2       52:54:00:00:00:02  192.0.2.2  v1.34.1+k3s1  fetch     [###-------]  37 %  10.0 MB/s  0:05 left  0:23",
            "  worker-3       52:54:00:00:00:03  192.0.2.3  v1.34.1+k3s1  join      joined                                    0:41",
        ];
        let lines = drawn(145, 20);
        assert_eq!(lines.join("\n"), expected.join("\n"));
    }

    #[test]
    fn a_wide_window_has_the_trouble_in_the_line_of_its_board() {
        let lines = drawn(300, 20);
        assert!(lines[3].ends_with(REFUSED), "{}", lines[3]);
        assert_eq!(lines.len(), 7);
    }

    #[test]
    fn no_line_leaves_the_window_however_small_it_is() {
        for columns in [0, 1, 2, 5, 20, 40, 79, 80, 100, 132] {
            for rows in [0, 1, 2, 3, 4, 5, 7, 24] {
                let lines = drawn(columns, rows);
                assert!(lines.len() <= rows, "{columns} by {rows}: {lines:?}");
                let fits = |line: &String| line.chars().count() <= columns;
                assert!(lines.iter().all(fits), "{columns} by {rows}: {lines:?}");
            }
        }
        let lines = drawn(80, 7);
        assert!(lines[3].starts_with("! worker-1       register  failed"));
        assert_eq!(
            lines[6],
            "  3 more boards: make the window larger to see them"
        );
    }

    #[test]
    fn a_frame_clears_what_was_on_the_screen() {
        let frame = frame(&["one".into(), "two".into()]);
        assert_eq!(frame, "\u{1b}[Hone\u{1b}[K\ntwo\u{1b}[K\n\u{1b}[J");
    }
}
