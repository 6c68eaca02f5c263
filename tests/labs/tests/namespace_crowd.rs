//! A site that powers on at once.

use muster_labs::{Board, Options, Site, run, wait_for};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const BOARDS: u8 = 50;
/// Bytes of k3s here; the real one has three times as many.
const K3S: u64 = 25_000_000;
/// The link that all boards share (bits per second).
const LINK: u64 = 150_000_000;
/// What the link carries for each byte: 1448 bytes of TCP's come in a frame of 1514, which is what the shaper counts.
const FRAMES: f64 = 1514.0 / 1448.0;

#[test]
fn fifty_boards_at_once() {
    let site = Site::new(Options {
        k3s_size: K3S,
        ..Options::default()
    });
    // What leaves the site's services for the boards, all of it, passes here.
    let rate = LINK.to_string();
    let shape = [
        "tc",
        "-n",
        &site.namespace,
        "qdisc",
        "add",
        "dev",
        "br0",
        "root",
        "tbf",
        "rate",
        &rate,
        "burst",
        "256kb",
        "latency",
        "100ms",
    ];
    run(&shape);
    let mut boards: Vec<Board> = (1..=BOARDS)
        .map(|n| Board::new(&site, &format!("dc:a6:32:00:00:{n:02x}")))
        .collect();
    for board in &mut boards {
        board.power_on();
    }
    let started = Instant::now();
    let mut boots: Vec<_> = boards.iter().map(|board| board.boot(&[])).collect();
    for boot in &mut boots {
        boot.wait_for_within("joined as", Duration::from_secs(240));
    }
    let took = started.elapsed();
    wait_for("all nodes to be Ready", Duration::from_secs(30), || {
        (site
            .nodes()
            .iter()
            .filter(|line| line.contains(" Ready"))
            .count()
            == BOARDS.into())
        .then_some(())
    });

    // The link's own limit: every byte of every board's k3s, one behind the other, in frames.
    let limit = f64::from(BOARDS) * K3S as f64 * FRAMES * 8.0 / LINK as f64;
    let ratio = took.as_secs_f64() / limit;
    println!(
        "{BOARDS} boards joined in {:.1} s; the link needs {limit:.1} s for their downloads; ratio {ratio:.2}",
        took.as_secs_f64()
    );

    // None twice, and nothing asked again that was answered.
    let names: Vec<String> = boards.iter().map(Board::name).collect();
    let nodes = site.nodes();
    assert_eq!(nodes.len(), names.len(), "{nodes:?}");
    for name in &names {
        assert_eq!(
            nodes.iter().filter(|line| line.starts_with(name)).count(),
            1,
            "{name}"
        );
    }
    let mirror = site.mirror_requests();
    let whole = mirror
        .iter()
        .filter(|(path, ..)| path.ends_with("/k3s"))
        .count();
    let sums = mirror
        .iter()
        .filter(|(path, ..)| path.ends_with(".txt"))
        .count();
    assert_eq!(
        (whole, sums),
        (BOARDS.into(), BOARDS.into()),
        "one download and one sums file a board"
    );
    let bytes: u64 = mirror.iter().map(|(_, _, bytes)| bytes).sum();
    assert!(bytes < u64::from(BOARDS) * (K3S + 10_000), "{bytes} bytes");

    // The server's log: what each board asked before its k3s took over, by its address.
    let mut asked: BTreeMap<String, u32> = BTreeMap::new();
    let mut turned_away = 0;
    for line in site.server_requests() {
        let fields: Vec<&str> = line.split(' ').collect();
        let by_k3s = matches!(fields[2], "PUT" | "POST");
        if !by_k3s {
            *asked.entry(fields[1].into()).or_default() += 1;
            turned_away += u32::from(fields[4] == "429");
        }
    }
    let (most, all) = (
        asked.values().max().copied().unwrap_or(0),
        asked.values().sum::<u32>(),
    );
    println!(
        "{all} requests at the server, {most} at most from one board, {turned_away} turned away (429)"
    );
    // muster's five and one sums file, k3s's three; the rest are second attempts.
    assert!(most <= 16, "{asked:?}");
    assert!(all <= u32::from(BOARDS) * 12, "{all} requests");
}
