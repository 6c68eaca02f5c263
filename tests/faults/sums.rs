//! Rows about the sums file.

use fault_harness::row::{Pin, Row, row};
use fault_harness::script::*;
use muster::digest::Sha256;

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
            "the server's sums vouch for a mirror without sums",
            [bare()],
        )
        .server(only_sums(good()), Pin::Right)
        .installs(SIZE)
        .sums_requests_at_most(1),
        row("the server's sums vouch for a plain http mirror", [plain()])
            .server(only_sums(good()), Pin::Right)
            .installs(SIZE)
            .sums_requests_at_most(1),
        row(
            "wrong bytes and sums of a mirror, the server has the sums",
            [lying()],
        )
        .server(only_sums(good()), Pin::Right)
        .fails("SHA-256 mismatch, expected"),
        row(
            "wrong bytes of a plain http mirror",
            [plain().binary([wrong()]).repeat_last()],
        )
        .server(only_sums(good()), Pin::Right)
        .fails("SHA-256 mismatch, expected"),
        row("a server without sums, a mirror with its own", [mirror()])
            .server(only_sums(status(404)), Pin::Right)
            .installs(SIZE)
            .sums_requests_at_most(2),
        row("a server without sums, a plain http mirror", [plain()])
            .server(only_sums(status(404)), Pin::Right)
            .fails("plain http is used only with a digest"),
        row("a token without a CA hash, a plain http mirror", [plain()])
            .server(only_sums(good()), Pin::Missing)
            .fails("plain http is used only with a digest"),
        row("a server that is busy, a plain http mirror", [plain()])
            .server(
                mirror().sums([status(503)]).binary(vec![status(404); 3]),
                Pin::Right,
            )
            .installs(SIZE)
            .sums_requests_at_most(2),
        row("a pinned digest asks for no sums", [plain()])
            .server(only_sums(good()), Pin::Right)
            .set("MUSTER_K3S_SHA256", right_digest())
            .installs(SIZE)
            .sums_requests_at_most(0),
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

/// A k3s server with sums and without k3s.
fn only_sums(sums: Response) -> Script {
    mirror().sums([sums]).binary([status(404)]).repeat_last()
}

/// A mirror without sums.
fn bare() -> Script {
    mirror().sums([status(404)]).repeat_last()
}

/// A mirror with plain http and without sums.
fn plain() -> Script {
    bare().plain()
}

/// A mirror with wrong bytes, and with sums that match them.
fn lying() -> Script {
    let sums = sums_text().replace(&right_digest(), &Sha256::of(&WRONG).to_string());
    mirror().sums([text(sums)]).binary([wrong()]).repeat_last()
}

/// Changes the digests to upper case, and not the names.
fn upper_case(sums: &str) -> String {
    sums.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(digest, name)| format!("{} {name}\n", digest.to_uppercase()))
        .collect()
}
