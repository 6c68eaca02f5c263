//! Looks for a default route and a DNS server. k3s needs both, in addition to an IP address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The flags of an IPv6 address that cannot be used: the kernel still checks whether another host
/// has the address (tentative), or another host has it (dadfailed; Linux,
/// include/uapi/linux/if_addr.h).
const DOUBTFUL: u32 = 0x40 | 0x08;
/// The greatest number of DNS servers that a resolver asks (MAXNS of resolv.conf(5)).
const RESOLVERS_MAX: usize = 3;

/// The interface of the IPv4 default route or, without one, that of the IPv6 default route; `None`
/// when there is no default route. Of several default routes, the first one is used, which has the
/// smallest metric. `v4` is the text of `/proc/net/route` and `v6` that of `/proc/net/ipv6_route`.
/// k3s finds its interface in these files in the same way.
pub fn default_interface<'a>(v4: &'a str, v6: &'a str) -> Option<&'a str> {
    let v4 = v4.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields.as_slice() {
            [device, "00000000", _, _, _, _, _, "00000000", ..] => Some(*device),
            _ => None,
        }
    });
    let v6 = v6.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // A default route on lo does not count: the kernel lists an unreachable default route on lo
        // even when there is no real default route.
        match fields.as_slice() {
            [destination, "00", .., device]
                if destination.bytes().all(|b| b == b'0') && *device != "lo" =>
            {
                Some(*device)
            }
            _ => None,
        }
    });
    v4.or(v6)
}

/// Whether the text of a resolv.conf names a DNS server that pods may be able to use: its address
/// is not a loopback address, not 0.0.0.0, and has no zone. k3s is stricter ([`refused_resolver`]).
pub fn has_resolver(text: &str) -> bool {
    // A link-local address is written with a zone, as in `fe80::1%eth0`, and k3s does not parse
    // that as an address.
    let mut addresses = resolvers(text).filter_map(|server| server.parse::<IpAddr>().ok());
    addresses.any(|address| !address.is_loopback() && address != IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// The first DNS server in the text of a resolv.conf that k3s does not take. With one of them in
/// the file, k3s gives its pods the DNS server 8.8.8.8 in place of all (k3s,
/// `pkg/agent/config/config.go`).
pub fn refused_resolver(text: &str) -> Option<&str> {
    resolvers(text).find(|server| match server.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
                || address.is_unspecified()
        }
        Ok(IpAddr::V6(address)) => {
            address.is_loopback()
                || address.is_unicast_link_local()
                || address.is_multicast()
                || address.is_unspecified()
        }
        Err(_) => true,
    })
}

/// The DNS servers in the text of a resolv.conf.
fn resolvers(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver"))
            .then(|| words.next())
            .flatten()
    })
}

/// Whether an IPv6 address of an interface cannot be used, because another host has it, or may have
/// it. `text` is the text of `/proc/net/if_inet6`.
pub fn is_doubtful(text: &str, interface: &str, address: Ipv6Addr) -> bool {
    let digits = hex::encode(address.octets());
    text.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [found, _, _, _, flags, name] = fields.as_slice() else {
            return false;
        };
        let flags = u32::from_str_radix(flags, 16).unwrap_or_default();
        *found == digits && *name == interface && flags & DOUBTFUL != 0
    })
}

/// The text of a new resolv.conf: all lines of the old `text` that do not name a DNS server, and
/// then the first DNS servers of `resolvers`, at most [`RESOLVERS_MAX`].
pub fn with_resolvers(text: &str, resolvers: &[Ipv6Addr]) -> String {
    let is_server = |line: &str| line.split_whitespace().next() == Some("nameserver");
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !is_server(line))
        .map(String::from)
        .collect();
    let servers = resolvers.iter().take(RESOLVERS_MAX);
    lines.extend(servers.map(|server| format!("nameserver {server}")));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests;
