//! A row of the table: what goes wrong, and what must hold at the end.

use crate::script::Script;
use std::time::Duration;

pub struct Row {
    pub name: &'static str,
    /// One server each; muster is told them in this order.
    pub mirrors: Vec<Script>,
    /// The k3s server, as a mirror before the others.
    pub server: Option<(Script, Pin)>,
    /// What stands in the target folder before: name, permissions, bytes.
    pub before: Vec<(&'static str, u32, Vec<u8>)>,
    pub settings: Vec<(&'static str, String)>,
    pub how: How,
    pub ends: Ends,
    /// What the log must hold.
    pub says: Vec<&'static str>,
    /// What the log may hold so often at most.
    pub says_at_most: Vec<(&'static str, usize)>,
    /// The least and the most time it may take.
    pub takes: (Duration, Duration),
    /// A run that failed leaves the whole object behind, for the next.
    pub leaves_a_part: bool,
    /// How often sums are asked for at most, over all mirrors.
    pub sums_asked: usize,
    /// The ranges asked for, over all mirrors, first mirror first.
    pub ranges: Option<Vec<String>>,
}

/// What the board's token says of the server's CA.
#[derive(Clone, Copy, Debug)]
pub enum Pin {
    Right,
    Other,
    Missing,
}

/// How muster is run.
#[derive(Clone, Debug)]
pub enum How {
    /// In this process, with short timeouts.
    Inside,
    /// The built program in a mount namespace of its own, after these shell commands. `$BIN` is the target folder; `$WITH`, when
    /// they set it, goes in front of the program.
    Program(&'static str),
    /// The built program, killed when so many bytes of the download are on disk, and run again.
    Killed(Vec<u64>),
    /// The built program, finding its mirror by a name that cannot be resolved at first.
    NameComesLate,
    /// The built program; its mirror's name leads elsewhere after so many bytes, and where it led is gone.
    NameMoves(u64),
}

#[derive(Clone, Debug)]
pub enum Ends {
    /// The right k3s is in place, after so many bytes of bodies of k3s at most.
    Installed(u64),
    /// An error that holds this text, and nothing new in the target folder.
    Fails(&'static str),
}

/// With these mirrors.
pub fn row(name: &'static str, mirrors: impl Into<Vec<Script>>) -> Row {
    Row {
        name,
        mirrors: mirrors.into(),
        server: None,
        before: Vec::new(),
        settings: Vec::new(),
        how: How::Inside,
        ends: Ends::Installed(0),
        says: Vec::new(),
        says_at_most: Vec::new(),
        takes: (Duration::ZERO, Duration::from_secs(40)),
        leaves_a_part: false,
        sums_asked: usize::MAX,
        ranges: None,
    }
}

impl Row {
    /// It ends well, after so many bytes of k3s over the wire at most.
    pub fn installs(self, at_most: u64) -> Row {
        Row {
            ends: Ends::Installed(at_most),
            ..self
        }
    }

    pub fn fails(self, text: &'static str) -> Row {
        Row {
            ends: Ends::Fails(text),
            ..self
        }
    }

    pub fn says(mut self, text: &'static str) -> Row {
        self.says.push(text);
        self
    }

    pub fn says_at_most(mut self, text: &'static str, times: usize) -> Row {
        self.says_at_most.push((text, times));
        self
    }

    pub fn server(self, script: Script, pin: Pin) -> Row {
        Row {
            server: Some((script, pin)),
            ..self
        }
    }

    pub fn before(mut self, name: &'static str, mode: u32, bytes: impl Into<Vec<u8>>) -> Row {
        self.before.push((name, mode, bytes.into()));
        self
    }

    pub fn set(mut self, name: &'static str, value: String) -> Row {
        self.settings.push((name, value));
        self
    }

    pub fn leaves_a_part(self) -> Row {
        Row {
            leaves_a_part: true,
            ..self
        }
    }

    pub fn how(self, how: How) -> Row {
        Row { how, ..self }
    }

    /// Seconds.
    pub fn takes(self, least: u64, most: u64) -> Row {
        Row {
            takes: (Duration::from_secs(least), Duration::from_secs(most)),
            ..self
        }
    }

    pub fn sums_asked(self, times: usize) -> Row {
        Row {
            sums_asked: times,
            ..self
        }
    }

    /// Where each request for k3s began: zero is one without a range.
    pub fn asks_from(self, starts: impl AsRef<[u64]>) -> Row {
        let range = |start: &u64| {
            if *start == 0 {
                String::new()
            } else {
                format!("bytes={start}-")
            }
        };
        Row {
            ranges: Some(starts.as_ref().iter().map(range).collect()),
            ..self
        }
    }
}
