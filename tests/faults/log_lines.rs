//! Rows about the log: one line for each change, not for each attempt.

use fault_harness::Cert;
use fault_harness::row::{Row, row};
use fault_harness::script::*;

pub fn rows() -> Vec<Row> {
    let signed = [1, 2, 3].map(|n| redirect(302, &format!("/signed/{{asset}}?sig={n}")));
    vec![
        row(
            "expired certificate, three times",
            [mirror().handshakes([Handshake::With(Cert::Expired); 3])],
        )
        .installs(SIZE)
        .logs_at_most("expired", 1),
        row("cut at 0, four times", [mirror().binary(vec![cut(0); 4])])
            .installs(SIZE)
            .logs_at_most("downloading", 1),
        row(
            "cut three times at the same byte",
            [mirror().binary([cut(HALF), cut(0), cut(0), cut(0)])],
        )
        .installs(SIZE)
        .logs_at_most("resuming", 1),
        row(
            "redirects to signed URLs that fail",
            [mirror().binary(signed)],
        )
        .installs(SIZE)
        .logs_at_most("sig=", 0)
        .logs_at_most("answers 503", 1),
    ]
}
