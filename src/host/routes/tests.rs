use super::*;

#[test]
fn a_default_route_is_found_and_the_one_on_lo_does_not_count() {
    let head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
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
    assert!(has_resolver("nameserver fd00::1"));
    for text in [
        "",
        "nameserver 127.0.0.53",
        "nameserver ::1",
        "nameserver fe80::1%eth0",
        "# nameserver 10.0.0.1",
        "nameserver",
    ] {
        assert!(!has_resolver(text), "{text}");
    }
}

#[test]
fn one_resolver_that_k3s_does_not_take_makes_it_leave_out_the_file() {
    let refused = |server: &str| {
        let text = format!("search lan\nnameserver 10.0.0.1\nnameserver {server}\n");
        assert!(has_resolver(&text), "{server}");
        refused_resolver(&text) == Some(server)
    };
    for server in [
        "127.0.0.53",
        "169.254.1.1",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "224.0.0.1",
        "0.0.0.0",
    ] {
        assert!(refused(server), "{server}");
    }
    for server in ["10.0.0.2", "fd00::2", "2001:db8::1", "1.1.1.1"] {
        assert!(!refused(server), "{server}");
    }
}

#[test]
fn an_address_that_another_host_may_have_is_doubtful() {
    let text = "fd000000000000000000000000000002 04 40 00 40     eth0\n\
                fd000000000000000000000000000003 04 40 00 88     eth0\n\
                fd000000000000000000000000000004 04 40 00 80     eth0\n";
    let is_doubtful = |address: &str| is_doubtful(text, "eth0", address.parse().unwrap());
    assert!(is_doubtful("fd00::2") && is_doubtful("fd00::3"));
    assert!(!is_doubtful("fd00::4") && !is_doubtful("fd00::5"));
    assert!(!super::is_doubtful(
        text,
        "eth1",
        "fd00::2".parse().unwrap()
    ));
}

#[test]
fn dns_servers_take_the_place_of_others_and_other_lines_stay() {
    let servers = ["fd00::1", "fd00::2", "fd00::3", "fd00::4"].map(|s| s.parse().unwrap());
    let text = with_resolvers("search lan\nnameserver ::1\n", &servers);
    let expected = "search lan\nnameserver fd00::1\nnameserver fd00::2\nnameserver fd00::3\n";
    assert_eq!(text, expected);
    assert!(has_resolver(&text));
}
