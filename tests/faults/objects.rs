//! Rows about objects that change, and about wrong answers to `Range` requests.

use fault_harness::row::{Row, row};
use fault_harness::script::*;

const NO_VALIDATORS: &[(&str, &str)] = &[];
const LAST_MODIFIED: &[(&str, &str)] = &[("Last-Modified", "Mon, 01 Sep 2025 10:00:00 GMT")];
const WEAK_ETAG: &[(&str, &str)] = &[("ETag", "W/\"right\"")];

pub fn rows() -> Vec<Row> {
    let wrong_half = |validators| wrong().end(End::Cut(HALF)).validators(validators);
    vec![
        row(
            "object changed between attempts",
            [mirror().binary([wrong().end(End::Cut(HALF))])],
        )
        .installs(HALF + SIZE)
        .requests_start_at([0, HALF]),
        row(
            "object changed, seen by Last-Modified",
            [mirror().binary([wrong_half(LAST_MODIFIED), good().validators(NO_VALIDATORS)])],
        )
        .installs(HALF + SIZE),
        row(
            "object changed, If-Range ignored",
            [mirror().binary([
                wrong_half(NO_VALIDATORS),
                good().ranges(Ranges::IfRangeIgnored),
            ])],
        )
        .installs(2 * SIZE)
        .requests_start_at([0, HALF, 0]),
        row(
            "weak ETag",
            [mirror().binary([
                cut(HALF).validators(WEAK_ETAG),
                good().validators(WEAK_ETAG),
            ])],
        )
        .installs(SIZE)
        .requests_start_at([0, HALF]),
        row(
            "no validator",
            [mirror().binary([
                cut(HALF).validators(NO_VALIDATORS),
                good().validators(NO_VALIDATORS),
            ])],
        )
        .installs(SIZE)
        .requests_start_at([0, HALF]),
        row(
            "Range ignored",
            [mirror().binary([cut(HALF), good().ranges(Ranges::Ignored)])],
        )
        .installs(HALF + SIZE),
        row(
            "206 with the wrong offset",
            [mirror().binary([cut(HALF), good().ranges(Ranges::WrongOffset(7))])],
        )
        .installs(2 * SIZE)
        .requests_start_at([0, HALF, 0]),
        row(
            "206 with the wrong offset, then a stall",
            [mirror().binary([
                cut(HALF),
                good().ranges(Ranges::WrongOffset(7)).end(End::Stall(100)),
            ])],
        )
        .installs(2 * SIZE)
        // muster does not wait for the body of such a response.
        .requests_start_at([0, HALF, 0]),
        row(
            "206 shorter than requested",
            [mirror().binary([cut(HALF), good().ranges(Ranges::Short(1000))])],
        )
        .installs(SIZE)
        .requests_start_at([0, HALF, HALF + 1000]),
        row(
            "a mirror without ranges, and one that cuts",
            [
                mirror()
                    .binary([cut(1).ranges(Ranges::Ignored)])
                    .repeat_last(),
                mirror().binary(vec![cut(SIZE / 4); 6]),
            ],
        )
        .installs(SIZE + 10),
        row(
            "a busy mirror with another k3s, and one that cuts",
            [
                mirror()
                    .sums([text(sums_text().replace(&right_digest(), &"0".repeat(64)))])
                    .binary([status(503)])
                    .repeat_last(),
                mirror().binary(vec![cut(SIZE / 4); 6]),
            ],
        )
        .installs(SIZE),
        row(
            "206 without a Range request",
            [mirror().binary([cut(HALF).ranges(Ranges::Always)])],
        )
        .installs(SIZE),
        row(
            "416 to a resume",
            [mirror().binary([cut(HALF), good().ranges(Ranges::Refused)])],
        )
        .installs(HALF + SIZE)
        .requests_start_at([0, HALF, 0]),
        row(
            "digest mismatch once",
            [mirror().binary([wrong()]), mirror()],
        )
        .installs(2 * SIZE)
        .logs("skipping this mirror"),
        row(
            "digest mismatch always",
            [mirror().binary([wrong()]).repeat_last()],
        )
        .fails("SHA-256 mismatch, expected"),
        row(
            "digest mismatch on all mirrors",
            vec![mirror().binary([wrong()]).repeat_last(); 3],
        )
        .fails("no mirror could supply k3s"),
        row(
            "half of the bytes wrong, another mirror is right",
            [
                mirror().binary([wrong_half(NO_VALIDATORS)]).repeat_last(),
                mirror(),
            ],
        )
        .installs(HALF + 2 * SIZE),
        row("MUSTER_K3S_SHA256 differs from the sums", [mirror()])
            .set("MUSTER_K3S_SHA256", "0".repeat(64))
            .fails("SHA-256 mismatch"),
    ]
}
