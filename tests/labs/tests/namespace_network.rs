//! The ways in which a board may come to its address. (Its clock is this machine's, so that is tested in the power-on lab.)

use muster_labs::{NamespaceBoard, Options, Site};
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
        "no address on eth0 yet: muster sets none, because MUSTER_DHCP is no; still waiting",
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
    boot.wait_for("WARN: clock: no network time (10.11.0.1): the clock stays as it is");
    board.wait_joined(&boot, since);
}
