//! The network step: it brings the interface up, starts a DHCP client that renews the lease, and
//! waits for what k3s needs: an address, a default route and a resolver.

use crate::board::node::Node;
use crate::host::Host;
use crate::host::dhcp_client::{
    CLIENT, ensure_script, is_client_running, renew_lease, start_client,
};
use crate::host::files::Content;
use crate::host::router_advertisement::Advertisement;
use crate::host::routers::{self, Routers};
use crate::host::routes::{default_interface, has_resolver, with_resolvers};
use crate::paths;
use crate::report::LogServer;
use crate::settings::Settings;
use anyhow::Result;
use log::{debug, warn};
use std::time::Duration;

/// The time between two checks of the interface.
const POLL: Duration = Duration::from_millis(100);
/// The time between two checks whether the DHCP client is still running.
const CLIENT_CHECK: Duration = Duration::from_secs(5);
/// The flag IFF_UP of an interface (Linux, include/uapi/linux/if.h).
const IFF_UP: u32 = 1;

/// Brings the interface up, starts the DHCP client (unless `MUSTER_DHCP` is `no`), and waits, with
/// no time limit, until k3s can use the interface. Fails when the DHCP client is not installed.
/// When an installed client does not start, this function tries again.
pub fn run(host: &Host, settings: &Settings, node: &Node) -> Result<()> {
    let interface = node.interface.as_str();
    if settings.dhcp {
        routers::keep_advertisements(host, interface);
    }
    for link in ["lo", interface] {
        if is_down(host, link)? {
            host.run(&["ip", "link", "set", link, "up"])?;
        }
    }
    if settings.dhcp {
        ensure_script(host)?;
        if !is_client_running(host, interface)
            && let Err(error) = start_client(host, node)
        {
            if host.program(CLIENT).is_none() {
                return Err(error);
            }
            host.report_problem(&format!("{error:#}; trying again"));
        }
    }
    let is_named = settings.dhcp || settings.log_server != LogServer::Dhcp;
    if let Some(server) = settings.log_server.shown().filter(|_| is_named) {
        host.ask(format_args!("send the log to {server}"), || Ok(()))?;
    }
    let wait = format!("wait for an address on {interface}, a default route and a resolver");
    host.ask(wait, || wait_until_usable(host, settings, node))?;
    Ok(())
}

/// Returns a message when no DHCP client asks for an address, because the interface is down or no
/// client is running. Returns `None` when a client is running on an interface that is up, and when
/// muster runs no client (`MUSTER_DHCP=no`).
pub fn not_started(host: &Host, settings: &Settings, node: &Node) -> Result<Option<String>> {
    let interface = node.interface.as_str();
    if !settings.dhcp {
        return Ok(None);
    }
    Ok(if is_down(host, interface)? {
        Some(format!(
            "{interface} is down, so nobody has asked DHCP for an address yet: in a boot, the step \
             network brings {interface} up and asks"
        ))
    } else if !is_client_running(host, interface) {
        Some(format!(
            "no address on {interface} yet: no DHCP client is running, so nobody has asked for an \
             address; in a boot, the step network starts a DHCP client"
        ))
    } else {
        None
    })
}

/// Whether the interface is down.
pub fn is_down(host: &Host, interface: &str) -> Result<bool> {
    let flags = host.read_text(format!("/sys/class/net/{interface}/flags"))?;
    Ok(!is_up(&flags))
}

fn wait_until_usable(host: &Host, settings: &Settings, node: &Node) -> Result<()> {
    let interface = node.interface.as_str();
    let mut client_checked = host.uptime();
    let mut client_failed = false;
    let mut routers = Routers::new(interface);
    let mut heard = Advertisement::default();
    loop {
        // The log is sent as soon as there is an address, even if something else is still missing.
        host.send_log(&settings.log_server, interface);
        let Some(missing) = all_missing(host, interface)?.into_iter().next() else {
            let address = host.address(interface);
            let address = address.map(|address| address.to_string());
            host.set_result(format!(
                "{interface} has {}, a default route and a resolver",
                address.unwrap_or_default()
            ));
            return Ok(());
        };
        if settings.dhcp && routers::is_default_route(host, interface)? {
            match routers.ask(host.uptime()) {
                Ok(found) => heard = found.unwrap_or(heard),
                Err(error) => debug!("{error:#}"),
            }
            if missing == Missing::Resolver && !heard.resolvers.is_empty() {
                write_resolvers(host, &heard);
            } else if routers.may_answer(host.uptime()) {
                host.wait(POLL)?;
                continue;
            }
        }
        let message = missing.message(host, interface, settings.dhcp) + why_not_by_ipv6(&heard);
        let lasts = host.report_problem(&format!("{message}; still waiting"));
        if lasts && settings.dhcp && matches!(missing, Missing::Route | Missing::Resolver) {
            // The lease may be right, but the client's script may have failed, for example because
            // the disk was full when the script wrote /etc/resolv.conf. So make the client renew
            // the lease now, because then it runs the script again. Without this, the next renewal
            // would come only after hours.
            if let Err(error) = renew_lease(host, interface) {
                warn!("{error:#}");
            }
        }
        let now = host.uptime();
        if settings.dhcp && now >= client_checked + CLIENT_CHECK {
            client_checked = now;
            if !is_client_running(host, interface) {
                if !client_failed {
                    warn!("the DHCP client of {interface} is not running; starting it again");
                }
                let result = start_client(host, node);
                // A client that fails to start each time is reported only once, because the message
                // about what is missing is repeated anyway.
                if let (Err(error), false) = (&result, client_failed) {
                    warn!("{error:#}");
                }
                client_failed = result.is_err();
            }
        }
        host.wait(POLL)?;
    }
}

/// Returns the reason why router advertisements do not provide what is missing. The caller appends
/// this text to the message. The text is empty when no such reason is known.
fn why_not_by_ipv6(heard: &Advertisement) -> &'static str {
    if heard.by_dhcp {
        "; the IPv6 router leaves addresses or DNS servers to DHCPv6, and muster starts no DHCPv6 \
         client"
    } else if heard.has_link_local_resolver {
        "; the IPv6 router advertises only a link-local DNS server, which pods cannot ask"
    } else {
        ""
    }
}

/// Writes to `/etc/resolv.conf` the DNS servers that a router has advertised.
fn write_resolvers(host: &Host, heard: &Advertisement) {
    let old = host.read_text(paths::RESOLV_CONF.path).unwrap_or_default();
    let text = with_resolvers(&old, &heard.resolvers);
    if let Err(error) = host.ensure_file(paths::RESOLV_CONF, Content::Public(&text)) {
        host.report_problem(&format!("{error:#}"));
    }
}

/// Something that k3s needs from the network and that is still missing. The variants are in the
/// order in which an interface gets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Carrier,
    Address,
    /// There is no address, because the DHCP server has refused the lease (NAK).
    Lease,
    Route,
    Resolver,
}

impl Missing {
    /// Returns a message for the operator. `dhcp` tells whether muster runs the DHCP client.
    pub fn message(self, host: &Host, interface: &str, dhcp: bool) -> String {
        match (self, dhcp) {
            (Missing::Carrier, _) => {
                format!("{interface} has no carrier: check the cable and the switch port")
            }
            (Missing::Address, true) => {
                format!("no address on {interface} yet: no DHCP server has answered")
            }
            (Missing::Lease, _) => {
                let text = host.read_text(paths::DHCP_REFUSAL.path).unwrap_or_default();
                let why = text.trim();
                format!(
                    "no address on {interface} yet: the DHCP server refuses the lease that it \
                     offered (NAK: {why}); check the address ranges of the DHCP server, and \
                     whether there is a second DHCP server"
                )
            }
            (Missing::Address, false) => format!(
                "no address on {interface} yet: muster sets no address, because MUSTER_DHCP is no"
            ),
            (Missing::Route, true) => "no default route, and k3s needs one: configure the DHCP \
                                       server to send a router (option 3)"
                .into(),
            (Missing::Route, false) => "no default route, and k3s needs one".into(),
            (Missing::Resolver, true) => "no resolver in /etc/resolv.conf: configure the DHCP \
                                          server to send a DNS server (option 6), or the IPv6 \
                                          router to advertise a DNS server (RDNSS)"
                .into(),
            (Missing::Resolver, false) => "no resolver in /etc/resolv.conf".into(),
        }
    }
}

/// Returns what is missing now, in the order of [`Missing`]; nothing when k3s can use the
/// interface.
pub fn all_missing(host: &Host, interface: &str) -> Result<Vec<Missing>> {
    let carrier = host.read_text(format!("/sys/class/net/{interface}/carrier"));
    let has_address = host.address(interface).is_some();
    let was_refused = host.metadata(paths::DHCP_REFUSAL.path).is_some();
    let v4 = host.read_text("/proc/net/route")?;
    let v6 = host.read_text("/proc/net/ipv6_route")?;
    let found = [
        (
            carrier.is_ok_and(|text| text.trim() == "0"),
            Missing::Carrier,
        ),
        (!has_address && !was_refused, Missing::Address),
        (!has_address && was_refused, Missing::Lease),
        (default_interface(&v4, &v6).is_none(), Missing::Route),
        (
            !has_resolver(&host.read_text(paths::RESOLV_CONF.path)?),
            Missing::Resolver,
        ),
    ];
    Ok(found
        .into_iter()
        .filter_map(|(is_missing, what)| is_missing.then_some(what))
        .collect())
}

/// Whether the text of an interface's `flags` file, a hexadecimal number, contains IFF_UP.
fn is_up(flags: &str) -> bool {
    u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16)
        .is_ok_and(|flags| flags & IFF_UP != 0)
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the files that a kernel would"
)]
mod tests;
