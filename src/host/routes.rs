//! Looks for a default route and a DNS server. k3s needs both, in addition to an IP address.

use std::net::{IpAddr, Ipv4Addr};

/// Whether there is a default route, for IPv4 or IPv6. `v4` is the text of `/proc/net/route` and
/// `v6` that of `/proc/net/ipv6_route`. k3s reads the same files.
pub fn has_default_route(v4: &str, v6: &str) -> bool {
    let v4 = v4.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        matches!(
            fields.as_slice(),
            [_, "00000000", _, _, _, _, _, "00000000", ..]
        )
    });
    let v6 = v6.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // A default route on lo does not count: when there is no real default route, the kernel
        // lists an unreachable default route on lo.
        let [destination, "00", .., device] = fields.as_slice() else {
            return false;
        };
        destination.bytes().all(|b| b == b'0') && *device != "lo"
    });
    v4 || v6
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
