//! Collects the result of `muster check`, and prints it as lines for a person or as JSON for
//! programs.

use crate::redact::redacted;
use serde_json::{Value, json};
use std::fmt::{Display, Write};

/// The version of the JSON format.
const FORMAT: u64 = 1;

/// What a check has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A boot has what it needs.
    Ok,
    /// A boot would continue, but the operator may want to change something.
    Warning,
    /// A boot would stop or wait because of this; the text names the remedy.
    Missing,
    /// The thing could not be checked; the text says why.
    Unknown,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Missing => "missing",
            State::Unknown => "unknown",
        }
    }

    /// The mark of a line: a symbol on a terminal, else a word.
    fn mark(self, terminal: bool) -> &'static str {
        match (self, terminal) {
            (State::Ok, true) => "✓",
            (State::Warning, true) => "!",
            (State::Missing, true) => "✗",
            (State::Unknown, true) => "?",
            (State::Ok, false) => "ok     ",
            (State::Warning, false) => "WARNING",
            (State::Missing, false) => "MISSING",
            (State::Unknown, false) => "UNKNOWN",
        }
    }
}

/// One thing that was checked.
struct Row {
    what: &'static str,
    state: State,
    text: String,
}

/// All that was checked, in order.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
}

impl Report {
    fn add(&mut self, what: &'static str, state: State, text: impl Display) {
        let text = redacted(&text.to_string());
        self.rows.push(Row { what, state, text });
    }

    pub(super) fn ok(&mut self, what: &'static str, detail: impl Display) {
        self.add(what, State::Ok, detail);
    }

    pub(super) fn warning(&mut self, what: &'static str, why: impl Display) {
        self.add(what, State::Warning, why);
    }

    pub(super) fn missing(&mut self, what: &'static str, why: impl Display) {
        self.add(what, State::Missing, why);
    }

    pub(super) fn unknown(&mut self, what: &'static str, why: impl Display) {
        self.add(what, State::Unknown, why);
    }

    /// Adds each of the things in `what` as unknown, with the same reason. A thing that is already
    /// reported as missing is left out.
    pub(super) fn all_unknown(&mut self, what: &[&'static str], why: &str) {
        for what in what {
            if !self.has(what, State::Missing) {
                self.unknown(what, why);
            }
        }
    }

    pub(super) fn has(&self, what: &str, state: State) -> bool {
        let mut rows = self.rows.iter();
        rows.any(|row| row.what == what && row.state == state)
    }

    /// How many things have this state.
    pub(super) fn count(&self, state: State) -> usize {
        self.rows.iter().filter(|row| row.state == state).count()
    }

    /// One line for each thing that was checked.
    pub fn text(&self, terminal: bool) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let mark = row.state.mark(terminal);
            let _ = writeln!(text, "{mark}  {:<9} {}", row.what, row.text);
        }
        text
    }

    /// The report as JSON (`docs/check.md`).
    pub fn json(&self) -> String {
        let row =
            |row: &Row| json!({ "check": row.what, "state": row.state.name(), "text": row.text });
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        let report = json!({
            "format": FORMAT,
            "ready": self.problem().is_none(),
            "missing": self.count(State::Missing),
            "unknown": self.count(State::Unknown),
            "checks": rows,
        });
        format!("{report:#}\n")
    }

    /// The reason why a boot may not succeed, in one line; `None` when a boot has all that it
    /// needs.
    pub fn problem(&self) -> Option<String> {
        let missing = match self.count(State::Missing) {
            0 => None,
            1 => Some("1 thing that a boot needs is MISSING".into()),
            n => Some(format!("{n} things that a boot needs are MISSING")),
        };
        let unknown = match self.count(State::Unknown) {
            0 => None,
            n => Some(format!("{n} of the checks could not be made")),
        };
        let parts: Vec<String> = missing.into_iter().chain(unknown).collect();
        (!parts.is_empty())
            .then(|| format!("not ready: {}; see the lines above", parts.join(", and ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_symbols_on_a_terminal_and_words_elsewhere() {
        let mut report = Report::default();
        report.ok("carrier", "eth0 has a carrier");
        assert_eq!(report.problem(), None);
        report.warning("memory", "little");
        report.missing("address", "none");
        report.unknown("server", "not asked");
        let words = "ok       carrier   eth0 has a carrier\nWARNING  memory    little\n\
                     MISSING  address   none\nUNKNOWN  server    not asked\n";
        assert_eq!(report.text(false), words);
        let marks: String = report
            .text(true)
            .lines()
            .filter_map(|line| line.chars().next())
            .collect();
        assert_eq!(marks, "✓!✗?");
        let problem = "not ready: 1 thing that a boot needs is MISSING, and 1 of the checks could \
                       not be made; see the lines above";
        assert_eq!(report.problem().as_deref(), Some(problem));
        let json: Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["checks"][2]["state"], "missing");
        assert_eq!(
            (&json["ready"], &json["unknown"]),
            (&json!(false), &json!(1))
        );
    }
}
