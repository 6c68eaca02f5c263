//! What holds on both kinds of board. Each is called by a test for namespaces and by one for machines.

use crate::{
    ADDRESS, ASKED, Board, Kind, Options, Service, Site, is_standin, needs_standin, wait_for,
};
use std::fs;
use std::time::{Duration, Instant};

/// Powered off and on, with nothing kept, a board is the same node each time.
pub fn the_same_node_after_each_power_on(kind: Kind, times: u32) {
    let site = Site::new(Options::of(kind));
    let mut board = site.board(1);
    let name = board.name();
    let mut seen = None;
    for _ in 0..times {
        board.power_on();
        let took = board.joined();
        println!("joined {:.1} s after power-on", took.as_secs_f64());
        match kind {
            Kind::Namespace => assert_named(&*board),
            Kind::Machine => assert_named_first(&*board),
        }
        let version = format!("the server runs k3s {}", site.tag());
        assert!(board.log().contains(&version), "{}", board.log());
        let nodes: Vec<String> = site.nodes().into_keys().collect();
        assert_eq!(nodes, [name.as_str()], "one node, and none beside it");
        let password = board.read("/etc/rancher/node/password").expect("it joined");
        let machine_id = board.read("/etc/machine-id").expect("it has one");
        let now = (site.node_uid(&name), password, machine_id);
        // One record all along: the server has not forgotten and learnt it anew.
        assert_eq!(*seen.get_or_insert_with(|| now.clone()), now);
        if is_standin() {
            let refused = site.refusals();
            assert!(refused.is_empty(), "{refused:?}");
        }
        board.power_off();
    }
}

/// Two boards are two nodes, and nothing that tells one from the other is the same.
pub fn another_board_is_another_node_beside_it(kind: Kind) {
    let site = Site::new(Options::of(kind));
    let mut boards = [site.board(2), site.board(3)];
    for board in &mut boards {
        board.power_on();
    }
    for board in &boards {
        board.joined();
    }
    let mut names = boards.each_ref().map(|board| board.name());
    names.sort();
    let nodes: Vec<String> = site.nodes().into_keys().collect();
    assert_eq!(nodes, names);
    for file in ["/etc/rancher/node/password", "/etc/machine-id"] {
        let [first, second] = boards.each_ref().map(|board| board.read(file));
        assert!(first.is_some() && second.is_some(), "{file}");
        assert_ne!(first, second, "{file}");
    }
    for board in &boards {
        let machine_id = board.read("/etc/machine-id").expect("it was there");
        let machine_id = machine_id.trim();
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        assert!(
            machine_id.len() == 32 && machine_id.bytes().all(hex),
            "{machine_id}"
        );
    }
}

/// A DHCP server that stops answering before muster asks, and is back after `outage`, is waited for.
pub fn a_dhcp_server_that_is_down_is_waited_for(kind: Kind, outage: Duration) {
    let site = Site::new(Options::of(kind));
    let mut board = site.board(1);
    if kind == Kind::Namespace {
        site.stop(Service::Dhcp);
    }
    board.power_on();
    if kind == Kind::Machine {
        wait_for_overlay(&site);
        site.stop(Service::Dhcp);
    }
    let since = Instant::now();
    board.wait_for_warning("no address on eth0 yet: no DHCP server has answered; still waiting");
    joins_when_repaired(&*board, since + outage, || site.start(Service::Dhcp));
    assert_named(&*board);
    // The client that asked in vain is the one that renews the lease.
    let clients = board.shell("pidof udhcpc");
    assert_eq!(clients.split_whitespace().count(), 1, "{clients}");
}

/// A DHCP server that refuses each lease that it has offered is waited for, and named.
pub fn a_dhcp_server_that_refuses_is_waited_for(kind: Kind) {
    let site = Site::new(Options::of(kind));
    let mut board = site.board(1);
    if kind == Kind::Namespace {
        site.refuse_leases(true);
    }
    board.power_on();
    if kind == Kind::Machine {
        wait_for_overlay(&site);
        site.refuse_leases(true);
    }
    board.wait_for_warning("no address on eth0 yet: the DHCP server refuses the lease");
    joins_when_repaired(&*board, Instant::now(), || site.refuse_leases(false));
    assert_named(&*board);
    let clients = board.shell("pidof udhcpc");
    assert_eq!(clients.split_whitespace().count(), 1, "{clients}");
}

/// Waits until a machine has fetched its overlay, for which the initramfs needs an address. What the
/// machine gets after that it asks for at a numeric address.
fn wait_for_overlay(site: &Site) {
    wait_for("the overlay to be fetched", site.kind().patience(), || {
        let mut requests = site.web_requests().into_iter();
        requests.find(|(path, ..)| path.ends_with(".apkovl.tar.gz"))
    });
}

/// The only mirror of a board, by plain HTTP and with a known digest, is down at power-on and back after `outage`.
pub fn a_mirror_that_is_down_is_waited_for(kind: Kind, outage: Duration) {
    if needs_standin(ASKED) {
        return;
    }
    let address = format!("{ADDRESS}:8080");
    let site = Site::new(Options {
        nginx: format!("listen {address};\n"),
        ..Options::of(kind)
    });
    let (asset, sums) = site.assets();
    let sums = fs::read_to_string(site.release(false).join(sums)).expect("the sums file");
    let (digest, _) = sums.split_once(' ').expect("a digest");
    let mut board = site.board(1);
    let mirror = format!("http://{address}/k3s");
    board.overlay().set("MUSTER_MIRRORS", &mirror);
    board.overlay().set("MUSTER_K3S_SHA256", digest);
    site.stop(Service::Mirror);
    board.power_on();
    board.wait_for_warning(&address);
    let repaired = Instant::now() + outage;
    joins_when_repaired(&*board, repaired, || site.start(Service::Mirror));
    // The server would have had it too.
    let mut requests = site.server_requests();
    requests.retain(|request| request.path.ends_with(asset));
    assert!(requests.is_empty(), "{requests:?}");
}

/// The k3s server is down at power-on and back after `outage`.
pub fn a_k3s_server_that_is_down_is_waited_for(kind: Kind, outage: Duration) {
    let site = Site::new(Options::of(kind));
    site.stop(Service::Server);
    let mut board = site.board(1);
    board.power_on();
    board.wait_for_warning("k3s.lan:6443");
    let repaired = Instant::now() + outage;
    joins_when_repaired(&*board, repaired, || site.start(Service::Server));
}

/// Logs in during an outage, which lasts at least until `until`. Then the board joins by itself.
fn joins_when_repaired(board: &dyn Board, until: Instant, repair: impl FnOnce()) {
    let services = board.log_in();
    assert_eq!(services.state("muster"), "started");
    if board.site().kind() == Kind::Machine {
        assert_eq!(services.state("networking"), "started");
    }
    // There is nothing to wait for: this is how long the outage is.
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
    let pid = board.muster_pid();
    if board.site().is_running(Service::Server) {
        assert!(!board.site().nodes().contains_key(&board.name()));
    }
    repair();
    let took = board.joined();
    println!("joined {:.1} s after power-on", took.as_secs_f64());
    assert_eq!(board.service_state("muster"), "started");
    assert_eq!(board.muster_pid(), pid, "the same run went on");
}

/// The board's name is its MAC's everywhere: on the board and in its lease.
pub fn assert_named(board: &dyn Board) {
    let name = board.name();
    assert_eq!(board.shell("hostname").trim(), name);
    let file = board.read("/etc/hostname").unwrap_or_default();
    assert_eq!(file.trim(), name);
    let leases = board.site().leases();
    let (_, sent) = leases.get(board.mac()).expect("it has a lease");
    assert_eq!(*sent, name);
}

/// The order on a machine's console: the name, then the services that use or send one. And [`assert_named`].
pub fn assert_named_first(board: &dyn Board) {
    let name = board.name();
    assert_order(
        board,
        &[
            &named_line(board),
            &format!("Setting hostname to {name} "),
            "Starting networking",
        ],
    );
    assert_named(board);
}

/// With what muster says on the console that it has set the board's name.
pub fn named_line(board: &dyn Board) -> String {
    format!("muster: identity: the hostname is {}, ", board.name())
}

/// The console has these words, each first on a line that is not before the one of the word in front of it.
pub fn assert_order(board: &dyn Board, words: &[&str]) {
    for word in words {
        board.wait_for(word);
    }
    let lines = board.console().lines();
    let place = |word: &&str| lines.iter().position(|line| line.text.contains(word));
    let order = words
        .iter()
        .map(|word| place(word).expect("it was printed"));
    assert!(order.is_sorted(), "{}", board.console().text());
}
