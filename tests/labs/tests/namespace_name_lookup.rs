//! Downloads from a mirror whose name resolves late, or to another address in the middle. Each row
//! has its own mount namespace with its own `/etc/hosts`. That needs root.

use fault_harness::row::{How, Row, row};
use fault_harness::script::*;

#[test]
fn a_name_that_changes_ends_as_its_row_says() {
    fault_harness::run_table(rows(), &muster_labs::muster(muster_labs::Kind::Namespace));
}

fn rows() -> Vec<Row> {
    vec![
        row("a name that is not known at first", [mirror()])
            .how(How::NameComesLate)
            .installs(SIZE)
            .says("failed to lookup address information"),
        row(
            "an address that changes in the middle",
            [mirror().binary([good().end(End::Stall(HALF))]), mirror()],
        )
        .how(How::NameMoves(HALF))
        .installs(SIZE)
        .asks_from([0, HALF]),
    ]
}
