//! Everything that can go wrong with a download, one row for each fault, against a misbehaving
//! mirror (`tests/fault-harness`). The rows that need root are in `tests/labs`.

mod kills;
mod table;

use std::path::Path;

#[test]
fn every_fault_ends_as_its_row_says() {
    let rows = table::rows();
    assert!(rows.len() >= 40, "only {} rows", rows.len());
    fault_harness::run_table(rows, Path::new(env!("CARGO_BIN_EXE_muster")));
}
