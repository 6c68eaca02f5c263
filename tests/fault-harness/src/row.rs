//! A row of a fault table: what goes wrong, and what must hold at the end.

use crate::script::Script;
use std::time::Duration;

/// One fault. [`row`] makes a row, and the methods change it.
pub struct Row {
    pub name: &'static str,
    /// The mirrors, in the order of `MUSTER_MIRRORS`.
    pub mirrors: Vec<Script>,
    /// The k3s server. It is the first mirror where it is given.
    pub server: Option<(Script, Pin)>,
    /// The files in the target folder at the start: name, permissions, bytes.
    pub existing_files: Vec<(&'static str, u32, Vec<u8>)>,
    /// The memory that is available (MB); `None`: the target folder is not in memory.
    pub available_memory: Option<u64>,
    pub settings: Vec<(&'static str, String)>,
    pub runner: Runner,
    pub expected: Expected,
    /// Texts that the log must contain.
    pub logs: Vec<&'static str>,
    /// Texts that the log may contain at most this many times.
    pub logs_at_most: Vec<(&'static str, usize)>,
    /// The least and the most time that the row may take.
    pub takes: (Duration, Duration),
    /// Whether a failed run leaves the complete download as a partial file, for the next run.
    pub leaves_partial_file: bool,
    /// The most requests for sums files, over all mirrors.
    pub sums_requests_at_most: usize,
    /// The `Range` headers of all requests for k3s: those of the first mirror, then of the second.
    pub ranges: Option<Vec<String>>,
}

/// The CA hash in the board's join token.
#[derive(Clone, Copy, Debug)]
pub enum Pin {
    /// The hash of the server's CA.
    Right,
    /// The hash of another CA.
    Other,
    /// The token has no CA hash.
    Missing,
}

/// How muster is run.
#[derive(Clone, Debug)]
pub enum Runner {
    /// The fetch step is called inside this process, with short timeouts.
    InProcess,
    /// The built program runs in its own mount namespace, after these shell commands. In them,
    /// `$BIN` is the target folder. They may set `$WITH`, a command that starts the program.
    InNamespace(&'static str),
    /// The built program is killed when this many bytes of the download are on disk, and started
    /// again; once for each number.
    Killed(Vec<u64>),
    /// The built program runs in its own mount namespace; its mirror's name does not resolve at
    /// first.
    NameResolvesLate,
    /// The built program runs in its own mount namespace. After this many bytes, its mirror's name
    /// resolves to another address, and the first address does not answer any more.
    AddressChanges(u64),
}

/// How a row must end.
#[derive(Clone, Debug)]
pub enum Expected {
    /// The right k3s is installed, after at most this many bytes of k3s over the network.
    Installed(u64),
    /// An error contains this text, and the target folder is unchanged.
    Fails(&'static str),
}

/// Makes a row without expectations on its log and its requests.
pub fn row(name: &'static str, mirrors: impl Into<Vec<Script>>) -> Row {
    Row {
        name,
        mirrors: mirrors.into(),
        server: None,
        existing_files: Vec::new(),
        available_memory: None,
        settings: Vec::new(),
        runner: Runner::InProcess,
        expected: Expected::Installed(0),
        logs: Vec::new(),
        logs_at_most: Vec::new(),
        takes: (Duration::ZERO, Duration::from_secs(40)),
        leaves_partial_file: false,
        sums_requests_at_most: usize::MAX,
        ranges: None,
    }
}

impl Row {
    /// The row installs k3s, with at most this many bytes of k3s over the network.
    pub fn installs(self, at_most: u64) -> Row {
        Row {
            expected: Expected::Installed(at_most),
            ..self
        }
    }

    pub fn fails(self, text: &'static str) -> Row {
        Row {
            expected: Expected::Fails(text),
            ..self
        }
    }

    pub fn logs(mut self, text: &'static str) -> Row {
        self.logs.push(text);
        self
    }

    pub fn logs_at_most(mut self, text: &'static str, times: usize) -> Row {
        self.logs_at_most.push((text, times));
        self
    }

    pub fn server(self, script: Script, pin: Pin) -> Row {
        Row {
            server: Some((script, pin)),
            ..self
        }
    }

    /// Puts a file into the target folder before the run. A name that ends with `/` is a folder.
    pub fn existing_file(
        mut self,
        name: &'static str,
        mode: u32,
        bytes: impl Into<Vec<u8>>,
    ) -> Row {
        self.existing_files.push((name, mode, bytes.into()));
        self
    }

    /// The target folder is in memory, of which this much is available (MB).
    pub fn available_memory(self, megabytes: u64) -> Row {
        Row {
            available_memory: Some(megabytes),
            ..self
        }
    }

    pub fn set(mut self, name: &'static str, value: String) -> Row {
        self.settings.push((name, value));
        self
    }

    pub fn leaves_partial_file(self) -> Row {
        Row {
            leaves_partial_file: true,
            ..self
        }
    }

    pub fn runner(self, runner: Runner) -> Row {
        Row { runner, ..self }
    }

    /// The least and the most seconds that the row may take.
    pub fn takes(self, least: u64, most: u64) -> Row {
        Row {
            takes: (Duration::from_secs(least), Duration::from_secs(most)),
            ..self
        }
    }

    pub fn sums_requests_at_most(self, times: usize) -> Row {
        Row {
            sums_requests_at_most: times,
            ..self
        }
    }

    /// The offset of each request for k3s. 0 stands for a request without a `Range`.
    pub fn requests_start_at(self, offsets: impl AsRef<[u64]>) -> Row {
        let range = |offset: &u64| {
            if *offset == 0 {
                String::new()
            } else {
                format!("bytes={offset}-")
            }
        };
        Row {
            ranges: Some(offsets.as_ref().iter().map(range).collect()),
            ..self
        }
    }
}
