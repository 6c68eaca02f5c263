//! Rows about files that are in the target folder before the run.

use fault_harness::row::{Row, row};
use fault_harness::script::*;

pub fn rows() -> Vec<Row> {
    let partial_file = |name, bytes: &[u8]| {
        row(name, [mirror()])
            .existing_file(".k3s.part", 0o600, bytes)
            .existing_file(".k3s.part.json", 0o600, record(&right_digest()))
    };
    let (half, mut corrupt) = (&RIGHT[..HALF as usize], RIGHT[..HALF as usize].to_vec());
    corrupt[1000] ^= 1;
    vec![
        row("another version of k3s installed", [mirror()])
            .existing_file("k3s", 0o755, "old")
            .installs(SIZE),
        row(
            "another version of k3s installed, no mirror has the right one",
            [mirror().sums([status(404)]).repeat_last()],
        )
        .existing_file("k3s", 0o755, "old")
        .fails("answers 404"),
        row("the right k3s installed", [mirror()])
            .existing_file("k3s", 0o755, RIGHT.clone())
            .installs(0),
        row("the right k3s installed, not executable", [mirror()])
            .existing_file("k3s", 0o600, RIGHT.clone())
            .installs(SIZE),
        partial_file("partial file", half)
            .installs(SIZE - HALF)
            .requests_start_at([HALF]),
        partial_file("complete partial file", &RIGHT)
            .installs(0)
            .requests_start_at([]),
        partial_file("corrupt partial file", &corrupt)
            .installs(2 * SIZE - HALF)
            .requests_start_at([HALF, 0]),
        partial_file("partial file too long", &[RIGHT.as_slice(), b"!"].concat()).installs(SIZE),
        row("partial file without its record", [mirror()])
            .existing_file(".k3s.part", 0o600, half)
            .installs(SIZE)
            .requests_start_at([0]),
        row("partial file of another k3s", [mirror()])
            .existing_file(".k3s.part", 0o600, half)
            .existing_file(".k3s.part.json", 0o600, record(&"0".repeat(64)))
            .installs(SIZE)
            .requests_start_at([0]),
        row("partial file with half a record", [mirror()])
            .existing_file(".k3s.part", 0o600, half)
            .existing_file(".k3s.part.json", 0o600, "{\"sha2")
            .installs(SIZE)
            .requests_start_at([0]),
        row(
            "the right k3s installed, partial file of another",
            [mirror()],
        )
        .existing_file("k3s", 0o755, RIGHT.clone())
        .existing_file(".k3s.part", 0o600, half)
        .existing_file(".k3s.part.json", 0o600, record(&"0".repeat(64)))
        .installs(0),
        row("target is a directory", [mirror()])
            .existing_file("k3s/", 0o755, "")
            .fails("is a directory: remove it"),
    ]
}
