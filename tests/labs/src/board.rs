//! A diskless board: it has a MAC address and a cable; all else it gets at power-on.

use crate::{Line, MACHINE_PATIENCE, Output, Overlay, PATIENCE, Services, Site, run, wait_for};
use std::time::{Duration, SystemTime};

/// What a board is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Namespaces on this machine: no kernel, initramfs or OpenRC, but udhcpc, a network and a root of its own.
    Namespace,
    /// An emulated aarch64 machine that boots Alpine.
    Machine,
}

impl Kind {
    /// How long such a board may take for anything.
    pub fn patience(self) -> Duration {
        match self {
            Kind::Namespace => PATIENCE,
            Kind::Machine => MACHINE_PATIENCE,
        }
    }
}

/// What both kinds of board can do.
pub trait Board {
    /// The site that the board is plugged into.
    fn site(&self) -> &Site;
    /// The board's name in logs and messages, such as `board1`.
    fn label(&self) -> &str;
    fn mac(&self) -> &str;
    /// What its overlay is made from at the next power-on.
    fn overlay(&mut self) -> &mut Overlay;

    /// Powers the board on, from nothing but its overlay. What starts at power-on starts muster.
    fn power_on(&mut self);
    /// Powers the board off: whatever ran ends at once, and whatever it had is gone.
    fn power_off(&mut self);
    /// When it was powered on last.
    fn powered_on_at(&self) -> SystemTime;

    /// The console, or what takes its place: muster's own output.
    fn console(&self) -> &Output;
    /// muster's log.
    fn log(&self) -> String;
    /// Runs a command line in a root shell on the board; its exit status and all its output.
    fn try_shell(&self, script: &str) -> (i32, String);
    /// The pid of the running muster, or of the k3s that it became, as the board numbers it.
    fn muster_pid(&self) -> Option<u32>;
    /// The states of its services. A namespace board has only one, `muster`.
    fn services(&self) -> Services;
    /// The same, as an operator gets them: at the console, after logging in. A namespace board has no login.
    fn log_in(&self) -> Services;

    /// The name that the board must give itself, by the real shell pipeline.
    fn name(&self) -> String {
        let script = "echo \"$0\" | sha1sum | head -c 6 | awk '{print \"worker-\" $0}'";
        run(&["sh", "-c", script, self.mac()]).trim().into()
    }

    /// Runs a command line in a root shell on the board to its end; returns what it printed.
    fn shell(&self, script: &str) -> String {
        let (status, output) = self.try_shell(script);
        assert_eq!(status, 0, "{}: {script}: {output}", self.label());
        output
    }

    /// Runs a command line in a root shell on the board until it succeeds; returns what it printed then.
    fn shell_until(&self, script: &str) -> String {
        let what = format!("{}: {script}", self.label());
        wait_for(&what, self.site().kind().patience(), || {
            let (status, output) = self.try_shell(script);
            (status == 0).then_some(output)
        })
    }

    /// The state of a service, such as `started`.
    fn service_state(&self, service: &str) -> String {
        self.services().state(service).into()
    }

    /// A file of the board's, if it is there.
    fn read(&self, path: &str) -> Option<String> {
        let (status, text) = self.try_shell(&format!("cat '{path}' 2>/dev/null"));
        (status == 0).then_some(text)
    }

    /// Sends a signal, such as `KILL`, to muster or the k3s that it became.
    fn signal_muster(&self, signal: &str) {
        let pid = self.muster_pid().expect("muster runs");
        self.shell(&format!("kill -{signal} {pid}"));
    }

    /// Waits for a line of the console that contains `word`.
    fn wait_for(&self, word: &str) -> Line {
        let patience = self.site().kind().patience();
        self.console().wait_for_within(word, patience)
    }

    /// Waits until muster warns with a line that contains `word`. On a machine the console shows warnings too.
    fn wait_for_warning(&self, word: &str) -> Line {
        let (what, console) = (
            format!("{}: a warning of {word:?}", self.label()),
            self.console(),
        );
        wait_for(&what, self.site().kind().patience(), || {
            let ended = console.has_ended();
            let mut lines = console.lines().into_iter();
            let found = lines.find(|line| {
                let warning = line.text.split_once("WARN: ");
                warning.is_some_and(|(_, text)| text.contains(word))
            });
            assert!(found.is_some() || !ended, "{what}: {}", console.text());
            found
        })
    }

    /// Waits until muster's log contains `word`.
    fn wait_for_log(&self, word: &str) {
        let what = format!("{}: {word:?} in the log", self.label());
        let patience = self.site().kind().patience();
        wait_for(&what, patience, || self.log().contains(word).then_some(()));
    }

    /// Waits until the server has heard the node since the last power-on and has it Ready; the time from power-on to then.
    fn joined(&self) -> Duration {
        let site = self.site();
        let ended = || self.console().has_ended().then(|| self.console().text());
        site.wait_joined(&self.name(), self.powered_on_at(), ended)
    }
}
