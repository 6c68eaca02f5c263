//! Starts the time daemon: Alpine's service `ntpd`, which runs the ntpd of BusyBox. muster writes
//! the daemon's servers to a file, and starts the service.

use super::Host;
use super::network_time::TimeServers;
use crate::paths;
use anyhow::Result;
use log::info;

/// OpenRC's command that starts and stops a service.
const SERVICE_COMMAND: &str = "rc-service";
/// The name of the service, and of its process.
const SERVICE: &str = "ntpd";
/// The file with the daemon's process id.
const PID_FILE: &str = "/run/ntpd.pid";

/// Starts the time daemon when it does not run, and restarts it when its servers have changed since
/// it was started. Does nothing when the service's configuration does not name the file
/// [`paths::NTPD_OPTIONS`], because then the operator manages the clock. Without OpenRC it also
/// does nothing.
pub fn keep_running(host: &Host, servers: &TimeServers) -> Result<()> {
    if !is_in_use(&host.read_text(paths::NTPD_CONF)?) || host.program(SERVICE_COMMAND).is_none() {
        return Ok(());
    }
    let servers = daemon_servers(servers, host);
    let options: Vec<String> = servers.iter().map(|name| format!("-p {name}")).collect();
    let line = options.join(" ") + "\n";
    let is_known = host.read_text(paths::NTPD_OPTIONS.path)? == line;
    if is_known && is_running(host) {
        return Ok(());
    }
    if !is_known {
        host.write_note(paths::NTPD_OPTIONS, &line)?;
    }
    info!(
        "starting the time daemon, which asks the time servers {}",
        servers.join(" and ")
    );
    host.run(&[SERVICE_COMMAND, SERVICE, "restart"])
}

/// The servers for the daemon: all servers that the operator or DHCP named. Only if there are none,
/// the default servers are used: the daemon asks all its servers all the time, so the default
/// servers are not added to the site's own servers.
fn daemon_servers(servers: &TimeServers, host: &Host) -> Vec<String> {
    let own = TimeServers {
        last: Vec::new(),
        ..servers.clone()
    };
    let mut all = own.places(host).concat();
    if all.is_empty() {
        all.clone_from(&servers.last);
    }
    // The names become a part of a shell script. So a name is left out if it has a character that
    // no host name and no IP address has.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".:-".contains(c);
    all.retain(|name| name.chars().all(is_plain) && !name.starts_with('-'));
    all
}

/// Whether the service's configuration, whose text is `conf`, names the file
/// [`paths::NTPD_OPTIONS`].
fn is_in_use(conf: &str) -> bool {
    let mut lines = conf.lines().map(str::trim_start);
    lines.any(|line| !line.starts_with('#') && line.contains(paths::NTPD_OPTIONS.path))
}

fn is_running(host: &Host) -> bool {
    let text = |path: &str| host.read_text(path).unwrap_or_default();
    let pid = text(PID_FILE);
    let pid = pid.trim();
    !pid.is_empty() && text(&format!("/proc/{pid}/comm")).trim() == SERVICE
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the files that others write"
)]
mod tests;
