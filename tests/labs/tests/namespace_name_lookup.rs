//! Downloads from a mirror whose name resolves late, or to another address in the middle. Each row
//! has its own mount namespace with its own `/etc/hosts`. That needs root.

use fault_harness::row::{Row, Runner, row};
use fault_harness::script::*;

#[test]
fn a_name_that_changes_ends_as_its_row_says() {
    fault_harness::run_table(rows(), &muster_labs::muster(muster_labs::Kind::Namespace));
}

fn rows() -> Vec<Row> {
    vec![
        row("name that does not resolve at first", [mirror()])
            .runner(Runner::NameResolvesLate)
            .installs(SIZE)
            .logs("failed to lookup address information"),
        row(
            "address that changes during the download",
            [mirror().binary([good().end(End::Stall(HALF))]), mirror()],
        )
        .runner(Runner::AddressChanges(HALF))
        .installs(SIZE)
        .requests_start_at([0, HALF]),
    ]
}
