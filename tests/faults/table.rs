//! The table: what goes wrong, and what must hold at the end. Beside each row's own words, `run::check` holds every row to this:
//! nothing executable that was not verified, and no leftover that cannot be resumed.

use fault_harness::row::{Pin, Row, row};
use fault_harness::script::*;
use fault_harness::{BUFFERS, Cert};
use muster::download::LONGEST;

const MIB: u64 = 1 << 20;
const LAST: u64 = SIZE - 1;
const UNTOLD: &[(&str, &str)] = &[];
const BY_DATE: &[(&str, &str)] = &[("Last-Modified", "Mon, 01 Sep 2025 10:00:00 GMT")];
const WEAK: &[(&str, &str)] = &[("ETag", "W/\"right\"")];

pub fn rows() -> Vec<Row> {
    [
        bodies(),
        objects(),
        statuses(),
        sums(),
        tls(),
        boards(),
        talk(),
        crate::kills::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Connections and bodies that end early, late or never.
fn bodies() -> Vec<Row> {
    let sixth = SIZE / 6;
    vec![
        row("no fault", [mirror()])
            .installs(SIZE)
            .asks_from([0])
            .sums_asked(1),
        row("cut at 0", [mirror().binary([cut(0)])])
            .installs(SIZE)
            .sums_asked(1),
        row("cut at byte 1", [mirror().binary([cut(1)])])
            .installs(SIZE)
            .asks_from([0, 1])
            .sums_asked(1),
        row("cut at half", [mirror().binary([cut(HALF)])])
            .installs(SIZE)
            .asks_from([0, HALF])
            .sums_asked(1),
        row("cut at the last byte", [mirror().binary([cut(LAST)])])
            .installs(SIZE)
            .asks_from([0, LAST])
            .sums_asked(1),
        row("cut behind the last byte", [mirror().binary([cut(SIZE)])])
            .installs(SIZE)
            .asks_from([0]),
        row(
            "cut five times in a row",
            [mirror().binary(vec![cut(sixth); 5])],
        )
        .installs(SIZE)
        .asks_from([0, sixth, 2 * sixth, 3 * sixth, 4 * sixth, 5 * sixth])
        .sums_asked(1)
        .takes(2, 15),
        row(
            "ended by TLS's rules at half",
            [mirror().binary([good().end(End::Closed(HALF))])],
        )
        .installs(SIZE)
        .asks_from([0, HALF]),
        row(
            "chunked, cut at half",
            [mirror().binary([cut(HALF).length(Length::Chunked)])],
        )
        .installs(SIZE)
        .asks_from([0, HALF]),
        row("stall", [mirror().binary([good().end(End::Stall(HALF))])])
            .installs(SIZE)
            .asks_from([0, HALF])
            .says("timed out while waiting for data"),
        row(
            "a stalling mirror before one that works",
            [
                mirror().binary([good().end(End::Stall(HALF))]).always(),
                mirror(),
            ],
        )
        .installs(SIZE)
        .asks_from([0, HALF]),
        row(
            "drip of a byte a second",
            [mirror().binary([good().end(End::Drip(HALF))]), mirror()],
        )
        .installs(SIZE)
        .takes(3, 30),
        // The server may have sent its next bytes when it hears that the board hung up.
        row(
            "drip of a byte a second, alone",
            [mirror().binary([good().end(End::Drip(HALF))])],
        )
        .installs(SIZE + 9)
        .says("too slow"),
        row(
            "length says more than there is",
            [mirror().binary([good().length(Length::Off(1000))])],
        )
        .installs(SIZE),
        row(
            "length says less than there is",
            [mirror().binary([good().length(Length::Off(-1000))])],
        )
        .fails("SHA-256 mismatch"),
        row(
            "length says less, another mirror is right",
            [
                mirror().binary([good().length(Length::Off(-1000))]),
                mirror(),
            ],
        )
        .installs(2 * SIZE),
        row(
            "length says 300 MiB",
            [mirror().binary([good().length(Length::Lie(300 * MIB))])],
        )
        .fails("longer than 256 MiB"),
        row(
            "length says 300 MiB, another mirror is right",
            [
                mirror().binary([good().length(Length::Lie(300 * MIB))]),
                mirror(),
            ],
        )
        .installs(2 * SIZE),
        row(
            "endless body",
            [mirror()
                .binary([good().length(Length::Chunked).end(End::Endless)])
                .always()],
        )
        .fails("longer than 256 MiB"),
        row(
            "endless body, the other mirror busy first",
            [
                mirror()
                    .binary([good().length(Length::Chunked).end(End::Endless)])
                    .always(),
                mirror().binary([status(503)]),
            ],
        )
        .installs(LONGEST + BUFFERS + SIZE)
        // Not a byte of it is kept: the other mirror is asked for the whole.
        .asks_from([0, 0, 0]),
        row(
            "encoded body",
            [mirror()
                .binary([good().header("Content-Encoding", "gzip")])
                .always()],
        )
        .fails("the answer has the Content-Encoding gzip"),
        row("slow headers", [mirror().binary([good().head(Head::Slow)])])
            .installs(SIZE)
            .says("timed out while waiting for data"),
        row(
            "header without an end",
            [mirror().binary([good().head(Head::Bomb)])],
        )
        .installs(SIZE),
        row(
            "early hints without an end",
            [mirror().binary([good().head(Head::Hints)])],
        )
        .installs(SIZE)
        .takes(1, 20),
        row("not HTTP", [mirror().binary([good().head(Head::Garbage)])]).installs(SIZE),
    ]
}

/// Objects that are not what they were, or not what was asked for.
fn objects() -> Vec<Row> {
    let wrong_half = |validators| wrong().end(End::Cut(HALF)).validators(validators);
    vec![
        row(
            "object changed between attempts",
            [mirror().binary([wrong().end(End::Cut(HALF))])],
        )
        .installs(HALF + SIZE)
        .asks_from([0, HALF]),
        row(
            "object changed, told by its date",
            [mirror().binary([wrong_half(BY_DATE), good().validators(UNTOLD)])],
        )
        .installs(HALF + SIZE),
        row(
            "object changed, If-Range not looked at",
            [mirror().binary([wrong_half(UNTOLD), good().ranges(Ranges::Blind)])],
        )
        .installs(2 * SIZE)
        .asks_from([0, HALF, 0]),
        row(
            "a weak ETag proves no bytes",
            [mirror().binary([cut(HALF).validators(WEAK), good().validators(WEAK)])],
        )
        .installs(SIZE)
        .asks_from([0, HALF]),
        row(
            "no validator at all",
            [mirror().binary([cut(HALF).validators(UNTOLD), good().validators(UNTOLD)])],
        )
        .installs(SIZE)
        .asks_from([0, HALF]),
        row(
            "Range ignored",
            [mirror().binary([cut(HALF), good().ranges(Ranges::Ignored)])],
        )
        .installs(HALF + SIZE),
        row(
            "206 with the wrong offset",
            [mirror().binary([cut(HALF), good().ranges(Ranges::Off(7))])],
        )
        .installs(2 * SIZE)
        .asks_from([0, HALF, 0]),
        row(
            "206 with the wrong offset, and then silence",
            [mirror().binary([
                cut(HALF),
                good().ranges(Ranges::Off(7)).end(End::Stall(100)),
            ])],
        )
        .installs(2 * SIZE)
        // Its body is not even waited for.
        .asks_from([0, HALF, 0]),
        row(
            "206 with less than was asked",
            [mirror().binary([cut(HALF), good().ranges(Ranges::Short(1000))])],
        )
        .installs(SIZE)
        .asks_from([0, HALF, HALF + 1000]),
        row(
            "a mirror without ranges, and one that is cut",
            [
                mirror().binary([cut(1).ranges(Ranges::Ignored)]).always(),
                mirror().binary(vec![cut(SIZE / 4); 6]),
            ],
        )
        .installs(SIZE + 10),
        row(
            "a busy mirror of another k3s, and one that is cut",
            [
                mirror()
                    .sums([text(sums_text().replace(&right_digest(), &"0".repeat(64)))])
                    .binary([status(503)])
                    .always(),
                mirror().binary(vec![cut(SIZE / 4); 6]),
            ],
        )
        .installs(SIZE),
        row(
            "206 that nobody asked for",
            [mirror().binary([cut(HALF).ranges(Ranges::Always)])],
        )
        .installs(SIZE),
        row(
            "416 to the rest",
            [mirror().binary([cut(HALF), good().ranges(Ranges::Refused)])],
        )
        .installs(HALF + SIZE)
        .asks_from([0, HALF, 0]),
        row("wrong digest once", [mirror().binary([wrong()]), mirror()])
            .installs(2 * SIZE)
            .says("skipping this mirror"),
        row("wrong digest always", [mirror().binary([wrong()]).always()])
            .fails("SHA-256 mismatch, expected"),
        row(
            "wrong digest always, everywhere",
            vec![mirror().binary([wrong()]).always(); 3],
        )
        .fails("no mirror has the right k3s"),
        row(
            "half a lie, and a mirror that tells the truth",
            [mirror().binary([wrong_half(UNTOLD)]).always(), mirror()],
        )
        .installs(HALF + 2 * SIZE),
        row(
            "another digest pinned than the mirror's sums have",
            [mirror()],
        )
        .set("MUSTER_K3S_SHA256", "0".repeat(64))
        .fails("SHA-256 mismatch"),
    ]
}

/// Answers that are no success.
fn statuses() -> Vec<Row> {
    let refused = |code| mirror().binary([status(code)]).always();
    let passing = |code| [mirror().binary([status(code)])];
    let busy = |seconds| status(429).header("Retry-After", seconds);
    let moved = |location: &str| [mirror().binary([redirect(301, location)])];
    vec![
        row("403", [refused(403)]).fails("answers 403"),
        row("403, another mirror works", [refused(403), mirror()]).installs(SIZE),
        row("404", [refused(404)]).fails("answers 404"),
        row("404, another mirror works", [refused(404), mirror()]).installs(SIZE),
        row("416 to the whole", [refused(416)]).fails("answers 416"),
        row("408", passing(408)).installs(SIZE).says("answers 408"),
        row("500", passing(500)).installs(SIZE).says("answers 500"),
        row("502", passing(502)).installs(SIZE).says("answers 502"),
        row("503", passing(503)).installs(SIZE).says("answers 503"),
        row("503 at half", [mirror().binary([cut(HALF), status(503)])])
            .installs(SIZE)
            .asks_from([0, HALF, HALF]),
        row("429 with Retry-After", [mirror().binary([busy("3")])])
            .installs(SIZE)
            .says("answers 429")
            .takes(3, 20),
        row(
            "429 with Retry-After as a date",
            [mirror().binary([busy("Sun, 06 Nov 1994 08:49:37 GMT")])],
        )
        .installs(SIZE),
        row(
            "one mirror's Retry-After is no other's",
            [
                mirror().binary([busy("300")]).always(),
                mirror().binary([cut(HALF)]),
            ],
        )
        .installs(SIZE)
        .takes(0, 20),
        row("301 loop", moved("{here}")).installs(SIZE),
        row(
            "301 without an end",
            [
                mirror().binary([redirect(301, "{here}")]).always(),
                mirror(),
            ],
        )
        .installs(SIZE),
        row("301 to where it is", moved("/elsewhere/{asset}")).installs(SIZE),
        row(
            "301 to a name as long as a server likes",
            moved(&format!("/{}", "x".repeat(9000))),
        )
        .fails("answers 404"),
        row("302 to http", [mirror().binary([redirect(302, "{plain}")])])
            .installs(SIZE)
            .says("redirected away from https"),
        row(
            "302 to nowhere",
            [mirror().binary([redirect(302, "https://:0/")])],
        )
        .fails("answers 302"),
    ]
}

/// Sums files.
fn sums() -> Vec<Row> {
    let sums = |text: String| [mirror().sums([fault_harness::script::text(text)]).always()];
    vec![
        row("sums missing", [mirror().sums([status(404)]).always()]).fails("answers 404"),
        row(
            "sums missing, another mirror has them",
            [mirror().sums([status(404)]).always(), mirror()],
        )
        .installs(SIZE),
        row("sums empty", sums(String::new())).fails("has no digest of"),
        row("sums huge", sums("x".repeat(MIB as usize))).fails("longer than 65536 bytes"),
        row(
            "sums endless",
            [mirror()
                .sums([good().length(Length::Chunked).end(End::Endless)])
                .always()],
        )
        .fails("longer than 65536 bytes"),
        row(
            "sums that drip",
            [mirror().sums([good().end(End::Drip(0))]).always(), mirror()],
        )
        .installs(SIZE),
        row(
            "sums without our asset",
            sums(sums_text().lines().next().unwrap().into()),
        )
        .fails("has no digest of"),
        row(
            "sums that are a web page",
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
        .sums_asked(4),
        row(
            "sums busy once the binary is there",
            [mirror()
                .sums([good(), status(503)])
                .binary([cut(HALF), cut(1)])],
        )
        .installs(SIZE)
        .sums_asked(1),
    ]
}

/// The way to the server, and whether it is the right one.
fn tls() -> Vec<Row> {
    let greets = |hello: Hello| [mirror().hellos([hello])];
    let with = |cert| greets(Hello::With(cert));
    let server = |pin| row("", [mirror()]).server(mirror(), pin);
    let named = |name, row: Row| Row { name, ..row };
    vec![
        row("reset in the TLS handshake", greets(Hello::Reset))
            .installs(SIZE)
            .says("reset"),
        row("silence in the TLS handshake", greets(Hello::Silent))
            .installs(SIZE)
            .says("timed out while connecting"),
        row("expired certificate", with(Cert::Expired))
            .installs(SIZE)
            .says("the server's certificate has expired"),
        row("certificate of next century", with(Cert::NotYet))
            .installs(SIZE)
            .says("is not valid yet"),
        row("certificate for another name", with(Cert::WrongHost))
            .installs(SIZE)
            .says("is for another name"),
        row("certificate of an unknown CA", with(Cert::UnknownCa))
            .installs(SIZE)
            .says("a CA that is not trusted here"),
        row(
            "a false mirror before a true one",
            [
                mirror()
                    .hellos([Hello::With(Cert::UnknownCa)])
                    .binary([wrong()])
                    .always(),
                mirror(),
            ],
        )
        .installs(SIZE),
        named(
            "the k3s server as the mirror",
            server(Pin::Right).installs(SIZE).asks_from([0]),
        ),
        named(
            "a token of another cluster",
            server(Pin::Other).fails("its CA is not the one in the join token"),
        ),
        named(
            "a token that pins nothing takes no digest from the server",
            server(Pin::Missing).installs(SIZE),
        ),
        row("the k3s server comes up late", [])
            .server(
                mirror()
                    .hellos([Hello::Reset, Hello::Silent])
                    .cacerts([status(503)]),
                Pin::Right,
            )
            .installs(SIZE),
        row(
            "the k3s server is another after it proved itself",
            [mirror()],
        )
        .server(
            mirror()
                .hellos([Hello::With(Cert::Good), Hello::With(Cert::UnknownCa)])
                .always(),
            Pin::Right,
        )
        .installs(SIZE),
        row("the k3s server's CA is endless", [])
            .server(
                mirror()
                    .cacerts([good().length(Length::Chunked).end(End::Endless)])
                    .always(),
                Pin::Right,
            )
            .fails("longer than"),
    ]
}

/// What is on the board already.
fn boards() -> Vec<Row> {
    let note = |digest: String| {
        format!("{{\"sha256\":\"{digest}\",\"url\":\"https://gone/k3s\",\"validator\":null}}")
    };
    let part = |name, bytes: &[u8]| {
        row(name, [mirror()])
            .before(".k3s.part", 0o600, bytes)
            .before(".k3s.part.json", 0o644, note(right_digest()))
    };
    let (half, mut damaged) = (&RIGHT[..HALF as usize], RIGHT[..HALF as usize].to_vec());
    damaged[1000] ^= 1;
    vec![
        row("an old k3s of another version in place", [mirror()])
            .before("k3s", 0o755, "old")
            .installs(SIZE),
        row(
            "an old k3s, and no mirror has the new",
            [mirror().sums([status(404)]).always()],
        )
        .before("k3s", 0o755, "old")
        .fails("answers 404"),
        row("the right k3s in place", [mirror()])
            .before("k3s", 0o755, RIGHT.clone())
            .installs(0),
        row("the right k3s in place, not executable", [mirror()])
            .before("k3s", 0o600, RIGHT.clone())
            .installs(SIZE),
        part("a part left behind", half)
            .installs(SIZE - HALF)
            .asks_from([HALF]),
        part("a part left behind, whole", &RIGHT)
            .installs(0)
            .asks_from([]),
        part("a part left behind, damaged", &damaged)
            .installs(2 * SIZE - HALF)
            .asks_from([HALF, 0]),
        part(
            "a part left behind, too long",
            &[RIGHT.as_slice(), b"!"].concat(),
        )
        .installs(SIZE),
        row("a part without a note", [mirror()])
            .before(".k3s.part", 0o600, half)
            .installs(SIZE)
            .asks_from([0]),
        row("a part of another k3s", [mirror()])
            .before(".k3s.part", 0o600, half)
            .before(".k3s.part.json", 0o644, note("0".repeat(64)))
            .installs(SIZE)
            .asks_from([0]),
        row("a part with half a note", [mirror()])
            .before(".k3s.part", 0o600, half)
            .before(".k3s.part.json", 0o644, "{\"sha2")
            .installs(SIZE)
            .asks_from([0]),
        row("the right k3s in place, and a part of another", [mirror()])
            .before("k3s", 0o755, RIGHT.clone())
            .before(".k3s.part", 0o600, half)
            .before(".k3s.part.json", 0o644, note("0".repeat(64)))
            .installs(0),
        row("target is a directory", [mirror()])
            .before("k3s/", 0o755, "")
            .fails("is a directory: remove it"),
    ]
}

fn right_digest() -> String {
    muster::digest::Sha256::of(&RIGHT).to_string()
}

/// The digests alone: names keep their case.
fn upper_case(sums: &str) -> String {
    sums.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(digest, name)| format!("{} {name}\n", digest.to_uppercase()))
        .collect()
}

/// One line of log for each change, not for each attempt.
fn talk() -> Vec<Row> {
    let drips = [100, 2, 3].map(|n| good().end(End::Drip(n)));
    let signed = [1, 2, 3].map(|n| redirect(302, &format!("/signed/{{asset}}?sig={n}")));
    vec![
        row(
            "expired certificate, three times",
            [mirror().hellos([Hello::With(Cert::Expired); 3])],
        )
        .installs(SIZE)
        .says_at_most("expired", 1),
        row("cut at 0, four times", [mirror().binary(vec![cut(0); 4])])
            .installs(SIZE)
            .says_at_most("downloading", 1),
        row(
            "cut three times at one place",
            [mirror().binary([cut(HALF), cut(0), cut(0), cut(0)])],
        )
        .installs(SIZE)
        .says_at_most("resuming", 1),
        // The server counts a byte that it wrote as the client hung up.
        row("a drip, three times", [mirror().binary(drips)])
            .installs(SIZE + 9)
            .says_at_most("too slow", 1),
        row(
            "redirects to signed URLs that fail",
            [mirror().binary(signed)],
        )
        .installs(SIZE)
        .says_at_most("sig=", 0)
        .says_at_most("answers 503", 1),
    ]
}
