//! Scripts for misbehaving mirrors: what a mirror does to each connection and each request.

use crate::pki::Cert;
use muster::k3s::release::Arch;
use std::sync::LazyLock;

/// Size of the k3s that mirrors serve (bytes). It is odd, so that no buffer size divides it.
pub const SIZE: u64 = 400_003;
pub const HALF: u64 = SIZE / 2;

/// The bytes of the right k3s.
pub static RIGHT: LazyLock<Vec<u8>> = LazyLock::new(|| noise(1));
/// Wrong bytes of the same length. They differ from the right ones from the start on.
pub static WRONG: LazyLock<Vec<u8>> = LazyLock::new(|| noise(2));

fn noise(seed: u64) -> Vec<u8> {
    let next = |state: &u64| {
        Some(
            state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407),
        )
    };
    std::iter::successors(next(&seed), next)
        .map(|state| (state >> 56) as u8)
        .take(SIZE as usize)
        .collect()
}

/// How a connection begins.
#[derive(Clone, Copy, Debug)]
pub enum Handshake {
    /// The mirror shows this certificate.
    With(Cert),
    /// The mirror resets the connection after the client's first bytes.
    Reset,
    /// The mirror accepts the connection and sends nothing.
    Silent,
}

/// One response.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub head: Head,
    pub body: Body,
    pub validators: &'static [(&'static str, &'static str)],
    pub ranges: Ranges,
    pub length: Length,
    pub end: End,
}

/// How the status line and the headers are sent.
#[derive(Clone, Copy, Debug)]
pub enum Head {
    Normal,
    /// One byte of a header every 300 ms, without an end.
    Slow,
    /// A header without an end, as fast as possible.
    Endless,
    /// Early hints (103) without an end.
    EndlessHints,
    /// Bytes that are not HTTP.
    NotHttp,
}

#[derive(Clone, Debug)]
pub enum Body {
    /// The right content of the path that was asked for.
    Right,
    /// The bytes of [`WRONG`].
    Wrong,
    Text(String),
}

/// How a mirror treats `Range` and `If-Range`.
#[derive(Clone, Copy, Debug)]
pub enum Ranges {
    Honoured,
    /// Every response is the whole body.
    Ignored,
    /// The mirror honours `Range` and ignores `If-Range`.
    IfRangeIgnored,
    /// A 206 that begins this many bytes after the requested offset.
    WrongOffset(u64),
    /// A 206 of at most this many bytes.
    Short(u64),
    /// Every response is a 206, also without a `Range`.
    Always,
    /// Every request with a `Range` is answered with 416.
    Refused,
}

/// What `Content-Length` says.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    Right,
    /// The real length plus this number.
    WrongBy(i64),
    /// This length, whatever the real one is.
    Claims(u64),
    /// There is no `Content-Length`; the body is chunked.
    Chunked,
}

/// How the body ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    Complete,
    /// The TCP connection ends after this many bytes of the body, without TLS's close_notify.
    Cut(u64),
    /// The same with TLS's close_notify.
    TlsClosed(u64),
    /// The connection stays open and nothing comes after this many bytes.
    Stall(u64),
    /// After this many bytes, one byte comes each second.
    Drip(u64),
    /// After the first number of bytes, the second number comes every 100 ms.
    Trickle(u64, u64),
    /// The complete body, 8 KiB every 10 ms.
    Paced,
    /// The body is sent again and again.
    Endless,
}

/// A right response.
pub fn good() -> Response {
    Response {
        status: 200,
        headers: Vec::new(),
        head: Head::Normal,
        body: Body::Right,
        validators: &[("ETag", "\"right\"")],
        ranges: Ranges::Honoured,
        length: Length::Right,
        end: End::Complete,
    }
}

/// A right response that is cut after `n` bytes of its body.
pub fn cut(n: u64) -> Response {
    good().end(End::Cut(n))
}

/// A complete response with wrong bytes.
pub fn wrong() -> Response {
    Response {
        body: Body::Wrong,
        validators: &[("ETag", "\"wrong\"")],
        ..good()
    }
}

pub fn text(text: impl Into<String>) -> Response {
    Response {
        body: Body::Text(text.into()),
        ..good()
    }
}

pub fn status(status: u16) -> Response {
    Response {
        status,
        ..text("no")
    }
}

/// In `location`, `{here}` is the requested URL, and `{plain}` the same URL with http.
pub fn redirect(status: u16, location: &str) -> Response {
    Response {
        status,
        ..text("over there")
    }
    .header("Location", location)
}

impl Response {
    pub fn end(self, end: End) -> Response {
        Response { end, ..self }
    }

    pub fn head(self, head: Head) -> Response {
        Response { head, ..self }
    }

    pub fn ranges(self, ranges: Ranges) -> Response {
        Response { ranges, ..self }
    }

    pub fn length(self, length: Length) -> Response {
        Response { length, ..self }
    }

    /// Sets the headers that identify the object: `ETag` and `Last-Modified`.
    pub fn validators(self, validators: &'static [(&'static str, &'static str)]) -> Response {
        Response { validators, ..self }
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Response {
        self.headers.push((name, value.into()));
        self
    }
}

/// What one mirror does. Each list is used up in order, one entry for each connection
/// (`handshakes`) or each request of a path (the others). After its last entry, responses are
/// right; with `repeat_last`, the last entry repeats instead.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub handshakes: Vec<Handshake>,
    pub sums: Vec<Response>,
    pub binary: Vec<Response>,
    pub cacerts: Vec<Response>,
    pub repeat_last: bool,
    /// The mirror speaks plain http.
    pub plain: bool,
}

impl Script {
    pub fn plain(self) -> Script {
        Script {
            plain: true,
            ..self
        }
    }

    pub fn handshakes(self, handshakes: impl Into<Vec<Handshake>>) -> Script {
        Script {
            handshakes: handshakes.into(),
            ..self
        }
    }

    pub fn sums(self, responses: impl Into<Vec<Response>>) -> Script {
        Script {
            sums: responses.into(),
            ..self
        }
    }

    pub fn binary(self, responses: impl Into<Vec<Response>>) -> Script {
        Script {
            binary: responses.into(),
            ..self
        }
    }

    pub fn cacerts(self, responses: impl Into<Vec<Response>>) -> Script {
        Script {
            cacerts: responses.into(),
            ..self
        }
    }

    pub fn repeat_last(self) -> Script {
        Script {
            repeat_last: true,
            ..self
        }
    }
}

/// A mirror without a fault. The methods of [`Script`] add faults.
pub fn mirror() -> Script {
    Script::default()
}

/// The SHA-256 of the right k3s.
pub fn right_digest() -> String {
    muster::digest::Sha256::of(&RIGHT).to_string()
}

/// The record that muster keeps beside a partial file: the digest of the file that it is a part of,
/// and where the bytes came from.
pub fn record(sha256: &str) -> String {
    format!("{{\"sha256\":\"{sha256}\",\"url\":\"https://gone/k3s\",\"validator\":null}}")
}

/// The right sums file, in the form in which k3s publishes it.
pub fn sums_text() -> String {
    let right = muster::digest::Sha256::of(&RIGHT);
    let other = muster::digest::Sha256::of(&WRONG);
    format!(
        "{other}  k3s-airgap-images.tar.zst\n{right}  {}\n",
        Arch::own().asset()
    )
}
