//! Everything that can go wrong with a download, one row for each fault, against misbehaving
//! mirrors.
//!
//! `tests/fault-harness` runs the rows. It checks for every row that only verified files are
//! executable and that every partial file can be resumed. Rows that need root are in `tests/labs`.

mod bodies;
mod existing_files;
mod kills;
mod log_lines;
mod objects;
mod statuses;
mod sums;
mod tls;

use std::path::Path;

#[test]
fn every_fault_ends_as_its_row_says() {
    let rows: Vec<_> = [
        bodies::rows(),
        objects::rows(),
        statuses::rows(),
        sums::rows(),
        tls::rows(),
        existing_files::rows(),
        log_lines::rows(),
        kills::rows(),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(rows.len() >= 40, "only {} rows", rows.len());
    fault_harness::run_table(rows, Path::new(env!("CARGO_BIN_EXE_muster")));
}
