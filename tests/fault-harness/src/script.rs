//! What a misbehaving server does, said so that a table of it can be read.

use crate::pki::Cert;
use muster::k3s::release::Arch;
use std::sync::LazyLock;

/// Long enough to be cut anywhere, odd so that no round number fits it by chance.
pub const SIZE: u64 = 400_003;
pub const HALF: u64 = SIZE / 2;

/// The right k3s.
pub static RIGHT: LazyLock<Vec<u8>> = LazyLock::new(|| noise(1));
/// As long as the right one, and wrong from its first byte on.
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

/// How one connection begins.
#[derive(Clone, Copy, Debug)]
pub enum Hello {
    With(Cert),
    /// Reset as soon as the client has said hello.
    Reset,
    /// Accepted, and not a byte.
    Silent,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Act {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub head: Head,
    pub body: Body,
    pub validators: &'static [(&'static str, &'static str)],
    pub ranges: Ranges,
    pub length: Length,
    pub end: End,
}

#[derive(Clone, Copy, Debug)]
pub enum Head {
    Plain,
    /// A byte now and then, and never the end of it.
    Slow,
    /// A header without an end.
    Bomb,
    /// Early hints (103) without an end.
    Hints,
    Garbage,
}

#[derive(Clone, Debug)]
pub enum Body {
    /// What belongs at this path.
    Asked,
    Wrong,
    Text(String),
}

#[derive(Clone, Copy, Debug)]
pub enum Ranges {
    Honoured,
    /// Every answer is the whole.
    Ignored,
    /// `If-Range` is not looked at.
    Blind,
    /// A 206 that begins so many bytes behind what was asked.
    Off(u64),
    /// A 206 of so many bytes at most.
    Short(u64),
    /// Every answer is a 206, asked or not.
    Always,
    /// Every question for a range is answered 416.
    Refused,
}

#[derive(Clone, Copy, Debug)]
pub enum Length {
    True,
    /// So many bytes more, or fewer, than there are.
    Off(i64),
    /// So many, whatever there are.
    Lie(u64),
    Chunked,
}

#[derive(Clone, Copy, Debug)]
pub enum End {
    Whole,
    /// The connection ends after so many bytes of this body, without a word.
    Cut(u64),
    /// The same, by TLS's own rules for an end.
    Closed(u64),
    /// The connection stays, and not a byte comes any more.
    Stall(u64),
    /// So many bytes, then one each second.
    Drip(u64),
    /// All of it, a piece at a time.
    Paced,
    /// The body begins again and again.
    Endless,
}

/// A right answer.
pub fn good() -> Act {
    Act {
        status: 200,
        headers: Vec::new(),
        head: Head::Plain,
        body: Body::Asked,
        validators: &[("ETag", "\"right\"")],
        ranges: Ranges::Honoured,
        length: Length::True,
        end: End::Whole,
    }
}

pub fn cut(n: u64) -> Act {
    good().end(End::Cut(n))
}

pub fn wrong() -> Act {
    Act {
        body: Body::Wrong,
        validators: &[("ETag", "\"wrong\"")],
        ..good()
    }
}

pub fn text(text: impl Into<String>) -> Act {
    Act {
        body: Body::Text(text.into()),
        ..good()
    }
}

pub fn status(status: u16) -> Act {
    Act {
        status,
        ..text("no")
    }
}

/// `{here}` in it is the URL asked, `{plain}` the same without TLS.
pub fn redirect(status: u16, location: &str) -> Act {
    Act {
        status,
        ..text("over there")
    }
    .header("Location", location)
}

impl Act {
    pub fn end(self, end: End) -> Act {
        Act { end, ..self }
    }

    pub fn head(self, head: Head) -> Act {
        Act { head, ..self }
    }

    pub fn ranges(self, ranges: Ranges) -> Act {
        Act { ranges, ..self }
    }

    pub fn length(self, length: Length) -> Act {
        Act { length, ..self }
    }

    pub fn validators(self, validators: &'static [(&'static str, &'static str)]) -> Act {
        Act { validators, ..self }
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Act {
        self.headers.push((name, value.into()));
        self
    }
}

/// What one server does, path by path: the acts in order, then the last of them for ever when `always`, else right answers.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub hellos: Vec<Hello>,
    pub sums: Vec<Act>,
    pub binary: Vec<Act>,
    pub cacerts: Vec<Act>,
    pub always: bool,
}

impl Script {
    pub fn hellos(self, hellos: impl Into<Vec<Hello>>) -> Script {
        Script {
            hellos: hellos.into(),
            ..self
        }
    }

    pub fn sums(self, acts: impl Into<Vec<Act>>) -> Script {
        Script {
            sums: acts.into(),
            ..self
        }
    }

    pub fn binary(self, acts: impl Into<Vec<Act>>) -> Script {
        Script {
            binary: acts.into(),
            ..self
        }
    }

    pub fn cacerts(self, acts: impl Into<Vec<Act>>) -> Script {
        Script {
            cacerts: acts.into(),
            ..self
        }
    }

    pub fn always(self) -> Script {
        Script {
            always: true,
            ..self
        }
    }
}

/// A server without a fault until one is given.
pub fn mirror() -> Script {
    Script::default()
}

/// The right sums file, as k3s publishes it.
pub fn sums_text() -> String {
    let right = muster::digest::Sha256::of(&RIGHT);
    let other = muster::digest::Sha256::of(&WRONG);
    format!(
        "{other}  k3s-airgap-images.tar.zst\n{right}  {}\n",
        Arch::own().asset()
    )
}
