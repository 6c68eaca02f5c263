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
