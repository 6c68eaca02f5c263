//! The link, one DHCP client that keeps renewing, and the wait for what k3s needs: address, default route, resolver.

use crate::board::node::Node;
use crate::host::Host;
use crate::host::dhcp_client::client_runs;
use crate::host::files::Content;
use crate::host::routes::{has_default_route, has_resolver};
use crate::paths;
use crate::settings::Settings;
use anyhow::Result;
use log::{info, warn};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(100);
/// How often a wait that goes on is said again.
const REMIND: Duration = Duration::from_secs(30);
/// How often the wait looks whether the DHCP client is still there.
const CLIENT_CHECK: Duration = Duration::from_secs(5);
/// The kernel's IFF_UP (Linux, include/uapi/linux/if.h).
const IFF_UP: u32 = 1;

/// Brings the interface up and waits until it is of use, for ever.
pub fn run(host: &Host, settings: &Settings, node: &Node) -> Result<()> {
    let interface = node.interface.as_str();
    for link in ["lo", interface] {
        if !is_up(&host.read_text(format!("/sys/class/net/{link}/flags"))?) {
            host.run(&["ip", "link", "set", link, "up"])?;
        }
    }
    if settings.dhcp {
        let script = Content::Public(include_str!("udhcpc.script"));
        host.ensure_file(paths::DHCP_SCRIPT, script)?;
        if !client_runs(host, interface) {
            start_client(host, node)?;
        }
    }
    let wait = format!("wait for an address on {interface}, a default route and a resolver");
    host.ask(wait, || wait_until_usable(host, settings, node))?;
    Ok(())
}

/// What the interface still lacks, in words for the operator; `None` when it is of use.
pub fn lacks(host: &Host, settings: &Settings, node: &Node) -> Result<Option<String>> {
    let missing = missing(host, &node.interface)?;
    Ok((missing != Missing::Nothing).then(|| missing.advice(&node.interface, settings.dhcp)))
}

/// Starts the DHCP client. It goes to the background with a lease, or after three tries without one, and then keeps trying.
fn start_client(host: &Host, node: &Node) -> Result<()> {
    let interface = node.interface.as_str();
    let pidfile = format!("/run/udhcpc.{interface}.pid");
    let option = format!("hostname:{}", node.name);
    let argv = [
        "udhcpc",
        "-b",
        "-t",
        "3",
        "-T",
        "2",
        "-i",
        interface,
        "-p",
        &pidfile,
        "-x",
        &option,
        "-O",
        "ntpsrv",
        "-s",
        paths::DHCP_SCRIPT.path,
    ];
    host.run(&argv)
}

fn wait_until_usable(host: &Host, settings: &Settings, node: &Node) -> Result<()> {
    let mut said = (Missing::Nothing, Duration::ZERO);
    let mut client_checked = host.uptime();
    loop {
        let missing = missing(host, &node.interface)?;
        if missing == Missing::Nothing {
            let address = host
                .address(&node.interface)
                .map(|address| address.to_string())
                .unwrap_or_default();
            info!(
                "{} has {address}, a default route and a resolver",
                node.interface
            );
            return Ok(());
        }
        let now = host.uptime();
        if said.0 != missing || now >= said.1 + REMIND {
            host.report_problem(&format!(
                "{}; still waiting",
                missing.advice(&node.interface, settings.dhcp)
            ));
            said = (missing, now);
        }
        if settings.dhcp && now >= client_checked + CLIENT_CHECK {
            client_checked = now;
            if !client_runs(host, &node.interface) {
                warn!(
                    "the DHCP client of {} has gone; starting it again",
                    node.interface
                );
                if let Err(error) = start_client(host, node) {
                    warn!("{error:#}");
                }
            }
        }
        host.sleep(POLL);
    }
}

/// The first thing that is missing, in the order in which things come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Carrier,
    Address,
    Route,
    Resolver,
    Nothing,
}

impl Missing {
    fn advice(self, interface: &str, dhcp: bool) -> String {
        match (self, dhcp) {
            (Missing::Carrier, _) => {
                format!("{interface} has no carrier: check the cable and the switch port")
            }
            (Missing::Address, true) => {
                format!("no address on {interface} yet: no DHCP server has answered")
            }
            (Missing::Address, false) => {
                format!("no address on {interface} yet, and MUSTER_DHCP=no leaves it to others")
            }
            (Missing::Route, true) => {
                "no default route, and k3s needs one: have the DHCP server send a router (option 3)"
                    .into()
            }
            (Missing::Route, false) => "no default route, and k3s needs one".into(),
            (Missing::Resolver, true) => {
                "no resolver in /etc/resolv.conf: have the DHCP server send one (option 6)".into()
            }
            (Missing::Resolver, false) => "no resolver in /etc/resolv.conf".into(),
            (Missing::Nothing, _) => String::new(),
        }
    }
}

fn missing(host: &Host, interface: &str) -> Result<Missing> {
    if host
        .read_text(format!("/sys/class/net/{interface}/carrier"))
        .is_ok_and(|text| text.trim() == "0")
    {
        return Ok(Missing::Carrier);
    }
    if host.address(interface).is_none() {
        return Ok(Missing::Address);
    }
    let v4 = host.read_text("/proc/net/route")?;
    let v6 = host.read_text("/proc/net/ipv6_route")?;
    if !has_default_route(&v4, &v6) {
        return Ok(Missing::Route);
    }
    Ok(if has_resolver(&host.read_text(paths::RESOLV_CONF)?) {
        Missing::Nothing
    } else {
        Missing::Resolver
    })
}

fn is_up(flags: &str) -> bool {
    u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16)
        .is_ok_and(|flags| flags & IFF_UP != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        assert!(is_up("0x1003\n"));
        assert!(!is_up("0x1002\n"));
        assert!(!is_up(""));
    }
}
