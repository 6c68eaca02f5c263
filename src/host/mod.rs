//! The one place that touches the machine.
//!
//! Steps decide; a [`Host`] performs. Every effect is one call here that carries its own
//! description. In a dry run the same calls print the description instead of having the effect, so
//! a plan shows what a boot does: it is the same code. clippy's `disallowed-methods` keeps the rest
//! of the crate from having effects in another way.
//!
//! Reading is not an effect: a dry run reads what a boot reads. Writing muster's own status is not
//! an effect either, and a dry run skips it.
//!
//! | module | what it does |
//! |---|---|
//! | [`files`] | reads and writes files below the root folder |
//! | [`process`] | runs programs, and becomes one |
//! | [`lock`] | holds the lock of the node's agent |
//! | [`clock`] | reads and sets the clocks, and sleeps |
//! | [`network_time`] | asks time servers |
//! | [`system`] | asks the kernel for names, addresses and space; mounts |
//! | [`dhcp_client`] | finds a DHCP client among the processes |
//! | [`routes`] | reads routes and resolvers |
//! | [`machine`] | reads what `/proc` says about mounts and memory |

#![expect(
    clippy::disallowed_methods,
    reason = "this module has the effects that the list forbids elsewhere"
)]

pub mod clock;
pub mod dhcp_client;
pub mod files;
pub mod lock;
pub mod machine;
pub mod network_time;
mod notes;
pub mod process;
pub mod routes;
pub mod system;
mod temporary;

use crate::paths;
use crate::status::Status;
use anyhow::{Context, Result};
use log::{debug, warn};
use network_time::ClockState;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The log target under which a boot logs each effect, in the same words as a plan prints it.
pub const EFFECTS: &str = "effect";

/// What a [`Host`] does with effects, which are changes of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Effects are carried out.
    Perform,
    /// A dry run: each effect is printed on standard output, one a line, and the machine is not
    /// changed.
    Plan,
}

/// The machine below a root folder (`--root`), with its effects performed or planned.
pub struct Host {
    root: PathBuf,
    mode: Mode,
    step: Cell<&'static str>,
    status: RefCell<Status>,
    clock: ClockState,
    /// The file whose lock this process holds.
    agent_lock: OnceCell<File>,
}

impl Host {
    /// A machine whose files are below the folder `root`. It is `/` unless `--root` or a test names
    /// another one.
    pub fn new(root: impl Into<PathBuf>, mode: Mode) -> Host {
        Host {
            root: root.into(),
            mode,
            step: Cell::new("muster"),
            status: RefCell::default(),
            clock: ClockState::default(),
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
    }

    /// The step that is running, for the log.
    pub fn step(&self) -> &'static str {
        self.step.get()
    }

    /// Turns an absolute path of the node, such as `/etc/hosts`, into the path below the root folder
    /// (`--root`).
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
            writeln!(out, "{step}: {what}").context("cannot print the plan")?;
            return Ok(None);
        }
        debug!(target: EFFECTS, "{step}: {what}");
        perform().map(Some)
    }

    /// Asks a question that only the network can answer, or waits for such an answer. A dry run
    /// prints what would be asked and returns `None`.
    pub fn ask<T>(&self, what: impl Display, ask: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        self.effect(what, ask)
    }

    /// Goes on with the status that an earlier process of this boot wrote.
    pub fn resume_status(&self) {
        let text = self.read_text(paths::STATUS.path).unwrap_or_default();
        self.status.replace(Status::parse(&text));
    }

    /// Changes what `muster status` shows, and writes the status file.
    pub fn report(&self, change: impl FnOnce(&mut Status)) {
        let mut status = self.status.borrow_mut();
        change(&mut status);
        if let Err(error) = self.write_note(paths::STATUS, &status.to_json()) {
            // A boot does not fail because its status cannot be written.
            debug!("{error:#}");
        }
    }

    /// Logs a problem that the running step waits for, and shows it in the status.
    pub fn report_problem(&self, text: &str) {
        let step = self.step.get();
        warn!(target: step, "{text}");
        self.report(|status| status.problem(step, text));
    }
}
