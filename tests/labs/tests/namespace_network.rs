//! The ways in which a board may come to its address. (Its clock is this machine's, so that is tested in the power-on lab.)

use muster_labs::{ADDRESS, NamespaceBoard, Options, Service, Site, needs_standin};
use std::time::SystemTime;

const MAC: &str = "52:54:00:12:34:56";

#[test]
fn a_lease_that_nobody_renews_is_taken_over() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    // What an initramfs does with `ip=dhcp`: it takes a lease and quits.
    board.run(&["ip", "link", "set", "eth0", "up"]);
    board.run(&["udhcpc", "-i", "eth0", "-f", "-q"]);
    assert!(board.processes("udhcpc").is_empty());
    let _boot = board.boot_to_joined();
    let clients = board.processes("udhcpc");
    assert_eq!(clients.len(), 1, "{clients:?}");
    assert!(
        clients[0].1.contains("-x hostname:worker-64e59a"),
        "{clients:?}"
    );
}

#[test]
fn with_dhcp_off_it_only_waits() {
    let site = Site::new(Options {
        dhcp: false,
        ..Options::default()
    });
    let mut board = NamespaceBoard::new(&site, MAC);
    board.overlay.set("MUSTER_DHCP", "no");
    board.power_on_without_muster();
    let since = SystemTime::now();
    let boot = board.boot(&[]);
    boot.wait_for(
        "no address on eth0 yet: muster sets no address, because MUSTER_DHCP is no; still waiting",
    );
    board.run(&["ip", "addr", "add", "10.11.0.9/24", "dev", "eth0"]);
    boot.wait_for("no default route, and k3s needs one; still waiting");
    board.run(&["ip", "route", "add", "default", "via", "10.11.0.1"]);
    boot.wait_for("no resolver in /etc/resolv.conf; still waiting");
    std::fs::write(board.path("/etc/resolv.conf"), "nameserver 10.11.0.1\n").unwrap();
    board.wait_joined(&boot, since);
    assert!(board.processes("udhcpc").is_empty());
}

#[test]
fn without_a_time_server_it_warns_and_goes_on() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.overlay.set("MUSTER_NTP", "10.11.0.1");
    board.power_on_without_muster();
    let since = SystemTime::now();
    let boot = board.boot(&[]);
    boot.wait_for(
        "WARN: clock: no network time: none of these time servers gave an acceptable time: 10.11.0.1 pool.ntp.org (",
    );
    board.wait_joined(&boot, since);
}

/// A site with a time server, where DHCP names this other one (option 42).
fn site_with_time(named_by_dhcp: &str) -> Site {
    Site::new(Options {
        without: vec![Service::Web],
        dnsmasq: format!(
            "dhcp-option=option:ntp-server,{named_by_dhcp}\nhost-record=pool.ntp.org,{ADDRESS}\nlocal=/pool.ntp.org/\n"
        ),
        ..Options::default()
    })
}

/// The time server that answers a board with this setting.
fn time_server_of(site: &Site, setting: &str) -> String {
    let mut board = NamespaceBoard::new(site, MAC);
    board.overlay.set("MUSTER_NTP", setting);
    board.power_on_without_muster();
    let mut boot = board.boot(&["identity", "network", "clock"]);
    assert!(boot.end().success(), "{}", boot.text());
    let text = boot.text();
    let (_, server) = text.split_once("the clock agrees with ").expect(&text);
    server.split_whitespace().next().unwrap_or_default().into()
}

#[test]
fn the_time_servers_of_the_setting_of_dhcp_and_of_the_default_are_asked_in_this_order() {
    // Nobody has this address.
    let dead = "10.11.0.99";
    let site = site_with_time(dead);
    assert_eq!(time_server_of(&site, ADDRESS), ADDRESS);
    assert_eq!(time_server_of(&site, dead), "pool.ntp.org");
    assert_eq!(time_server_of(&site, ""), "pool.ntp.org");
    drop(site);
    let site = site_with_time(ADDRESS);
    assert_eq!(time_server_of(&site, dead), ADDRESS);
    assert_eq!(time_server_of(&site, ""), ADDRESS);
}

#[test]
fn a_certificate_that_is_not_valid_yet_has_the_time_asked_again() {
    if needs_standin("its certificate begins in 2040") {
        return;
    }
    let in_2040 = ("STANDIN_NOT_BEFORE".into(), "2208988800".into());
    let site = Site::new(Options {
        server: vec![in_2040],
        ..Options::default()
    });
    let mut board = NamespaceBoard::new(&site, MAC);
    board.overlay.set("MUSTER_NTP", ADDRESS);
    board.power_on_without_muster();
    let boot = board.boot(&[]);
    boot.wait_for("WARN: clock: no network time");
    boot.wait_for("the server's certificate is not valid yet (this board's clock says ");
    site.start(Service::Time);
    boot.wait_for(&format!("the clock agrees with {ADDRESS}"));
}
