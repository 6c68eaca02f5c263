//! Rows that kill the program in the middle of a download and start it again.

use fault_harness::row::{How, Row, row};
use fault_harness::script::*;

pub fn rows() -> Vec<Row> {
    let stall = |n| good().end(End::Stall(n));
    let part = "of another k3s".repeat(100);
    let note = format!(
        "{{\"sha256\":\"{}\",\"url\":\"https://gone/k3s\",\"validator\":null}}",
        "0".repeat(64)
    );
    vec![
        row("killed at half", [mirror().binary([stall(HALF)])])
            .how(How::Killed(vec![HALF]))
            .installs(SIZE)
            .asks_from([0, HALF]),
        row(
            "killed at byte 1, at half and at the last byte",
            [mirror().binary([stall(1), stall(HALF - 1), stall(SIZE - HALF - 1)])],
        )
        .how(How::Killed(vec![1, HALF, SIZE - 1]))
        .installs(SIZE)
        .asks_from([0, 1, HALF, SIZE - 1]),
        row(
            "killed three times in full flow",
            [mirror().binary(vec![good().end(End::Paced); 3])],
        )
        .how(How::Killed(vec![50_000, 150_000, 300_000]))
        .installs(SIZE + 3 * 64 * 1024),
        row(
            "killed over an executable part of another k3s",
            [mirror().binary([stall(HALF)])],
        )
        .before(".k3s.part", 0o755, part)
        .before(".k3s.part.json", 0o644, note)
        .how(How::Killed(vec![HALF]))
        .installs(SIZE)
        .asks_from([0, HALF]),
        row(
            "killed over an ETag too long to be noted",
            [mirror().binary([stall(HALF)
                .validators(&[])
                .header("ETag", &format!("\"{}\"", "x".repeat(20_000)))])],
        )
        .how(How::Killed(vec![HALF]))
        .installs(SIZE)
        .asks_from([0, HALF]),
    ]
}
