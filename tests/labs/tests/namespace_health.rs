//! What watches over a joined node: `muster health`, and restarts of k3s after a mistake in the settings.
//! That needs root.

use muster_labs::{Board, NamespaceBoard, Options, Output, PATIENCE, Service, Site, wait_for};
use std::time::{Duration, SystemTime};

const MAC: &str = "52:54:00:12:34:56";
/// `muster health` looks for processes every 30 s.
const LOOK: Duration = Duration::from_secs(60);

/// A board that has joined under its supervisor. Returns the log of the service.
fn joined(board: &mut NamespaceBoard) -> Output {
    board.power_on_without_muster();
    let since = SystemTime::now();
    let service = board.supervise();
    board.wait_joined(&service, since);
    service
}

fn address(board: &NamespaceBoard) -> String {
    let words = board.shell("ip -4 -o addr show dev eth0 | awk '{print $4}'");
    words.trim().to_string()
}

fn k3s_pid(board: &NamespaceBoard) -> Option<u32> {
    let k3s = board.processes("/usr/local/bin/k3s agent");
    k3s.first().map(|(pid, _)| *pid)
}

/// The DHCP client removes an address when it starts. With a DHCP server that is down the node would
/// be cut off.
#[test]
fn a_dhcp_client_that_died_is_started_again_and_the_node_keeps_its_address() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    let service = joined(&mut board);
    let (address_before, k3s) = (address(&board), k3s_pid(&board));
    site.stop(Service::Dhcp);
    board.shell("kill -KILL $(pidof udhcpc)");
    let _health = board.boot(&["health"]);
    service.wait_for_within("the DHCP client of eth0 is running again", LOOK);
    let clients = board.processes("udhcpc");
    assert_eq!(clients.len(), 1, "{clients:?}");
    assert!(board.read("/run/muster/keep").is_some(), "a lease?");
    assert_eq!(address(&board), address_before);

    site.start(Service::Dhcp);
    wait_for("a lease", LOOK, || {
        board.read("/run/muster/keep").is_none().then_some(())
    });
    let leases = site.leases();
    assert!(leases.contains_key(MAC), "{leases:?}");
    assert_eq!(address(&board), address_before);
    assert_eq!(k3s_pid(&board), k3s);
}

#[test]
fn k3s_is_restarted_with_the_address_that_replaced_the_old_one() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    let service = joined(&mut board);
    let _health = board.boot(&["health"]);
    let k3s = k3s_pid(&board).expect("k3s runs");
    // The server refuses the address that the board asks for again (NAK), and has another one for it.
    site.stop(Service::Dhcp);
    site.start_as(
        Service::Dhcp,
        &Options {
            dnsmasq: format!("dhcp-host={MAC},10.11.0.77\n"),
            ..Options::default()
        },
    );
    let since = SystemTime::now();
    board.shell("kill -USR1 $(pidof udhcpc)");
    service.wait_for_within("eth0 has the address 10.11.0.77 in place of", LOOK);
    wait_for("another k3s", PATIENCE, || {
        k3s_pid(&board).filter(|pid| *pid != k3s)
    });
    board.wait_joined(&service, since);
    assert_eq!(address(&board), "10.11.0.77/24");
    let record = board.read("/run/muster/boot.json").expect("the record");
    assert!(record.contains("\"address\": \"10.11.0.77\""), "{record}");
    // It got SIGTERM, and the restart asked nobody.
    let log = service.text();
    assert!(log.contains("/usr/sbin/muster ended with 0;"), "{log}");
    assert!(
        log.contains("restarting k3s without a network request"),
        "{log}"
    );
}

#[test]
fn a_k3s_that_dies_after_a_mistake_in_the_settings_is_started_as_before() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.overlay.set("INSTALL_K3S_EXEC", "--node-label=a=b");
    let service = joined(&mut board);
    let command = |board: &NamespaceBoard| board.processes("/usr/local/bin/k3s agent")[0].clone();
    let environment = |board: &NamespaceBoard| {
        let pid = board.muster_pid().expect("k3s runs");
        board.shell(&format!("tr '\\0' '\\n' </proc/{pid}/environ | sort"))
    };
    let (before, before_environment) = (command(&board), environment(&board));
    board.shell("echo 'MUSTER_DHCP=\"perhaps' >>/etc/conf.d/muster");
    for _ in 0..2 {
        let (pid, _) = command(&board);
        board.signal_muster("KILL");
        wait_for("another k3s", PATIENCE, || {
            k3s_pid(&board).filter(|new| *new != pid)
        });
        assert_eq!(command(&board).1, before.1);
        assert_eq!(environment(&board), before_environment);
    }
    let log = service.text();
    let warnings =
        log.matches("the closing quote is missing; so muster restarts k3s with the settings");
    assert_eq!(warnings.count(), 2, "{log}");
    // What is not the recorded k3s is not run.
    board.shell("echo >>/usr/local/bin/k3s.new; cp /usr/local/bin/k3s.new /usr/local/bin/k3s.tmp");
    board.shell("mv /usr/local/bin/k3s.tmp /usr/local/bin/k3s");
    board.signal_muster("KILL");
    service.wait_for_within("the next try comes in", LOOK);
}
