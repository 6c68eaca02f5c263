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
        let now = (site.known_since(&name), password, machine_id);
        // One record all along: the server has not forgotten and learnt it anew.
        assert_eq!(*seen.get_or_insert_with(|| now.clone()), now);
        let refused = site.refusals();
        assert!(refused.is_empty(), "{refused:?}");
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
            &format!("muster: identity: this board is {name} "),
            &format!("Setting hostname to {name} "),
            "Starting networking",
        ],
    );
    assert_named(board);
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
