//! A site that powers on at once.

use muster_labs::{
    ADDRESS, ASKED, BRIDGE, Board, Kind, NamespaceBoard, Options, Output, PATIENCE, Site, muster,
    needs_standin, run, wait_for,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::time::SystemTime;

const BOARDS: u8 = 50;
/// Bytes of k3s here; the real one has three times as many.
const K3S: u64 = 25_000_000;
/// The link that all boards share (bits per second).
const LINK: u64 = 150_000_000;
/// What the link carries for each byte: 1448 bytes of TCP's come in a frame of 1514, which is what the shaper counts.
const FRAMES: f64 = 1514.0 / 1448.0;

/// A `muster watch` on the site's machine, to which DHCP sends the boards.
fn watch(site: &Site) -> Output {
    let root = site.path("desk");
    fs::create_dir(&root).expect("a folder");
    let mut command = site.command("env");
    command.arg("-i").arg(muster(Kind::Namespace));
    command.arg("--root").arg(root);
    let listen = format!("{ADDRESS}:514");
    command.args(["watch", "--json", "--listen", &listen]);
    let watch = Output::follow(&mut command);
    watch.wait_for("listening on");
    watch
}

/// Asserts that the last row of each board in `muster watch` is what the server's log, the leases
/// and the board itself say.
fn assert_rows(watch: &Output, site: &Site, boards: &[NamespaceBoard]) {
    let rows = || {
        let mut rows: BTreeMap<String, Value> = BTreeMap::new();
        for line in watch.lines() {
            if let Ok(row) = serde_json::from_str::<Value>(&line.text) {
                rows.insert(row["mac"].as_str().expect("a MAC").into(), row);
            }
        }
        rows
    };
    let rows = wait_for(
        "50 boards that have joined in muster watch",
        PATIENCE,
        || {
            let rows = rows();
            let joined = rows.values().filter(|row| row["condition"] == "joined");
            (joined.count() == boards.len()).then_some(rows)
        },
    );
    assert_eq!(rows.len(), boards.len(), "{rows:#?}");
    let (requests, leases) = (site.server_requests(), site.leases());
    for board in boards {
        let row = &rows[board.mac()];
        // The server's log has the address from which this node was registered.
        let name = board.name();
        let registered = requests.iter().find(|request| {
            request.node == name && request.method == "POST" && request.status == 200
        });
        let client = &registered.unwrap_or_else(|| panic!("{name}")).client;
        assert_eq!(row["address"], client.as_str(), "{row}");
        assert_eq!(row["address"], leases[board.mac()].0, "{row}");
        let expected = [
            ("name", Value::from(name)),
            ("version", site.tag().into()),
            ("step", "join".into()),
            ("state", "joined".into()),
            ("attempt", 1.into()),
            ("stuck", false.into()),
            ("trouble", Value::Null),
            ("bytes", Value::Null),
        ];
        for (field, value) in expected {
            assert_eq!(row[field], value, "{field}: {row}");
        }
        let status: Value = serde_json::from_str(&board.run(&["muster", "status", "--json"]))
            .expect("the board's status");
        let joined = status["joined"].as_f64().expect("a time");
        let told = row["since_power_on"].as_f64().expect("a time");
        assert!((joined - told).abs() < 1.0, "{joined}: {row}");
    }
}

#[test]
fn fifty_boards_at_once() {
    if needs_standin(ASKED) {
        return;
    }
    let site = Site::new(Options {
        k3s_size: K3S,
        dnsmasq: format!("dhcp-option=option:log-server,{ADDRESS}\n"),
        ..Options::default()
    });
    let watch = watch(&site);
    // What leaves the site's services for the boards, all of it, passes here.
    let rate = LINK.to_string();
    let shape = [
        "tc",
        "-n",
        &site.namespace,
        "qdisc",
        "add",
        "dev",
        BRIDGE,
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
    let mut boards: Vec<NamespaceBoard> = (1..=BOARDS)
        .map(|n| NamespaceBoard::new(&site, &format!("dc:a6:32:00:00:{n:02x}")))
        .collect();
    for board in &mut boards {
        board.power_on_without_muster();
    }
    let started = SystemTime::now();
    let boots: Vec<_> = boards.iter().map(|board| board.boot(&[])).collect();
    let joined = boards.iter().zip(&boots).map(|(board, boot)| {
        let ended = || boot.has_ended().then(|| boot.text());
        site.wait_joined(&board.name(), started, ended)
    });
    let took = joined.max().expect("there are boards");

    // The link's own limit: every byte of every board's k3s, one behind the other, in frames.
    let limit = f64::from(BOARDS) * K3S as f64 * FRAMES * 8.0 / LINK as f64;
    let ratio = took.as_secs_f64() / limit;
    println!(
        "{BOARDS} boards joined in {:.1} s; the link needs {limit:.1} s for their downloads; ratio {ratio:.2}",
        took.as_secs_f64()
    );

    assert_rows(&watch, &site, &boards);

    // None twice, and nothing asked again that was answered.
    let names: Vec<String> = boards.iter().map(Board::name).collect();
    let nodes = site.kubectl(&["get", "nodes", "--no-headers"]);
    assert_eq!(nodes.lines().count(), names.len(), "{nodes}");
    for name in &names {
        let same = nodes.lines().filter(|line| line.starts_with(name));
        assert_eq!(same.count(), 1, "{name}");
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
    for request in site.server_requests() {
        // muster's signing request and k3s's own are not counted.
        let reads = request.method == "GET";
        if reads {
            turned_away += u32::from(request.status == 429);
            *asked.entry(request.client).or_default() += 1;
        }
    }
    let (most, all) = (
        asked.values().max().copied().unwrap_or(0),
        asked.values().sum::<u32>(),
    );
    println!(
        "{all} requests at the server, {most} at most from one board, {turned_away} turned away (429)"
    );
    // Three of muster's and one sums file, two of k3s's; the rest are second attempts.
    assert!(most <= 16, "{asked:?}");
    assert!(all <= u32::from(BOARDS) * 12, "{all} requests");
}
