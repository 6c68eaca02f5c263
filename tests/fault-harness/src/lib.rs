//! Runs a table of download faults against muster's `fetch` step.
//!
//! A row names what its mirrors do wrong ([`script`]) and what must hold at the end ([`row`]). The
//! mirrors use real sockets and real TLS. Most rows call the step inside this process, with short
//! timeouts; the others start the built program.

mod check;
mod log;
mod mirror;
mod pki;
mod program;
mod respond;
pub mod row;
mod run;
pub mod script;
mod stream;

pub use pki::Cert;
pub use run::buffers;

use pki::Pki;
use row::Row;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Rows that run at the same time. They spend most of their time waiting.
const ROWS_AT_ONCE: usize = 16;
/// The most time that a whole table may take: a fault that muster does not notice makes it hang.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Runs all rows, and panics with the list of those that did not end as they must. Rows that need a
/// process start `muster`, the built program. With `FAULT=<words>` in the environment, only rows
/// with these words in their name run.
pub fn run_table(rows: Vec<Row>, muster: &Path) {
    log::start();
    let filter = std::env::var("FAULT").unwrap_or_default();
    let rows: Vec<_> = rows
        .into_iter()
        .filter(|row| row.name.contains(&filter))
        .collect();
    let mut pending: BTreeSet<&str> = rows.iter().map(|row| row.name).collect();
    assert_eq!(pending.len(), rows.len(), "two rows have the same name");

    let (rows, pki, next) = (
        Arc::new(rows),
        Arc::new(Pki::new()),
        Arc::new(AtomicUsize::new(0)),
    );
    let (sender, results) = mpsc::channel();
    for _ in 0..ROWS_AT_ONCE {
        let (rows, pki, next) = (rows.clone(), pki.clone(), next.clone());
        let (sender, muster) = (sender.clone(), muster.to_path_buf());
        thread::spawn(move || {
            while let Some(row) = rows.get(next.fetch_add(1, Ordering::SeqCst)) {
                // A row that panics counts as failed; the results of the others are still reported.
                let result = catch_unwind(AssertUnwindSafe(|| run::run(row, &pki, &muster)));
                let result = result.unwrap_or_else(|_| Err("it panicked, see above".into()));
                // The receiver is gone once the table's time is over.
                let _ = sender.send((row.name, result));
            }
        });
    }
    let mut failures = Vec::new();
    let deadline = Instant::now() + TIMEOUT;
    while !pending.is_empty() {
        let Ok((name, result)) =
            results.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        else {
            break;
        };
        pending.remove(name);
        failures.extend(result.err().map(|why| format!("{name}: {why}")));
    }
    failures.extend(
        pending
            .into_iter()
            .map(|name| format!("{name}: it has not ended")),
    );
    assert!(
        failures.is_empty(),
        "{} of {} rows:\n{}",
        failures.len(),
        rows.len(),
        failures.join("\n")
    );
}
