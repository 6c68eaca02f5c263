//! A site that has IPv6 and no IPv4.

use muster_labs::{
    ADDRESS_V6, BRIDGE, Board, NamespaceBoard, Options, PATIENCE, Service, Site, run, wait_for,
};

const MAC: &str = "52:54:00:12:34:56";
/// The board's address: the site's prefix, and the interface identifier that the kernel makes of the
/// MAC address.
const BOARD: &str = "fd11::5054:ff:fe12:3456";

/// Has dnsmasq advertise a DNS server that pods can ask. By itself it advertises its link-local
/// address.
const GLOBAL_DNS: &str = "dhcp-option=option6:dns-server,[fd11::1]\n";

fn options() -> Options {
    Options {
        ipv6_only: true,
        dnsmasq: GLOBAL_DNS.into(),
        without: vec![Service::Web],
        ..Options::default()
    }
}

fn board(site: &Site) -> NamespaceBoard<'_> {
    let mut board = NamespaceBoard::new(site, MAC);
    board.overlay.set("MUSTER_NTP", ADDRESS_V6);
    board
}

#[test]
fn a_board_joins_by_itself_with_what_a_router_advertises() {
    let site = Site::new(options());
    site.start(Service::Log);
    let mut board = board(&site);
    board.overlay.set("MUSTER_SYSLOG", ADDRESS_V6);
    board.power_on_without_muster();
    let boot = board.boot_to_joined();
    let text = boot.text();
    for line in [
        format!("network: eth0 has {BOARD}, a default route and a resolver"),
        format!("the clock agrees with {ADDRESS_V6}"),
        format!("with the address {BOARD} and k3s "),
    ] {
        assert!(text.contains(&line), "{line}: {text}");
    }
    assert_eq!(
        board.read("/etc/resolv.conf").unwrap(),
        format!("nameserver {ADDRESS_V6}\n")
    );
    assert!(board.read("/run/muster/boot.json").unwrap().contains(BOARD));
    let check = board.try_shell("/usr/sbin/muster check").1;
    assert!(check.contains(BOARD), "{check}");
    assert!(!check.contains("MISSING"), "{check}");
    wait_for(
        "the log server has the line of k3s's start",
        PATIENCE,
        || {
            let log = site.syslog();
            log.iter().any(|line| line.contains(BOARD)).then_some(())
        },
    );
}

#[test]
fn server_and_mirror_may_be_ipv6_addresses() {
    let site = Site::new(options());
    let mut board = board(&site);
    board.overlay.server = format!("https://[{ADDRESS_V6}]:6443");
    let mirror = format!("https://[{ADDRESS_V6}]:8443/k3s");
    board.overlay.set("MUSTER_MIRRORS", &mirror);
    board.power_on_without_muster();
    board.boot_to_joined();
    assert!(!site.mirror_requests().is_empty());
}

#[test]
fn the_default_route_stays_when_k3s_forwards_packets() {
    let site = Site::new(Options {
        // A router that sends an advertisement every few seconds, which is good for a minute.
        dnsmasq: format!("{GLOBAL_DNS}ra-param={BRIDGE},4,60\n"),
        ..options()
    });
    let mut board = board(&site);
    board.power_on_without_muster();
    let _k3s = board.boot_to_joined();
    // k3s does this where a cluster has IPv6 (k3s, `pkg/agent/syssetup`).
    board.run(&["sysctl", "-q", "-w", "net.ipv6.conf.all.forwarding=1"]);
    let lifetime = || -> u32 {
        // BusyBox's `ip` shows no lifetime.
        let argv = [
            "ip",
            "-n",
            &board.namespace,
            "-6",
            "route",
            "show",
            "default",
        ];
        let route = run(&argv);
        let words: Vec<&str> = route.split_whitespace().collect();
        let expires = words.iter().position(|word| *word == "expires");
        let expires = expires.unwrap_or_else(|| panic!("no default route: {route:?}"));
        words[expires + 1].trim_end_matches("sec").parse().unwrap()
    };
    // An advertisement has come since: the route lives longer than it did.
    let mut before = lifetime();
    wait_for("the route's lifetime is renewed", PATIENCE, || {
        let now = lifetime();
        let renewed = now > before;
        before = now;
        renewed.then_some(())
    });
}

#[test]
fn dns_servers_that_pods_cannot_ask_and_those_of_dhcp_are_told_of() {
    let site = Site::new(Options {
        dnsmasq: String::new(),
        ..options()
    });
    let mut board = board(&site);
    board.power_on_without_muster();
    let boot = board.boot(&[]);
    boot.wait_for("the IPv6 router advertises only a link-local DNS server, which pods cannot ask");
    drop(boot);
    drop(board);
    drop(site);
    let site = Site::new(Options {
        // The router tells boards to ask DHCPv6 for what is not an address, and names no DNS server.
        dnsmasq: "dhcp-range=fd11::,ra-stateless\ndhcp-option=option6:dns-server\n".into(),
        ..options()
    });
    let mut board = self::board(&site);
    board.power_on_without_muster();
    let boot = board.boot(&[]);
    boot.wait_for("the IPv6 router leaves addresses or DNS servers to DHCPv6, and muster starts no DHCPv6 client");
}
