//! Reads the DNS servers and the DHCPv6 flags in router advertisements (RFC 4861, RFC 8106). The
//! kernel uses the rest of an advertisement itself.

use std::net::Ipv6Addr;

/// The ICMPv6 type of a router advertisement.
const ADVERTISEMENT: u8 = 134;
/// The size of an advertisement without options (bytes).
const HEAD: usize = 16;
/// The option with DNS servers (RDNSS).
const RDNSS: u8 = 25;
/// The flags "managed" (addresses come by DHCPv6) and "other" (other settings, such as DNS servers,
/// come by DHCPv6).
const DHCP_FLAGS: u8 = 0xc0;

/// What a router has announced about DNS servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertisement {
    /// DNS servers, in the router's order, without link-local addresses: a pod is on another link,
    /// and k3s does not use a resolv.conf with a link-local address (k3s, `pkg/agent/config`).
    pub resolvers: Vec<Ipv6Addr>,
    /// Whether the router has named a link-local DNS server.
    pub has_link_local_resolver: bool,
    /// Whether the router leaves addresses or DNS servers to DHCPv6.
    pub by_dhcp: bool,
}

/// Reads an ICMPv6 packet. Returns `None` when it is not a router advertisement, or has an option
/// of an impossible length.
pub fn parse(packet: &[u8]) -> Option<Advertisement> {
    let (head, mut options) = packet.split_at_checked(HEAD)?;
    if head[..2] != [ADVERTISEMENT, 0] {
        return None;
    }
    let mut resolvers = Vec::new();
    while let [kind, length, ..] = *options {
        let size = 8 * usize::from(length);
        let (option, rest) = options.split_at_checked(size).filter(|_| size > 0)?;
        options = rest;
        // An option whose lifetime is zero withdraws its servers.
        if kind == RDNSS && option[4..8] != [0; 4] {
            let (addresses, _) = option[8..].as_chunks::<16>();
            resolvers.extend(addresses.iter().map(|bytes| Ipv6Addr::from(*bytes)));
        }
    }
    let named = resolvers.len();
    resolvers.retain(|server: &Ipv6Addr| !server.is_unicast_link_local());
    options.is_empty().then_some(Advertisement {
        has_link_local_resolver: resolvers.len() < named,
        resolvers,
        by_dhcp: head[5] & DHCP_FLAGS != 0,
    })
}

#[cfg(test)]
mod tests;
