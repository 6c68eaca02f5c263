//! Everything that can go wrong with a download, a row each, against a misbehaving server on real sockets with real TLS.

#![allow(clippy::disallowed_methods, reason = "a test looks from outside; the seam is for the agent")]

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
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Rows that run at once: most of their time they wait.
const AT_ONCE: usize = 16;

#[test]
fn every_row_ends_as_it_must() {
    log::start();
    let rows = table::rows();
    assert!(rows.len() >= 40, "only {} rows", rows.len());
    // FAULT=<words of a name> runs the rows that have them.
    let chosen = std::env::var("FAULT").unwrap_or_default();
    let rows: Vec<_> = rows.into_iter().filter(|row| row.name.contains(&chosen)).collect();
    let pki = Arc::new(Pki::new());
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::SeqCst)) {
                    // A row that panics is a row that failed: it must not take the others' words with it.
                    let ended = catch_unwind(AssertUnwindSafe(|| run::run(row, &pki)));
                    if let Err(why) = ended.unwrap_or_else(|_| Err("it panicked, see above".into())) {
                        failed.lock().unwrap().push(format!("{}: {why}", row.name));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {} rows:\n{}", failed.len(), rows.len(), failed.join("\n"));
}
