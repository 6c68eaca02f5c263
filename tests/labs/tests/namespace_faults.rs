//! What random sequences of faults (`make faults`) have shown: each kept a node from joining after
//! the fault was gone. That needs root.

use muster_labs::{Board, NamespaceBoard, Options, Service, Site};

const MAC: &str = "52:54:00:12:34:56";

/// The boot waits for a server that is down, for ever. That it is the wrong server is known to the
/// operator alone.
#[test]
fn a_corrected_setting_ends_the_wait_for_the_server() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    board.shell("cp /etc/conf.d/muster /run/right");
    board.shell("sed -i s/k3s.lan/nowhere.lan/ /etc/conf.d/muster");
    let boot = board.boot(&["--supervised"]);
    boot.wait_for("https://nowhere.lan:6443/cacerts");
    board.shell("cp /run/right /etc/conf.d/muster");
    boot.wait_for("stopped waiting; /etc/conf.d/muster has changed: trying again");
    boot.wait_for("joined as");
}

/// The DHCP client's script leaves an empty resolv.conf, and the next renewal would come after six
/// hours.
#[test]
fn a_lease_that_came_while_the_disk_was_full_is_renewed() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    site.stop(Service::Dhcp);
    let boot = board.boot(&["--supervised"]);
    boot.wait_for("no DHCP server has answered");
    board.try_shell("dd if=/dev/zero of=/tmp/fill bs=4k");
    site.start(Service::Dhcp);
    boot.wait_for("no resolver in /etc/resolv.conf");
    board.shell("rm /tmp/fill");
    boot.wait_for("renew the lease");
    boot.wait_for("joined as");
}
