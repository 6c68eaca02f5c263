//! The command `muster health`: it watches over a node while k3s runs. It starts the DHCP client
//! and the time daemon when they do not run, and restarts k3s when the node's address has changed.
//! It sends no network request itself.
//!
//! It is a separate process, because k3s has replaced the muster process of the boot (exec). The
//! check that OpenRC offers (`healthcheck` in a service script) is not used: OpenRC ends k3s when
//! the check cannot run, and the check cannot run while the settings file has a syntax error.

use super::record::Record;
use crate::host::Host;
use crate::host::dhcp_client::{is_client_running, start_client_again};
use crate::host::process::SharedLog;
use crate::host::time_daemon;
use crate::settings::Settings;
use anyhow::Result;
use log::{info, warn};
use nix::sys::signal::Signal;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// The interval at which the address is checked. A new address counts only when two checks in a row
/// find it, because a DHCP client removes and adds addresses one after the other.
const POLL: Duration = Duration::from_secs(5);
/// The interval at which the DHCP client and the time daemon are checked.
const PROCESS_POLL: Duration = Duration::from_secs(30);
/// The time in which k3s must end after SIGTERM. The OpenRC service gives k3s the same time
/// (`retry` in `openrc/muster.initd`).
const END_LIMIT: Duration = Duration::from_secs(30);
/// The interval at which muster checks whether k3s has ended.
const END_POLL: Duration = Duration::from_millis(100);

/// Watches for ever. Does nothing while k3s does not run: before muster has started k3s in this
/// boot, and while muster restarts k3s. `load` reads the settings.
pub fn run(host: &Host, load: impl Fn() -> Result<Settings>) -> ! {
    let mut watch = Watch::default();
    let mut next_look = Duration::ZERO;
    loop {
        host.sleep(POLL);
        let running = k3s_pid(host).and_then(|pid| Some((pid, Record::read(host)?)));
        let agent = running.as_ref().map(|(pid, _)| *pid);
        if watch.agent != agent {
            // First close the log of the k3s that has ended, if there was one. The log of the new
            // k3s is opened after that.
            watch = Watch::default();
            watch.agent = agent;
            watch.log = agent.and_then(|pid| host.share_log_of(pid));
        }
        let Some((pid, record)) = running else {
            continue;
        };
        if let Some(address) = watch.new_address(&record, &host.addresses(&record.node.interface)) {
            restart_k3s(host, pid, &record, address);
        } else if host.uptime() >= next_look {
            next_look = host.uptime() + PROCESS_POLL;
            // When the settings cannot be read, nothing is started.
            if let Ok(settings) = load() {
                check_client(host, &settings, &record);
                if let Some(servers) = &settings.ntp
                    && let Err(error) = time_daemon::keep_running(host, servers)
                {
                    warn!("{error:#}");
                }
            }
        }
    }
}

/// The process id of the running k3s; `None` when no process holds the agent lock
/// ([`LOCK`](crate::paths::LOCK)), and when the process that holds this lock is still muster.
fn k3s_pid(host: &Host) -> Option<i32> {
    let pid = host.agent_pid()?;
    let program = |process: &str| {
        let file = host.metadata(format!("/proc/{process}/exe"))?;
        Some((file.dev(), file.ino()))
    };
    let running = program(&pid.to_string())?;
    (running != program("self")?).then_some(pid)
}

/// What `muster health` has found since the running k3s was started.
#[derive(Debug, Default)]
struct Watch {
    agent: Option<i32>,
    /// The log of this k3s, to which this process writes its own lines too.
    log: Option<SharedLog>,
    /// The address that the previous check found in place of the recorded address.
    found: Option<IpAddr>,
}

impl Watch {
    /// The address that has replaced the recorded address, when two checks in a row have found it.
    /// `present` are the addresses of the interface.
    fn new_address(&mut self, record: &Record, present: &[IpAddr]) -> Option<IpAddr> {
        let address = replacement(record, present);
        let before = std::mem::replace(&mut self.found, address);
        address.filter(|_| address == before)
    }
}

/// The address that the interface has in place of the recorded address. `None` when it still has
/// the recorded address, and when it has no address of the same family (IPv4 or IPv6), because then
/// the network may only be down.
fn replacement(record: &Record, present: &[IpAddr]) -> Option<IpAddr> {
    let recorded: IpAddr = record.address.as_ref()?.parse().ok()?;
    if present.contains(&recorded) {
        return None;
    }
    let mut same_family = present
        .iter()
        .filter(|address| address.is_ipv4() == recorded.is_ipv4());
    same_family.next().copied()
}

/// Ends k3s. Then supervise-daemon starts muster, which records the new address and starts k3s.
fn restart_k3s(host: &Host, pid: i32, record: &Record, address: IpAddr) {
    let interface = &record.node.interface;
    let before = record.address.as_deref().unwrap_or_default();
    warn!("{interface} has the address {address} in place of {before}: restarting k3s");
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        if let Err(error) = host.signal(format_args!("send {signal} to k3s"), pid, signal) {
            warn!("cannot end k3s: {error}");
            return;
        }
        let until = host.uptime() + END_LIMIT;
        while host.uptime() < until {
            // When k3s has ended, it does not hold the agent lock any more.
            if host.agent_pid() != Some(pid) {
                return;
            }
            host.sleep(END_POLL);
        }
    }
}

fn check_client(host: &Host, settings: &Settings, record: &Record) {
    let interface = &record.node.interface;
    if !settings.dhcp || is_client_running(host, interface) {
        return;
    }
    warn!("the DHCP client of {interface} is not running; starting it again");
    match start_client_again(host, &record.node) {
        Ok(()) => info!("the DHCP client of {interface} is running again"),
        Err(error) => warn!("{error:#}"),
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the files that a kernel and an operator would"
)]
mod tests;
