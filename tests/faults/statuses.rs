//! Rows about statuses other than 200 and 206: errors, `Retry-After`, redirects.

use fault_harness::row::{Row, row};
use fault_harness::script::*;

pub fn rows() -> Vec<Row> {
    let refused = |code| mirror().binary([status(code)]).repeat_last();
    let passing = |code| [mirror().binary([status(code)])];
    let busy = |seconds| status(429).header("Retry-After", seconds);
    let moved = |location: &str| [mirror().binary([redirect(301, location)])];
    vec![
        row("403", [refused(403)]).fails("answers 403"),
        row("403, another mirror works", [refused(403), mirror()]).installs(SIZE),
        row("404", [refused(404)]).fails("answers 404"),
        row("404 from each mirror", [refused(404), refused(404)])
            .fails(" of the release v1.34.1+k3s1 into /var/lib/rancher/k3s/server/static/k3s/v1.34.1+k3s1/ on"),
        row("404, another mirror works", [refused(404), mirror()]).installs(SIZE),
        row("416 to a request without Range", [refused(416)]).fails("answers 416"),
        row("408", passing(408)).installs(SIZE).logs("answers 408"),
        row("500", passing(500)).installs(SIZE).logs("answers 500"),
        row("502", passing(502)).installs(SIZE).logs("answers 502"),
        row("503", passing(503)).installs(SIZE).logs("answers 503"),
        row("503 at half", [mirror().binary([cut(HALF), status(503)])])
            .installs(SIZE)
            .requests_start_at([0, HALF, HALF]),
        row("429 with Retry-After", [mirror().binary([busy("3")])])
            .installs(SIZE)
            .logs("answers 429")
            .takes(3, 20),
        row(
            "429 with Retry-After as a date",
            [mirror().binary([busy("Sun, 06 Nov 1994 08:49:37 GMT")])],
        )
        .installs(SIZE),
        row(
            "Retry-After of one mirror does not delay the other",
            [
                mirror().binary([busy("300")]).repeat_last(),
                mirror().binary([cut(HALF)]),
            ],
        )
        .installs(SIZE)
        .takes(0, 20),
        row("301 loop", moved("{here}")).installs(SIZE),
        row(
            "301 loop for ever, another mirror works",
            [
                mirror().binary([redirect(301, "{here}")]).repeat_last(),
                mirror(),
            ],
        )
        .installs(SIZE),
        row("301 to the right URL", moved("/elsewhere/{asset}")).installs(SIZE),
        row(
            "301 to a very long URL",
            moved(&format!("/{}", "x".repeat(9000))),
        )
        .fails("answers 404"),
        row("302 to http", [mirror().binary([redirect(302, "{plain}")])])
            .installs(SIZE)
            .logs("redirected to a URL that does not begin with https"),
        row(
            "302 to an invalid URL",
            [mirror().binary([redirect(302, "https://:0/")])],
        )
        .fails("answers 302"),
    ]
}
