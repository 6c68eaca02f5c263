//! Checks the outcome of a row.

use crate::mirror::{Mirror, Resource};
use crate::row::{Expected, Row};
use crate::run::{Outcome, buffers};
use crate::script::{RIGHT, WRONG};
use muster::download::LONGEST;
use std::time::Duration;

/// Checks an outcome against its row. The error names everything that did not hold.
pub fn check(
    row: &Row,
    outcome: &Outcome,
    took: Duration,
    mirrors: &[Mirror],
) -> Result<(), String> {
    let requests: Vec<_> = mirrors
        .iter()
        .map(|mirror| mirror.requests(Resource::Binary))
        .collect();
    let sent: u64 = requests.iter().map(|requests| requests.sent).sum();
    let sums: usize = mirrors
        .iter()
        .map(|mirror| mirror.requests(Resource::Sums).ranges.len())
        .sum();
    let names: Vec<&str> = outcome
        .files
        .iter()
        .map(|(name, ..)| name.as_str())
        .collect();
    let mut failures = Vec::new();
    let mut expect = |condition: bool, text: String| {
        if !condition {
            failures.push(text);
        }
    };
    match (&row.expected, &outcome.result) {
        (Expected::Installed(at_most), Ok(())) => {
            expect(
                sent <= *at_most,
                format!("{sent} bytes were sent, the most allowed is {at_most}"),
            );
            let right = |(name, mode, bytes): &(String, u32, Option<Vec<u8>>)| {
                name == "k3s" && *mode == 0o755 && bytes.as_deref() == Some(&RIGHT)
            };
            expect(
                outcome.files.iter().any(right),
                "the right k3s is not installed".into(),
            );
            expect(
                names == ["k3s"],
                format!("the target folder contains {names:?}"),
            );
        }
        (Expected::Fails(text), Err(error)) => {
            expect(
                error.contains(text),
                format!("the error does not contain {text:?}: {error:?}"),
            );
            expect(
                sent <= LONGEST + buffers(),
                format!("{sent} bytes were sent"),
            );
            expect(
                !error.contains('\n'),
                format!("the error has several lines: {error:?}"),
            );
            let before: Vec<&str> = match row.leaves_partial_file {
                true => vec![".k3s.part", ".k3s.part.json"],
                false => row
                    .existing_files
                    .iter()
                    .map(|(name, ..)| name.trim_end_matches('/'))
                    .collect(),
            };
            expect(
                names == before,
                format!("the target folder contains {names:?}, expected {before:?}"),
            );
        }
        (expected, result) => expect(false, format!("expected {expected:?}, got {result:?}")),
    }
    // This must hold for every row: only verified files are executable, and every partial file can
    // be resumed.
    for (name, mode, bytes) in outcome.files.iter().filter(|(_, _, bytes)| bytes.is_some()) {
        let bytes = bytes.as_deref().unwrap_or_default();
        let old = row
            .existing_files
            .iter()
            .any(|(old, _, was)| old == name && was == bytes && name == "k3s");
        expect(
            mode & 0o111 == 0 || bytes == *RIGHT || old,
            format!("{name} is executable ({mode:o}) and has wrong bytes"),
        );
        expect(
            bytes != *WRONG || old,
            format!("{name} has the wrong bytes that a mirror sent"),
        );
        if name == ".k3s.part" {
            expect(*mode == 0o600, format!("{name} has permissions {mode:o}"));
            expect(
                names.contains(&".k3s.part.json"),
                format!("{name} has no record beside it, so it cannot be resumed"),
            );
        }
    }
    expect(
        outcome.log.lines().all(|line| line.len() < 2000),
        "a server made a line of the log longer than 2000 bytes".into(),
    );
    for (text, times) in &row.logs_at_most {
        let count = outcome.log.matches(text).count();
        expect(
            count <= *times,
            format!("the log contains {text:?} {count} times, the most allowed is {times}"),
        );
    }
    for text in &row.logs {
        expect(
            outcome.log.contains(text),
            format!("the log does not contain {text:?}"),
        );
    }
    expect(
        sums <= row.sums_requests_at_most,
        format!("there were {sums} requests for sums"),
    );
    if let Some(expected) = &row.ranges {
        let ranges: Vec<String> = requests
            .into_iter()
            .flat_map(|requests| requests.ranges)
            .collect();
        expect(
            ranges == *expected,
            format!("the requested ranges are {ranges:?}, expected {expected:?}"),
        );
    }
    expect(
        took >= row.takes.0 && took <= row.takes.1,
        format!("it took {took:?}"),
    );
    match failures.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{}\n  its log:\n{}",
            failures.join("; "),
            outcome.log
        )),
    }
}
