//! Changes the machine. Outside of this module and its submodules, only `download::part` and
//! `download::target` change it: they write the files of a download.
//!
//! A step decides what to do, and calls a [`Host`] to do it. An effect is a change of the machine.
//! Every effect is one call of a method of [`Host`], with its own description. In a dry run the
//! same calls print the description and change nothing. The printed plan shows what a boot does,
//! because a dry run and a boot run the same code. clippy's `disallowed-methods` forbids other
//! modules to change the machine directly.
//!
//! Reading is not an effect: a dry run reads the same files as a boot. Two changes do not count as
//! effects: muster writes notes ([`Host::write_note`]), such as the status file, and makes the lock
//! file. A dry run does not make these two changes, and its plan does not mention them.
//!
//! | module | what it does |
//! |---|---|
//! | [`files`] | reads and writes files below the root folder |
//! | [`links`] | reads and makes symbolic links |
//! | [`process`] | runs programs, and replaces this process with a program (exec) |
//! | [`lock`] | holds the lock that allows one `k3s agent` on a node |
//! | [`clock`] | reads and sets the wall clock, reads the time since boot, and sleeps |
//! | [`network_time`] | sets the clock from a time server |
//! | [`time_servers`] | asks time servers |
//! | [`time_daemon`] | starts the time daemon |
//! | [`system`] | reads free space and addresses, reads and sets the hostname, makes mounts |
//! | [`cgroup`], [`modules`] | prepare cgroup v2, and load kernel modules |
//! | [`dhcp_client`] | starts the DHCP client, finds its process, and has it renew the lease |
//! | [`led`] | makes a LED blink |
//! | [`log_server`] | finds the log server |
//! | [`outbox`] | sends the log to the log server |
//! | [`progress`] | reports how far the boot is |
//! | [`routers`] | asks the routers of a link for DNS servers |
//! | [`router_advertisement`] | reads the DNS servers that a router announces |
//! | [`routes`] | looks for a default route and a DNS server |
//! | [`machine`] | reads what `/proc` says about mounts and memory |
//! | [`watch`] | ends a wait when the operator changes a file |

#![expect(
    clippy::disallowed_methods,
    reason = "this module makes the calls that other modules must not make"
)]

pub mod cgroup;
pub mod clock;
pub mod dhcp_client;
mod download_progress;
pub mod files;
pub mod led;
pub mod links;
pub mod lock;
pub mod log_server;
pub mod machine;
pub mod modules;
pub mod network_time;
mod notes;
pub mod outbox;
pub mod process;
pub mod progress;
pub mod router_advertisement;
pub mod routers;
pub mod routes;
mod sntp;
pub mod system;
mod temporary;
pub mod time_daemon;
pub mod time_servers;
pub mod watch;

use crate::redact::redacted;
use crate::status::Status;
use anyhow::{Context, Result};
use led::Blinking;
use log::debug;
use network_time::ClockState;
use outbox::Outbox;
use progress::Progress;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use watch::Watch;

/// The log target under which a boot logs each effect, with the description that a dry run prints.
pub const EFFECTS: &str = "effect";

/// What [`Host::step`] returns before the first step of a boot attempt, and after a failed attempt.
const NO_STEP: &str = "muster";

/// The interval at which a problem that still exists, and the progress of a download, are logged
/// again.
const LOG_AGAIN: Duration = Duration::from_secs(30);

/// What a [`Host`] does with effects, which are changes of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Effects are carried out.
    Perform,
    /// A dry run: each effect is printed on standard output, one a line, and the machine is not
    /// changed.
    Plan,
}

/// The machine that muster runs on. Its files are below a root folder (`--root`). Effects on the
/// machine are carried out; in a dry run they are only printed.
pub struct Host {
    root: PathBuf,
    mode: Mode,
    step: Cell<&'static str>,
    status: RefCell<Status>,
    progress: Progress,
    blinking: Blinking,
    outbox: Arc<Outbox>,
    clock: ClockState,
    watch: Watch,
    /// The open lock file, when this process holds the lock ([`Host::lock_agent`]).
    agent_lock: OnceCell<File>,
}

impl Host {
    /// A machine whose files are below the folder `root`. It is `/` unless `--root` or a test names
    /// another one.
    pub fn new(root: impl Into<PathBuf>, mode: Mode) -> Host {
        Host {
            root: root.into(),
            mode,
            step: Cell::new(NO_STEP),
            status: RefCell::default(),
            progress: Progress::default(),
            blinking: Blinking::default(),
            outbox: Arc::new(Outbox::new(mode)),
            clock: ClockState::default(),
            watch: Watch::default(),
            agent_lock: OnceCell::new(),
        }
    }

    /// Whether this is a dry run.
    pub fn plans(&self) -> bool {
        self.mode == Mode::Plan
    }

    /// Sets the step that later effects and log lines belong to.
    pub fn enter(&self, step: &'static str) {
        self.step.set(step);
        self.outbox
            .set_step(Some(step).filter(|step| *step != NO_STEP));
    }

    /// The step that is running, for the log.
    pub fn step(&self) -> &'static str {
        self.step.get()
    }

    /// Turns an absolute path of the node, such as `/etc/hosts`, into the path below the root
    /// folder (`--root`).
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Performs an effect and returns its result. In a dry run it prints the description `what`
    /// and returns `None`.
    fn effect<T>(
        &self,
        what: impl Display,
        perform: impl FnOnce() -> Result<T>,
    ) -> Result<Option<T>> {
        let step = self.step.get();
        if self.plans() {
            let mut out = io::stdout().lock();
            let what = redacted(&what.to_string());
            return match writeln!(out, "{step}: {what}") {
                // When the reader of the plan ends early and closes the pipe, as `head` does, this
                // is not a failure.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    Err(error).context("cannot print the plan")
                }
                _ => Ok(None),
            };
        }
        debug!(target: EFFECTS, "{step}: {what}");
        perform().map(Some)
    }

    /// Runs `ask`, which sends requests to the network or waits for the network, and returns the
    /// result. A dry run prints the description `what` and returns `None`.
    pub fn ask<T>(&self, what: impl Display, ask: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        self.effect(what, ask)
    }
}
