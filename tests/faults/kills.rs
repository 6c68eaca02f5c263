//! Rows that kill the program in the middle of a download and start it again.

use fault_harness::row::{Row, Runner, row};
use fault_harness::script::*;

pub fn rows() -> Vec<Row> {
    let stall = |n| good().end(End::Stall(n));
    let partial_file = "of another k3s".repeat(100);
    vec![
        row("killed at half", [mirror().binary([stall(HALF)])])
            .runner(Runner::Killed(vec![HALF]))
            .installs(SIZE)
            .requests_start_at([0, HALF]),
        row(
            "killed at byte 1, at half and at the last byte",
            [mirror().binary([stall(1), stall(HALF - 1), stall(SIZE - HALF - 1)])],
        )
        .runner(Runner::Killed(vec![1, HALF, SIZE - 1]))
        .installs(SIZE)
        .requests_start_at([0, 1, HALF, SIZE - 1]),
        row(
            "killed three times during a steady download",
            [mirror().binary(vec![good().end(End::Paced); 3])],
        )
        .runner(Runner::Killed(vec![50_000, 150_000, 300_000]))
        .installs(SIZE + 3 * 64 * 1024),
        row(
            "killed after it replaced an executable partial file",
            [mirror().binary([stall(HALF)])],
        )
        .existing_file(".k3s.part", 0o755, partial_file)
        .existing_file(".k3s.part.json", 0o600, record(&"0".repeat(64)))
        .runner(Runner::Killed(vec![HALF]))
        .installs(SIZE)
        .requests_start_at([0, HALF]),
        row(
            "killed with an ETag too long for the record",
            [mirror().binary([stall(HALF)
                .validators(&[])
                .header("ETag", &format!("\"{}\"", "x".repeat(20_000)))])],
        )
        .runner(Runner::Killed(vec![HALF]))
        .installs(SIZE)
        .requests_start_at([0, HALF]),
    ]
}
