//! Downloads from slow mirrors. They take so long that a plain `cargo test` does not wait for them.

use fault_harness::row::{Row, row};
use fault_harness::script::*;

#[test]
fn a_download_from_a_slow_mirror_ends_as_its_row_says() {
    fault_harness::run_table(rows(), &muster_labs::muster(muster_labs::Kind::Namespace));
}

fn rows() -> Vec<Row> {
    let drips = [100, 2, 3].map(|n| good().end(End::Drip(n)));
    vec![
        // At 10 kB/s the last quarter takes 10 s, and at 1 kB/s 100 s. Both are above the rate that every
        // mirror must have.
        row(
            "a slow mirror and a good one",
            [slow_at_the_end(100), mirror()],
        )
        .installs(SIZE + 8 * 1024)
        .logs("another mirror may be faster")
        .takes(4, 20),
        row(
            "two slow mirrors: the faster one is kept",
            [slow_at_the_end(100), slow(1000)],
        )
        .installs(SIZE + 8 * 1024)
        .takes(8, 35),
        row(
            "two slow mirrors: the faster one is taken again",
            [slow_at_the_end(1000), slow(100)],
        )
        .installs(SIZE + 8 * 1024)
        .takes(8, 35),
        row(
            "a slow mirror is kept while the other does not answer",
            [
                slow_at_the_end(2000),
                mirror().handshakes([Handshake::Reset]).repeat_last(),
            ],
        )
        .installs(SIZE + 8 * 1024)
        .logs_at_most("another mirror may be faster", 2)
        .takes(5, 30),
        // The mirror may send and count more bytes before it sees that the client closed the
        // connection.
        row("one byte a second, three times", [mirror().binary(drips)])
            .installs(SIZE + 9)
            .logs_at_most("too slow", 1),
        row(
            "sums at one byte a second",
            [
                mirror().sums([good().end(End::Drip(0))]).repeat_last(),
                mirror(),
            ],
        )
        .installs(SIZE),
    ]
}

/// A mirror that sends this many bytes every 100 ms.
fn slow(pace: u64) -> Script {
    mirror()
        .binary([good().end(End::Trickle(0, pace))])
        .repeat_last()
}

/// A mirror that sends three quarters of k3s at once, and is then as slow as [`slow`].
fn slow_at_the_end(pace: u64) -> Script {
    let first = good().end(End::Trickle(SIZE / 4 * 3, pace));
    Script {
        binary: [vec![first], slow(pace).binary].concat(),
        ..slow(pace)
    }
}
