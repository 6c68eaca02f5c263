//! One board's boot, on real parts.

use muster_lab::{Board, Options, Site};
use std::time::UNIX_EPOCH;

const MAC: &str = "52:54:00:12:34:56";

#[test]
fn joins_and_is_the_same_node_after_a_boot_from_nothing() {
    let site = Site::new(Options::default());
    let mut board = Board::new(&site, MAC);
    board.power_on();
    let boot = board.boot_to_joined();
    let password = board.read("/etc/rancher/node/password").unwrap();
    assert!(boot.text().contains("the server runs k3s v1.34.1+k3s1"), "{}", boot.text());
    assert_eq!(board.read("/etc/hostname").unwrap(), "worker-64e59a\n");
    assert_eq!(board.run(&["hostname"]), "worker-64e59a\n");
    drop(boot);

    board.power_on();
    assert_eq!(board.read("/etc/rancher/node/password"), None);
    let _boot = board.boot_to_joined();
    assert_eq!(board.read("/etc/rancher/node/password").unwrap(), password);
    assert_eq!(site.nodes().len(), 1, "{:?}", site.nodes());
    let refused = site.server_requests().iter().filter(|line| line.contains(" 403 ")).count();
    assert_eq!(refused, 0);
}

#[test]
fn says_nothing_on_the_cable_before_its_name_is_set() {
    let site = Site::new(Options { dnsmasq: format!("dhcp-host={MAC},intruder\n"), ..Options::default() });
    let mut board = Board::new(&site, MAC);
    let capture = board.capture();
    board.power_on();
    let mut boot = board.boot(&[]);
    // Said before it is done, so the time of the next line bounds when it was.
    boot.wait_for("set the hostname to worker-64e59a");
    let named = boot.wait_for("write /etc/hostname").at.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    boot.wait_for("joined as worker-64e59a");
    assert_eq!(board.run(&["hostname"]), "worker-64e59a\n");
    assert_eq!(board.read("/etc/hostname").unwrap(), "worker-64e59a\n");
    let frames = capture.frames();
    let first: f64 = frames.split_whitespace().next().expect("frames").parse().expect("a time");
    assert!(first > named, "first frame at {first}, name set by {named}");
    let discover = frames.split("DHCP-Message").find(|part| part.contains("Discover")).expect("a DISCOVER");
    assert!(discover.contains("Hostname (12), length 13: \"worker-64e59a\""), "{discover}");
    assert!(site.dnsmasq_log().contains("intruder"), "the server offered no other name:\n{}", site.dnsmasq_log());
}
