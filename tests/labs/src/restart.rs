//! Restarts of k3s, with a record of what muster asks the network.

use crate::{Board, NamespaceBoard, Output, PATIENCE, Site, wait_for};
use std::fs;
use std::process::Command;

/// Whether a call asks the kernel for the addresses of this machine. Nothing leaves the machine then.
fn asks_the_kernel(call: &str) -> bool {
    call.contains("AF_NETLINK") || call.contains("nlmsg_type")
}

/// Runs muster as the supervisor would, until it has become k3s. Returns the network calls that
/// muster made before, as strace prints them, and what it logged.
pub fn restart(board: &NamespaceBoard, site: &Site) -> (String, String) {
    let trace = site.path("trace");
    // The one of the restart before would be taken for this one's.
    let _ = fs::remove_file(&trace);
    let boot = board.command(&["/usr/sbin/muster"]);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "trace=%network,execve", "-o"]);
    strace.arg(&trace).arg(boot.get_program());
    strace.args(boot.get_args()).env_clear();
    strace.env("PATH", std::env::var_os("PATH").unwrap());
    let mut boot = Output::follow(&mut strace);
    let calls = wait_for("k3s to be started", PATIENCE, || {
        assert!(!boot.has_ended(), "{}", boot.text());
        let calls = fs::read_to_string(&trace).unwrap_or_default();
        let (before, exec) = calls.split_once("execve(\"/usr/local/bin/k3s\"")?;
        let calls = before.lines().filter(|line| !asks_the_kernel(line));
        let calls: String = calls.map(|line| format!("{line}\n")).collect();
        exec.contains(" = 0").then_some(calls)
    });
    boot.wait_for("Starting k3s agent");
    board.signal_muster("KILL");
    boot.end();
    let is_network = |line: &&str| line.contains('(') && !line.contains("execve(");
    let network = calls.lines().filter(is_network);
    (network.collect::<Vec<_>>().join("\n"), boot.text())
}
