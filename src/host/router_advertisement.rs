//! Reads router advertisements (RFC 4861, RFC 8106), as far as the kernel does not use them itself.

use std::net::Ipv6Addr;

/// The ICMPv6 type of a router advertisement.
const ADVERTISEMENT: u8 = 134;
/// The size of an advertisement without options (bytes).
const HEAD: usize = 16;
/// The option with DNS servers (RDNSS).
const RDNSS: u8 = 25;
/// The flags "managed" and "other": the router leaves addresses, or the rest, to DHCPv6.
const DHCP_FLAGS: u8 = 0xc0;

/// What a router has said about DNS servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advertisement {
    /// DNS servers, in the router's order, without link-local ones: a pod is on another link, and
    /// k3s does not use a resolv.conf with such an address (k3s, `pkg/agent/config`).
    pub resolvers: Vec<Ipv6Addr>,
    /// Whether the router has named a link-local DNS server.
    pub has_link_local_resolver: bool,
    /// Whether the router leaves addresses or DNS servers to DHCPv6.
    pub by_dhcp: bool,
}

/// Reads an ICMPv6 packet. Returns `None` when it is not a router advertisement, or has an option of
/// an impossible length.
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
        // An option whose lifetime is zero takes its servers back.
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
mod tests {
    use super::*;

    /// An advertisement with these flags and these options.
    fn packet(flags: u8, options: &[&[u8]]) -> Vec<u8> {
        let mut packet = vec![
            ADVERTISEMENT,
            0,
            0,
            0,
            64,
            flags,
            7,
            8,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        packet.extend(options.concat());
        packet
    }

    fn rdnss(lifetime: u8, servers: &[&str]) -> Vec<u8> {
        let length = 1 + 2 * servers.len() as u8;
        let mut option = vec![RDNSS, length, 0, 0, 0, 0, 0, lifetime];
        for server in servers {
            option.extend(server.parse::<Ipv6Addr>().unwrap().octets());
        }
        option
    }

    fn resolvers(options: &[&[u8]]) -> Vec<String> {
        let parsed = parse(&packet(0, options)).unwrap();
        parsed.resolvers.iter().map(Ipv6Addr::to_string).collect()
    }

    #[test]
    fn the_dns_servers_of_an_advertisement_are_read() {
        let mtu = [5, 1, 0, 0, 0, 0, 5, 220];
        assert_eq!(resolvers(&[]), Vec::<String>::new());
        let (two, one) = (rdnss(60, &["fd00::1", "fd00::2"]), rdnss(60, &["fd00::3"]));
        assert_eq!(
            resolvers(&[&mtu, &two, &one]),
            ["fd00::1", "fd00::2", "fd00::3"]
        );
        let taken_back = rdnss(0, &["fd00::4"]);
        assert_eq!(resolvers(&[&taken_back, &one]), ["fd00::3"]);
    }

    #[test]
    fn a_link_local_dns_server_is_none_for_pods() {
        let link_local = rdnss(60, &["fe80::1"]);
        let parsed = parse(&packet(0, &[&link_local])).unwrap();
        assert!(parsed.resolvers.is_empty() && parsed.has_link_local_resolver);
        let parsed = parse(&packet(0, &[&rdnss(60, &["fd00::1"])])).unwrap();
        assert!(!parsed.has_link_local_resolver);
    }

    #[test]
    fn a_router_may_leave_dns_to_dhcp() {
        for (flags, by_dhcp) in [(0, false), (0x40, true), (0x80, true), (0x08, false)] {
            assert_eq!(parse(&packet(flags, &[])).unwrap().by_dhcp, by_dhcp);
        }
    }

    #[test]
    fn a_packet_that_is_cut_off_or_something_else_is_ignored() {
        let right = packet(0, &[&rdnss(60, &["fd00::1"])]);
        assert!(parse(&right).is_some());
        for len in (0..right.len()).filter(|len| *len != HEAD) {
            assert_eq!(parse(&right[..len]), None, "{len}");
        }
        let empty_option = packet(0, &[&[RDNSS, 0, 0, 0, 0, 0, 0, 60]]);
        assert_eq!(parse(&empty_option), None);
        let mut solicitation = right;
        solicitation[0] = 133;
        assert_eq!(parse(&solicitation), None);
    }
}
