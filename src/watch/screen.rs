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
/// The column with the last trouble. It takes the rest of the line.
const TROUBLE: usize = COLUMNS - 1;
/// The columns that a narrow window leaves out, in this order, until the rest fits.
const OPTIONAL: [usize; 4] = [3, 2, 1, 6];
/// Columns of [`OPTIONAL`] are left out until the last trouble has room for this many characters,
/// or for the longest trouble if that is shorter.
const TROUBLE_LEAST: usize = 20;
/// The space between two columns.
const GAP: usize = 2;

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub columns: usize,
    pub rows: usize,
}

/// A line such as `2 boards: 0 stuck, 0 not heard yet, 2 booting, 0 joined`.
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

/// The lines of the screen: `title`, the number of boards in each condition, the titles of the
/// columns, and the boards. The lines fit into a window of this size.
pub fn draw(title: &str, boards: &[&Board], now: Instant, size: Size) -> Vec<String> {
    let rows: Vec<[String; COLUMNS]> = boards
        .iter()
        // Each board needs at least one line, so no more boards than this fit into the window.
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
        // Unless this is the last board, a line must be left to say that there are more boards.
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

/// The text, with escape sequences, that replaces the contents of a terminal with these lines.
pub fn frame(lines: &[String]) -> String {
    // The cursor goes to the upper left corner. Clearing the whole screen first would make it
    // flicker. So only the rest of each line is cleared after its text, and then the rest of the
    // screen below the lines.
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

/// The number of characters of a line before the column with the last trouble.
fn start_of_trouble(columns: &[usize], widths: &[usize; COLUMNS]) -> usize {
    let before = columns.iter().filter(|column| **column != TROUBLE);
    GAP + before.map(|column| widths[*column] + GAP).sum::<usize>()
}

/// The line of a board. When a board is stuck and its last trouble does not fit into the line, the
/// lines that follow have the whole trouble.
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
mod tests;
