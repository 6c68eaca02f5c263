//! Looks for a default route and a DNS server. k3s needs both, in addition to an IP address.

use std::net::{IpAddr, Ipv4Addr};

/// The interface of the default route, of IPv4 if there is one, else of IPv6; `None` when there is
/// no default route. Of several default routes, the first one is used, which has the smallest
/// metric. `v4` is the text of `/proc/net/route` and `v6` that of `/proc/net/ipv6_route`. k3s reads
/// the same files in this way.
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
        // A default route on lo does not count: when there is no real default route, the kernel
        // lists an unreachable default route on lo.
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

/// Whether the text of a resolv.conf names a DNS server that pods can use too. When all DNS servers
/// in it have loopback addresses, k3s uses 8.8.8.8 instead, without a message.
pub fn has_resolver(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        let server = (words.next() == Some("nameserver"))
            .then(|| words.next())
            .flatten();
        // An IPv6 address may have a zone, as in `fe80::1%eth0`.
        let address = server.and_then(|server| server.split('%').next()?.parse::<IpAddr>().ok());
        address.is_some_and(|address| {
            !address.is_loopback() && address != IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_route_is_found_and_the_one_on_lo_does_not_count() {
        let head =
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
        let route = "eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        let subnet = "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        let both = format!("{head}{subnet}{route}");
        assert_eq!(default_interface(&both, ""), Some("eth0"));
        assert_eq!(default_interface(&format!("{head}{subnet}"), ""), None);
        let zero = "0".repeat(32);
        let v6 = |device| {
            format!(
                "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     {device}\n"
            )
        };
        assert_eq!(default_interface(head, &v6("eth1")), Some("eth1"));
        assert_eq!(default_interface(&both, &v6("eth1")), Some("eth0"));
        assert_eq!(default_interface(head, &v6("lo")), None);
    }

    #[test]
    fn a_resolver_that_pods_cannot_ask_does_not_count() {
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
}
