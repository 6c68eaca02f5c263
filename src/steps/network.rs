//! The link, one DHCP client that keeps renewing, and the wait for what k3s needs: address, default route, resolver.

use crate::host::{Content, Host};
use crate::node::Node;
use crate::settings::Settings;
use anyhow::Result;
use log::{info, warn};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(100);
/// How often a wait that goes on is said again.
const REMIND: Duration = Duration::from_secs(30);
/// How often the wait looks whether the DHCP client is still there.
const CLIENT_CHECK: Duration = Duration::from_secs(5);
/// The kernel's IFF_UP (Linux, include/uapi/linux/if.h).
const IFF_UP: u32 = 1;

const SCRIPT: &str = "/etc/udhcpc/muster.script";
/// Where that script keeps the time servers that DHCP named.
pub const NTP_FILE: &str = "/run/muster/ntp";

/// Brings the interface up and waits until it is of use, for ever.
pub fn run(host: &Host, settings: &Settings, node: &Node) -> Result<()> {
    let interface = node.interface.as_str();
    for link in ["lo", interface] {
        if !is_up(&host.read_text(format!("/sys/class/net/{link}/flags"))?) {
            host.run(&["ip", "link", "set", link, "up"])?;
        }
    }
    if settings.dhcp {
        host.ensure_file(
            SCRIPT,
            0o755,
            Content::Public(include_str!("udhcpc.script")),
        )?;
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
        "udhcpc", "-b", "-t", "3", "-T", "2", "-i", interface, "-p", &pidfile, "-x", &option, "-O",
        "ntpsrv", "-s", SCRIPT,
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
            host.trouble(&format!(
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
    Ok(if has_resolver(&host.read_text("/etc/resolv.conf")?) {
        Missing::Nothing
    } else {
        Missing::Resolver
    })
}

/// Whether `/proc/net/route` or `/proc/net/ipv6_route` holds a default route: where k3s looks.
fn has_default_route(v4: &str, v6: &str) -> bool {
    let v4 = v4.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        matches!(
            fields.as_slice(),
            [_, "00000000", _, _, _, _, _, "00000000", ..]
        )
    });
    let v6 = v6.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // The kernel keeps an unreachable default on lo where there is no real one.
        matches!(fields.as_slice(), [destination, "00", .., device] if destination.bytes().all(|b| b == b'0') && *device != "lo")
    });
    v4 || v6
}

/// Whether a resolv.conf names a server that pods can ask too: with none but loopback ones k3s silently takes 8.8.8.8.
fn has_resolver(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        let server = (words.next() == Some("nameserver"))
            .then(|| words.next())
            .flatten();
        // An IPv6 server may carry a zone, `fe80::1%eth0`.
        let address = server.and_then(|server| server.split('%').next()?.parse::<IpAddr>().ok());
        address.is_some_and(|address| {
            !address.is_loopback() && address != IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        })
    })
}

fn is_up(flags: &str) -> bool {
    u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16)
        .is_ok_and(|flags| flags & IFF_UP != 0)
}

/// Whether a DHCP client that keeps renewing runs for the interface, in this network namespace.
fn client_runs(host: &Host, interface: &str) -> bool {
    let here = host.link_target("/proc/self/ns/net");
    host.list("/proc")
        .iter()
        .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
        .any(|pid| {
            let Ok(command) = host.read_text(format!("/proc/{pid}/cmdline")) else {
                return false;
            };
            let argv: Vec<&str> = command.split_terminator('\0').collect();
            renews(&argv, interface) && host.link_target(format!("/proc/{pid}/ns/net")) == here
        })
}

/// Whether this is the command line of a udhcpc that keeps `interface`'s lease. The one that an initramfs runs with `-q` quits
/// after its lease, so nobody renews that.
fn renews(argv: &[&str], interface: &str) -> bool {
    let mut argv = argv.iter().copied();
    let mut program = argv.next().and_then(|path| path.rsplit('/').next());
    if program == Some("busybox") {
        program = argv.next();
    }
    if program != Some("udhcpc") {
        return false;
    }
    let arguments: Vec<&str> = argv.collect();
    let named = arguments
        .windows(2)
        .any(|pair| pair[0].ends_with('i') && is_flags(pair[0]) && pair[1] == interface)
        || arguments.contains(&format!("-i{interface}").as_str());
    let quits = arguments
        .iter()
        .any(|word| is_flags(word) && word.contains(['q', 'n']));
    named && !quits
}

/// Whether a word is a bundle of udhcpc's one-letter flags, such as `-fq`; never an option's value.
fn is_flags(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|letters| {
        !letters.is_empty() && letters.bytes().all(|b| b"fbqRBnSoCi".contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes() {
        let head =
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
        let route = "eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        let subnet = "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        assert!(has_default_route(&format!("{head}{subnet}{route}"), ""));
        assert!(!has_default_route(&format!("{head}{subnet}"), ""));
        let zero = "0".repeat(32);
        let v6 = |device| {
            format!(
                "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     {device}\n"
            )
        };
        assert!(has_default_route(head, &v6("eth0")));
        assert!(!has_default_route(head, &v6("lo")));
    }

    #[test]
    fn resolvers() {
        assert!(has_resolver("domain lan\nnameserver 10.0.0.1\n"));
        assert!(has_resolver("nameserver fe80::1%eth0"));
        for text in [
            "",
            "nameserver 127.0.0.53",
            "nameserver ::1",
            "# nameserver 10.0.0.1",
            "nameserver",
        ] {
            assert!(!has_resolver(text), "{text}");
        }
    }

    #[test]
    fn only_a_client_that_renews_this_interface_counts() {
        let runs = |line: &str| renews(&line.split(' ').collect::<Vec<_>>(), "eth0");
        assert!(runs(
            "udhcpc -b -t 3 -T 2 -i eth0 -p /run/udhcpc.eth0.pid -x hostname:worker-1"
        ));
        assert!(runs("/bin/busybox udhcpc -bi eth0"));
        assert!(runs("/sbin/udhcpc -ieth0 -x hostname:quinn"));
        assert!(!runs("udhcpc -i eth0 -f -q"));
        assert!(!runs("udhcpc -i eth0 -fn"));
        assert!(!runs("udhcpc -i eth1"));
        assert!(!runs("grep udhcpc -i eth0"));
        assert!(!runs("vi udhcpc"));
    }

    #[test]
    fn flags() {
        assert!(is_up("0x1003\n"));
        assert!(!is_up("0x1002\n"));
        assert!(!is_up(""));
    }
}
