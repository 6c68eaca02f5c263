//! Rows about TLS handshakes, certificates and the k3s server's CA.

use fault_harness::Cert;
use fault_harness::row::{Pin, Row, row};
use fault_harness::script::*;

pub fn rows() -> Vec<Row> {
    let begins_with = |handshake: Handshake| [mirror().handshakes([handshake])];
    let with = |cert| begins_with(Handshake::With(cert));
    let server = |name, pin| row(name, [mirror()]).server(mirror(), pin);
    vec![
        row("reset in the TLS handshake", begins_with(Handshake::Reset))
            .installs(SIZE)
            .logs("reset"),
        row(
            "silence in the TLS handshake",
            begins_with(Handshake::Silent),
        )
        .installs(SIZE)
        .logs("timed out while connecting"),
        row("expired certificate", with(Cert::Expired))
            .installs(SIZE)
            .logs("the server's certificate has expired"),
        row("certificate not valid yet", with(Cert::NotYetValid))
            .installs(SIZE)
            .logs("is not valid yet"),
        row("certificate for another name", with(Cert::WrongHost))
            .installs(SIZE)
            .logs("is for another name"),
        row("certificate of an unknown CA", with(Cert::UnknownCa))
            .installs(SIZE)
            .logs("a CA that this board does not trust"),
        row(
            "a mirror with an unknown CA before a right one",
            [
                mirror()
                    .handshakes([Handshake::With(Cert::UnknownCa)])
                    .binary([wrong()])
                    .repeat_last(),
                mirror(),
            ],
        )
        .installs(SIZE),
        server("k3s server as the mirror", Pin::Right)
            .installs(SIZE)
            .requests_start_at([0]),
        server("token with another CA hash", Pin::Other)
            .fails("the server's CA does not match the CA hash in the join token"),
        server(
            "token without a CA hash: the server's sums are not trusted",
            Pin::Missing,
        )
        .installs(SIZE),
        row("k3s server starts late", [])
            .server(
                mirror()
                    .handshakes([Handshake::Reset, Handshake::Silent])
                    .cacerts([status(503)]),
                Pin::Right,
            )
            .installs(SIZE),
        row(
            "k3s server's certificate changes after verification",
            [mirror()],
        )
        .server(
            mirror()
                .handshakes([
                    Handshake::With(Cert::Valid),
                    Handshake::With(Cert::UnknownCa),
                ])
                .repeat_last(),
            Pin::Right,
        )
        .installs(SIZE),
        row("endless /cacerts", [])
            .server(
                mirror()
                    .cacerts([good().length(Length::Chunked).end(End::Endless)])
                    .repeat_last(),
                Pin::Right,
            )
            .fails("longer than"),
    ]
}
