//! Reads the entries of `docs/troubleshooting.md`.

use crate::message_words::spans;
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../../docs/troubleshooting.md");
const CHECKS: &str = include_str!("../../../../docs/check.md");

/// An entry: a heading, or a row of a table.
#[derive(Debug)]
pub struct Entry {
    /// The words of its messages; `…` stands for any text.
    pub messages: Vec<&'static str>,
    /// Its text: cause, remedy and confirmation, or the rest of the row.
    text: &'static str,
}

/// All entries of the page.
pub fn entries() -> Vec<Entry> {
    let headings = PAGE.split("\n### ").skip(1).map(|section| {
        let section = section.split("\n## ").next().unwrap();
        let (heading, text) = section.split_once('\n').unwrap();
        Entry {
            messages: spans(heading).collect(),
            text,
        }
    });
    let tables = PAGE.split("\n| message | ").skip(1).flat_map(|table| {
        let rows = table.lines().skip(2);
        rows.take_while(|row| row.starts_with("| ")).map(|row| {
            let (message, text) = row[2..].split_once(" | ").unwrap();
            Entry {
                messages: spans(message).collect(),
                text,
            }
        })
    });
    headings.chain(tables).collect()
}

/// The entry of a message.
pub fn entry_of<'a>(entries: &'a [Entry], message: &str) -> &'a Entry {
    let entry = entries
        .iter()
        .find(|entry| entry.messages.contains(&message));
    entry.unwrap_or_else(|| panic!("the page has no {message:?}"))
}

/// The names of the checks that can find something missing: those that `docs/check.md` gives a section of
/// this page.
pub fn checks_that_can_miss() -> BTreeSet<String> {
    let rows = CHECKS
        .lines()
        .filter(|row| row.contains("](troubleshooting.md#"));
    rows.filter(|row| row.starts_with("| `"))
        .filter_map(|row| spans(row).next())
        .map(String::from)
        .collect()
}

impl Entry {
    /// The code blocks of the remedy: the place that each is for, and its lines.
    pub fn blocks(&self) -> Vec<(&'static str, Vec<&'static str>)> {
        let blocks = self.text.split("\n  ```").skip(1).step_by(2);
        blocks
            .map(|block| {
                let mut lines = block.lines();
                (lines.next().unwrap(), lines.map(str::trim).collect())
            })
            .collect()
    }

    /// The setting that a table has for this message: a line of the settings file, or `None` when the
    /// line is to be taken out.
    pub fn setting(&self) -> Option<&'static str> {
        let first = spans(self.text).next();
        let is_first = self.text.starts_with('`');
        first.filter(|span| is_first && span.contains("=\""))
    }

    /// Whether the table says to take the line out.
    pub fn takes_out(&self) -> bool {
        self.text.starts_with("take the ")
    }
}
