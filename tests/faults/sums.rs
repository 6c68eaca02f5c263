//! Rows about the sums file.

use fault_harness::row::{Row, row};
use fault_harness::script::*;

pub fn rows() -> Vec<Row> {
    let sums = |body: String| [mirror().sums([text(body)]).repeat_last()];
    vec![
        row("sums missing", [mirror().sums([status(404)]).repeat_last()]).fails("answers 404"),
        row(
            "sums missing, another mirror has them",
            [mirror().sums([status(404)]).repeat_last(), mirror()],
        )
        .installs(SIZE),
        row("sums empty", sums(String::new())).fails("has no digest of"),
        row("sums of 1 MiB", sums("x".repeat(1 << 20))).fails("longer than 65536 bytes"),
        row(
            "endless sums",
            [mirror()
                .sums([good().length(Length::Chunked).end(End::Endless)])
                .repeat_last()],
        )
        .fails("longer than 65536 bytes"),
        row(
            "sums at one byte a second",
            [
                mirror().sums([good().end(End::Drip(0))]).repeat_last(),
                mirror(),
            ],
        )
        .installs(SIZE),
        row(
            "sums without the asset",
            sums(sums_text().lines().next().unwrap().into()),
        )
        .fails("has no digest of"),
        row(
            "sums replaced by a web page",
            sums("<html>Sign in to the hotel's network</html>".into()),
        )
        .fails("has no digest of"),
        row("sums with CRLF", sums(sums_text().replace('\n', "\r\n"))).installs(SIZE),
        row("sums in upper case", sums(upper_case(&sums_text()))).installs(SIZE),
        row(
            "sums of another k3s",
            sums(sums_text().replace(&right_digest(), &"0".repeat(64))),
        )
        .fails("SHA-256 mismatch"),
        row(
            "sums cut three times",
            [mirror().sums(vec![good().end(End::Cut(20)); 3])],
        )
        .installs(SIZE)
        .sums_requests_at_most(4),
        row(
            "sums are not requested again after a cut",
            [mirror()
                .sums([good(), status(503)])
                .binary([cut(HALF), cut(1)])],
        )
        .installs(SIZE)
        .sums_requests_at_most(1),
    ]
}

/// Changes the digests to upper case, and not the names.
fn upper_case(sums: &str) -> String {
    sums.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(digest, name)| format!("{} {name}\n", digest.to_uppercase()))
        .collect()
}
