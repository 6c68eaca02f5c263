//! Everything that can go wrong with a download, a row each, against a misbehaving server on real sockets with real TLS.

#![allow(
    clippy::disallowed_methods,
    reason = "a test looks from outside; the seam is for the agent"
)]

mod local;
mod log;
mod pki;
mod program;
mod row;
mod run;
mod script;
mod server;
mod table;

use pki::Pki;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Rows that run at once: most of their time they wait.
const AT_ONCE: usize = 16;
/// The longest that all of them may take; a fault that muster does not see makes it wait for ever.
const ALL: Duration = Duration::from_secs(120);

#[test]
fn every_row_ends_as_it_must() {
    log::start();
    let rows = table::rows();
    assert!(rows.len() >= 40, "only {} rows", rows.len());
    // FAULT=<words of a name> runs the rows that have them.
    let chosen = std::env::var("FAULT").unwrap_or_default();
    let rows: Vec<_> = rows
        .into_iter()
        .filter(|row| row.name.contains(&chosen))
        .collect();
    let mut waiting: BTreeSet<&str> = rows.iter().map(|row| row.name).collect();
    assert_eq!(waiting.len(), rows.len(), "two rows have one name");

    let (rows, pki, next) = (
        Arc::new(rows),
        Arc::new(Pki::new()),
        Arc::new(AtomicUsize::new(0)),
    );
    let (ended, end) = mpsc::channel();
    for _ in 0..AT_ONCE {
        let (rows, pki, next, ended) = (rows.clone(), pki.clone(), next.clone(), ended.clone());
        thread::spawn(move || {
            while let Some(row) = rows.get(next.fetch_add(1, Ordering::SeqCst)) {
                // A row that panics is a row that failed: it must not take the others' words with it.
                let result = catch_unwind(AssertUnwindSafe(|| run::run(row, &pki)));
                let result = result.unwrap_or_else(|_| Err("it panicked, see above".into()));
                // Nobody listens any more once time was up.
                let _ = ended.send((row.name, result));
            }
        });
    }
    let mut failed = Vec::new();
    let until = Instant::now() + ALL;
    while !waiting.is_empty() {
        let Ok((name, result)) = end.recv_timeout(until.saturating_duration_since(Instant::now()))
        else {
            break;
        };
        waiting.remove(name);
        failed.extend(result.err().map(|why| format!("{name}: {why}")));
    }
    failed.extend(
        waiting
            .into_iter()
            .map(|name| format!("{name}: it has not ended")),
    );
    assert!(
        failed.is_empty(),
        "{} of {} rows:\n{}",
        failed.len(),
        rows.len(),
        failed.join("\n")
    );
}
