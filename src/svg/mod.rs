//! Draws boots as a picture (SVG): rows with bars on a time axis, like the pictures of
//! `systemd-analyze plot`.
//!
//! Every text goes through [`escaped`], so a text that somebody else chose cannot add markup. The
//! width of a text is computed from a fixed width for each character, because the font of the
//! reader is not known. The colours are those of Okabe and Ito, which colour-blind people can tell
//! apart. A bar that is wide enough also shows the number or the name of its step, or its state.

mod axis;
mod shapes;

pub use axis::Axis;
pub use shapes::Colour;

use crate::text::{clip, wrap};
use shapes::{BARS, BARS_WIDTH, CHARACTER, STYLE, escaped, rect, text};
use std::fmt::Write;

/// The width of the picture and of its margin (pixels).
const WIDTH: f64 = 980.0;
const MARGIN: f64 = 12.0;
/// Where the texts after the bars begin (pixels).
const AFTER: f64 = BARS + BARS_WIDTH + 10.0;
/// The room for the mark `!` before a label (pixels).
const INDENT: f64 = 2.0 * CHARACTER;
/// The most characters of a label (a whole MAC address), of the text after the bars, and of any
/// other line.
const LABEL_MAX: usize = 17;
const AFTER_MAX: usize = 41;
const LINE_MAX: usize = 112;
/// The height of a row, of its bars and of a line of text (pixels).
const ROW: f64 = 26.0;
const BAR: f64 = 18.0;
const LINE: f64 = 17.0;
/// The least width of a bar (pixels), so that a short one can be seen.
const LEAST: f64 = 2.0;
/// A span of time that is shown as a bar in a row.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Begin and end, in seconds on the axis.
    pub from: f64,
    pub to: f64,
    pub colour: Colour,
    /// Texts for the bar, the longest first. The first text that fits into the bar is shown.
    pub texts: Vec<String>,
    /// Whether the bar is hatched. A hatched bar shows time that was spent waiting.
    pub is_hatched: bool,
}

/// A row of the picture.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub label: String,
    /// Whether a person must look at this row. If so, its label and the text after the bars are
    /// bold, and a `!` stands before the label.
    pub is_marked: bool,
    pub bars: Vec<Bar>,
    /// The text after the bars.
    pub after: String,
    /// A text below the bars, in several lines if it is long.
    pub below: String,
    /// The tooltip that a browser shows for the row.
    pub hint: String,
}

/// A picture.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    pub title: String,
    /// Lines under the title.
    pub notes: Vec<String>,
    /// The meaning of the colours.
    pub legend: Vec<(Colour, String)>,
    pub axis: Axis,
    pub rows: Vec<Row>,
    /// Lines under the rows.
    pub end: Vec<String>,
}

impl Picture {
    /// The text of the SVG file.
    pub fn draw(&self) -> String {
        let mut body = String::new();
        let mut y = 28.0;
        text(&mut body, MARGIN, y, "t", &clip(&self.title, LINE_MAX));
        for note in &self.notes {
            y += LINE;
            text(&mut body, MARGIN, y, "n", &clip(note, LINE_MAX));
        }
        y += LINE + 8.0;
        self.draw_legend(&mut body, y);
        y += LINE + 10.0;
        let axis = y;
        y += 8.0;
        let mut rows = String::new();
        for row in &self.rows {
            y = self.draw_row(&mut rows, row, y);
        }
        self.axis.draw(&mut body, axis, y);
        body += &rows;
        y += 6.0;
        for line in self.end.iter().flat_map(|line| wrap(line, LINE_MAX)) {
            y += LINE;
            text(&mut body, MARGIN, y, "n", &line);
        }
        let (height, title) = (y + 14.0, escaped(&self.title));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n<title>{title}</title>\n{STYLE}\
             <rect class=\"p\" width=\"{WIDTH}\" height=\"{height}\"/>\n{body}</svg>\n"
        )
    }

    fn draw_legend(&self, out: &mut String, y: f64) {
        let mut x = MARGIN;
        for (colour, meaning) in &self.legend {
            rect(out, x, y - 10.0, 11.0, 12.0, &colour.classes().0);
            text(out, x + 16.0, y, "m", meaning);
            x += 16.0 + (meaning.chars().count() as f64 + 2.0) * CHARACTER;
        }
    }

    /// Draws a row, whose upper end is at the height `y`. Returns the height at which the next row
    /// begins.
    fn draw_row(&self, out: &mut String, row: &Row, mut y: f64) -> f64 {
        let class = if row.is_marked { "s" } else { "n" };
        let _ = writeln!(out, "<g><title>{}</title>", escaped(&row.hint));
        let baseline = y + 17.0;
        if row.is_marked {
            text(out, MARGIN, baseline, class, "!");
        }
        let label = clip(&row.label, LABEL_MAX);
        text(out, MARGIN + INDENT, baseline, class, &label);
        for bar in &row.bars {
            self.draw_bar(out, bar, y + (ROW - BAR) / 2.0);
        }
        text(out, AFTER, baseline, class, &clip(&row.after, AFTER_MAX));
        y += ROW;
        if !row.below.is_empty() {
            for line in wrap(&row.below, LINE_MAX) {
                let line = clip(&line, LINE_MAX);
                text(out, MARGIN + INDENT, y + 11.0, "n", &line);
                y += LINE;
            }
            y += 4.0;
        }
        out.push_str("</g>\n");
        y
    }

    fn draw_bar(&self, out: &mut String, bar: &Bar, y: f64) {
        let end = BARS + BARS_WIDTH;
        let from = self.axis.x(bar.from).min(end - LEAST);
        let width = (self.axis.x(bar.to) - from).max(LEAST);
        let (class, on_it) = bar.colour.classes();
        rect(out, from, y, width, BAR, &class);
        if bar.is_hatched {
            rect(out, from, y, width, BAR, Colour::Hatch.classes().0.as_str());
        }
        let room = |text: &&String| text.chars().count() as f64 * CHARACTER + 4.0 <= width;
        if let Some(shown) = bar.texts.iter().find(room) {
            let half = shown.chars().count() as f64 * CHARACTER / 2.0;
            text(out, from + width / 2.0 - half, y + 13.0, on_it, shown);
        }
    }
}

#[cfg(test)]
mod tests;
