//! What holds on both kinds of board. Each is called by a test for namespaces and by one for machines.

use crate::{Board, Kind, Options, Site};

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
        assert_named(&*board);
        let version = format!("the server runs k3s {}", site.tag());
        assert!(board.log().contains(&version), "{}", board.log());
        let nodes: Vec<String> = site.nodes().into_keys().collect();
        assert_eq!(nodes, [name.as_str()], "one node, and none beside it");
        let password = board.read("/etc/rancher/node/password").expect("it joined");
        let machine_id = board.read("/etc/machine-id").expect("it has one");
        let now = (site.known_since(&name), password, machine_id);
        // One record all along: the server has not forgotten and learnt it anew.
        assert_eq!(*seen.get_or_insert_with(|| now.clone()), now);
        let refused = site.refusals();
        assert!(refused.is_empty(), "{refused:?}");
        board.power_off();
    }
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
