//! Whether the node has recovered.

use crate::lab::Lab;
use muster_labs::Board;
use std::fs;
use std::time::{Duration, Instant, SystemTime};

/// How often the node is looked at.
const POLL: Duration = Duration::from_millis(250);

impl Lab<'_> {
    /// Waits until the server has heard the node since `since`, as the only one and Ready, and the node runs the right k3s. Returns
    /// how long that took, or what does not hold after `patience`.
    pub fn recovered(&self, since: SystemTime, patience: Duration) -> Result<Duration, String> {
        let until = Instant::now() + patience;
        loop {
            let why = match self.site.heard(&self.board.name(), since) {
                None => "the server has not heard the node".into(),
                Some(at) => match self.faults_of_node() {
                    Ok(()) => return Ok(at.duration_since(since).unwrap_or_default()),
                    Err(why) => why,
                },
            };
            if Instant::now() > until {
                return Err(format!("after {} s {why}", patience.as_secs()));
            }
            std::thread::sleep(POLL);
        }
    }

    /// What must hold on a node that has joined, and at the server.
    fn faults_of_node(&self) -> Result<(), String> {
        let nodes = self.site.nodes();
        let expected = [(self.board.name(), "Ready".to_string())];
        if nodes != expected.clone().into() {
            return Err(format!("the server's nodes are {nodes:?}"));
        }
        match self.board.host_muster_pid() {
            None => return Err("neither muster nor k3s runs".into()),
            Some(pid) => self.check_bytes(pid, true)?,
        }
        let clients = self.board.processes("udhcpc").len();
        match clients {
            1 => Ok(()),
            count => Err(format!("{count} DHCP clients run")),
        }
    }

    /// No other k3s than the right one ever runs.
    pub fn check_right_bytes(&self) -> Result<(), String> {
        match self.board.host_muster_pid() {
            Some(pid) => self.check_bytes(pid, false),
            None => Ok(()),
        }
    }

    fn check_bytes(&self, pid: u32, must_be_k3s: bool) -> Result<(), String> {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if !arguments.starts_with(b"/usr/local/bin/k3s") {
            return match must_be_k3s {
                true => Err("muster has not become k3s".into()),
                false => Ok(()),
            };
        }
        match fs::read(format!("/proc/{pid}/exe")) {
            Ok(bytes) if bytes != self.k3s => Err("the k3s that runs has other bytes".into()),
            Err(error) if must_be_k3s => Err(format!("the k3s that runs cannot be read: {error}")),
            // It may have ended meanwhile.
            _ => Ok(()),
        }
    }
}
