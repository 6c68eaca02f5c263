//! Rows about bodies that end early, late or never.

use fault_harness::buffers;
use fault_harness::row::{Row, row};
use fault_harness::script::*;
use muster::download::LONGEST;

const LAST: u64 = SIZE - 1;
const MIB: u64 = 1 << 20;

pub fn rows() -> Vec<Row> {
    let sixth = SIZE / 6;
    vec![
        row("no fault", [mirror()])
            .installs(SIZE)
            .requests_start_at([0])
            .sums_requests_at_most(1),
        row("cut at 0", [mirror().binary([cut(0)])])
            .installs(SIZE)
            .sums_requests_at_most(1),
        row("cut at byte 1", [mirror().binary([cut(1)])])
            .installs(SIZE)
            .requests_start_at([0, 1])
            .sums_requests_at_most(1),
        row("cut at half", [mirror().binary([cut(HALF)])])
            .installs(SIZE)
            .requests_start_at([0, HALF])
            .sums_requests_at_most(1),
        row("cut at the last byte", [mirror().binary([cut(LAST)])])
            .installs(SIZE)
            .requests_start_at([0, LAST])
            .sums_requests_at_most(1),
        row("cut after the last byte", [mirror().binary([cut(SIZE)])])
            .installs(SIZE)
            .requests_start_at([0]),
        row(
            "cut five times in a row",
            [mirror().binary(vec![cut(sixth); 5])],
        )
        .installs(SIZE)
        .requests_start_at([0, sixth, 2 * sixth, 3 * sixth, 4 * sixth, 5 * sixth])
        .sums_requests_at_most(1)
        .takes(2, 15),
        row(
            "closed with close_notify at half",
            [mirror().binary([good().end(End::TlsClosed(HALF))])],
        )
        .installs(SIZE)
        .requests_start_at([0, HALF]),
        row(
            "chunked, cut at half",
            [mirror().binary([cut(HALF).length(Length::Chunked)])],
        )
        .installs(SIZE)
        .requests_start_at([0, HALF]),
        row("stall", [mirror().binary([good().end(End::Stall(HALF))])])
            .installs(SIZE)
            .requests_start_at([0, HALF])
            .logs("timed out while waiting for data"),
        row(
            "a stalling mirror before a working one",
            [
                mirror()
                    .binary([good().end(End::Stall(HALF))])
                    .repeat_last(),
                mirror(),
            ],
        )
        .installs(SIZE)
        .requests_start_at([0, HALF]),
        row(
            "one byte a second",
            [mirror().binary([good().end(End::Drip(HALF))]), mirror()],
        )
        .installs(SIZE)
        .takes(3, 30),
        // 16 MB are kept for the rest of the boot.
        row(
            "endless body without a length in little memory, and a good mirror",
            [
                mirror()
                    .binary([good().length(Length::Chunked).end(End::Endless)])
                    .repeat_last(),
                mirror(),
            ],
        )
        .available_memory(20)
        .installs((4 << 20) + buffers() + SIZE)
        .logs("MB of a file of unknown length: k3s needs 4 MB in"),
        // The mirror may send more bytes before it sees that the client closed the connection.
        row(
            "one byte a second, no other mirror",
            [mirror().binary([good().end(End::Drip(HALF))])],
        )
        .installs(SIZE + 9)
        .logs("too slow"),
        row(
            "Content-Length too large",
            [mirror().binary([good().length(Length::WrongBy(1000))])],
        )
        .installs(SIZE),
        row(
            "Content-Length too small",
            [mirror().binary([good().length(Length::WrongBy(-1000))])],
        )
        .fails("SHA-256 mismatch"),
        row(
            "Content-Length too small, another mirror is right",
            [
                mirror().binary([good().length(Length::WrongBy(-1000))]),
                mirror(),
            ],
        )
        .installs(2 * SIZE),
        row(
            "Content-Length 300 MiB",
            [mirror().binary([good().length(Length::Claims(300 * MIB))])],
        )
        .fails("longer than 256 MiB"),
        row(
            "Content-Length 300 MiB, another mirror is right",
            [
                mirror().binary([good().length(Length::Claims(300 * MIB))]),
                mirror(),
            ],
        )
        .installs(2 * SIZE),
        row(
            "endless body",
            [mirror()
                .binary([good().length(Length::Chunked).end(End::Endless)])
                .repeat_last()],
        )
        .fails("longer than 256 MiB"),
        row(
            "endless body, the other mirror busy first",
            [
                mirror()
                    .binary([good().length(Length::Chunked).end(End::Endless)])
                    .repeat_last(),
                mirror().binary([status(503)]),
            ],
        )
        .installs(LONGEST + buffers() + SIZE)
        // muster keeps no byte of the endless body, so the other mirror is asked for the whole
        // file.
        .requests_start_at([0, 0, 0]),
        row(
            "gzip-encoded body",
            [mirror()
                .binary([good().header("Content-Encoding", "gzip")])
                .repeat_last()],
        )
        .fails("the answer has the Content-Encoding gzip"),
        row("slow headers", [mirror().binary([good().head(Head::Slow)])])
            .installs(SIZE)
            .logs("timed out while waiting for data"),
        row(
            "endless header",
            [mirror().binary([good().head(Head::Endless)])],
        )
        .installs(SIZE),
        row(
            "endless early hints",
            [mirror().binary([good().head(Head::EndlessHints)])],
        )
        .installs(SIZE)
        .takes(1, 20),
        row("not HTTP", [mirror().binary([good().head(Head::NotHttp)])]).installs(SIZE),
    ]
}
