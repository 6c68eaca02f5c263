//! `muster watch`: what boards send over the network, and what it prints.

use crate::root::{Root, assert_one_line};
use crate::watching::{Killed, PATIENCE, Watching, line};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FAILED: &str = "the server refuses this node";

/// The last line of each board's story, and the fields that its row must have then.
fn end_of_story(board: usize) -> (String, Value) {
    let at = |state: &str| format!("uptime=\"20.5\" attempt=\"1\" state=\"{state}\"");
    let row = |step: &str, state: &str, condition: &str, more: [(&str, Value); 3]| {
        let mut row = json!({
            "mac": format!("52:54:00:00:00:{board:02x}"),
            "name": format!("worker-{board}"),
            "address": format!("192.0.2.{board}"),
            "step": step,
            "state": state,
            "condition": condition,
            "bytes": null,
            "trouble": null,
            "version": null,
        });
        for (field, value) in more {
            row[field] = value;
        }
        row
    };
    let none = || {
        [
            ("attempt", json!(1)),
            ("stuck", json!(false)),
            ("total", Value::Null),
        ]
    };
    match board % 4 {
        0 => (
            line(
                board,
                6,
                "join",
                &format!("{} version=\"v1.34.1+k3s1\"", at("joined")),
                "x",
            ),
            row("join", "joined", "joined", {
                let [attempt, stuck, _] = none();
                [attempt, stuck, ("version", json!("v1.34.1+k3s1"))]
            }),
        ),
        1 => (
            line(board, 3, "register", &at("failed"), FAILED),
            row("register", "failed", "failed", {
                let [attempt, ..] = none();
                [attempt, ("stuck", json!(true)), ("trouble", json!(FAILED))]
            }),
        ),
        2 => {
            let bytes = board * 1_000_000;
            let params = format!("{} bytes=\"{bytes}\" total=\"81000000\"", at("running"));
            (
                line(board, 7, "fetch", &params, ""),
                row("fetch", "running", "booting", {
                    let [attempt, ..] = none();
                    [
                        attempt,
                        ("bytes", json!(bytes)),
                        ("total", json!(81_000_000)),
                    ]
                }),
            )
        }
        _ => (
            line(board, 6, "prepare", &at("done"), "done"),
            row("prepare", "done", "booting", none()),
        ),
    }
}

#[test]
fn each_of_fifty_boards_has_its_own_row() {
    let boards: Vec<usize> = (1..=50).collect();
    let watching = Watching::start(&["--json"], &[]);
    let mut rows: BTreeMap<String, Value> = BTreeMap::new();
    let mut round = |say: &dyn Fn(usize) -> String| {
        for board in &boards {
            watching.say(&say(*board));
        }
        for _ in &boards {
            let row: Value = serde_json::from_str(&watching.line()).unwrap();
            rows.insert(row["name"].as_str().unwrap().into(), row);
        }
    };
    round(&|board| line(board, 6, "identity", "uptime=\"9.1\" state=\"done\"", "x"));
    round(&|board| {
        line(
            board,
            4,
            "network",
            "uptime=\"9.5\" state=\"waiting\"",
            "no carrier",
        )
    });
    round(&|board| line(board, 6, "network", "uptime=\"12.0\" state=\"done\"", "x"));
    round(&|board| end_of_story(board).0);
    assert_eq!(rows.len(), 50);
    for board in boards {
        let row = &rows[&format!("worker-{board}")];
        let (_, expected) = end_of_story(board);
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&row[field], value, "{field} of board {board}");
        }
    }
}

#[test]
fn a_flood_of_random_datagrams_does_no_harm() {
    let mut watching = Watching::start(&[], &[]);
    let mut state = 1_u64;
    let mut number = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 16
    };
    let mut buffer = vec![0; 1500];
    for count in 0..100_000_u32 {
        if count % 2 == 0 {
            let length = number() as usize % buffer.len();
            for eight in buffer[..length].chunks_mut(8) {
                let random = number().to_be_bytes();
                eight.copy_from_slice(&random[..eight.len()]);
            }
            watching.socket.send(&buffer[..length]).unwrap();
        } else {
            // A different board each time.
            let [_, a, b, c] = count.to_be_bytes();
            let text: String = (0..number() % 900)
                .map(|_| (number() as u8) as char)
                .collect();
            watching.say(&format!(
                "<28>1 - w{count} muster 1 fetch [muster@32473 mac=\"52:54:00:{a:02x}:{b:02x}:{c:02x}\"] {text}"
            ));
        }
    }
    // The kernel drops datagrams that come too fast, so the last one is sent again and again.
    let last = line(98, 4, "network", "uptime=\"9.1\"", "the last one");
    let mut all = Vec::new();
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE);
        watching.say(&last);
        match watching.lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) if line.contains("the last one") => break,
            Ok(line) => all.push(line),
            Err(_) => assert!(watching.child.0.try_wait().unwrap().is_none()),
        }
    }
    assert!(all.len() > 1000, "only {} boards were heard", all.len());
    assert!(!all.iter().any(|line| line.chars().any(char::is_control)));
    let status = fs::read_to_string(format!("/proc/{}/status", watching.child.0.id())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 64 << 10, "{kilobytes} KiB");
}

#[test]
fn lines_are_printed_when_a_board_changes() {
    let files = [("rack", "52:54:00:00:00:07\n52-54-00-12-34-56\n")];
    let watching = Watching::start(&["--macs", "rack"], &files);
    let mut unheard = [watching.line(), watching.line()];
    unheard.sort();
    assert!(
        unheard[1].ends_with("worker-64e59a  52:54:00:12:34:56  not heard yet"),
        "{unheard:?}"
    );
    let running = line(7, 7, "network", "uptime=\"9.1\" state=\"running\"", "");
    // What is said twice is printed once.
    watching.say(&running);
    watching.say(&running);
    // A log server that forwards lines in the older format leaves out the MAC address.
    watching.say("<28>Aug 12 10:00:00 worker-7 muster[1] no \u{1b}[2Jcarrier");
    let start = "worker-7  52:54:00:00:00:07  192.0.2.7  network: running";
    assert!(watching.line().ends_with(start));
    assert!(
        watching
            .line()
            .ends_with(&format!("{start}: no ?[2Jcarrier"))
    );
}

#[test]
fn a_trouble_that_stays_is_printed_once() {
    let watching = Watching::start(&[], &[]);
    let say = |severity, at: &str, text: &str| {
        let params = format!("uptime=\"{at}\" state=\"waiting\"");
        watching.say(&line(7, severity, "register", &params, text));
    };
    let board = "worker-7  52:54:00:00:00:07  192.0.2.7  register: ";
    let next = |expected: &str| {
        let line = watching.line();
        assert!(line.ends_with(&format!("{board}{expected}")), "{line}");
    };
    say(4, "9.1", "no server");
    next("waiting: no server");
    let running = "uptime=\"9.2\" state=\"running\"";
    watching.say(&line(7, 7, "register", running, ""));
    next("running");
    say(4, "9.3", "no server");
    next("waiting");
    say(4, "9.4", "wrong CA");
    next("waiting: wrong CA");
    // It is over, and comes again.
    watching.say(&line(7, 7, "register", "uptime=\"9.5\" state=\"done\"", ""));
    next("done");
    say(4, "9.6", "wrong CA");
    next("waiting: wrong CA");
}

/// A terminal of 60 columns and 8 rows, which `script` makes.
#[test]
fn a_terminal_shows_the_rack_in_a_small_window() {
    let root = Root::new();
    root.write(
        "rack",
        &(1..30)
            .map(|n| format!("52:54:00:00:00:{n:02x}\n"))
            .collect::<String>(),
    );
    let program = env!("CARGO_BIN_EXE_muster");
    let folder = root.folder().display();
    // A process that a shell starts in the background ignores Ctrl-C, and so do its children. So
    // the program gets the default action back: the tests may run in the background.
    let command = format!(
        "stty cols 60 rows 8; exec env --default-signal=INT {program} --root {folder} watch --listen 127.0.0.1:0 --macs {folder}/rack"
    );
    let mut script = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = script.stdout.take().unwrap();
    let mut script = Killed(script);
    let mut shown = String::new();
    let mut read_until = |shown: &mut String, text: &str| {
        let (mut buffer, start) = ([0; 4096], Instant::now());
        while !shown.contains(text) {
            let length = output.read(&mut buffer).unwrap();
            assert!(length > 0 && start.elapsed() < PATIENCE, "{shown:?}");
            shown.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    };
    read_until(&mut shown, "29 boards: 0 stuck, 29 not heard yet");
    let (_, port) = shown.split_once("muster watch on 127.0.0.1:").unwrap();
    let port = port.split('\u{1b}').next().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(format!("127.0.0.1:{port}")).unwrap();
    socket
        .send(line(200, 3, "fetch", "uptime=\"9.1\"", FAILED).as_bytes())
        .unwrap();
    shown.clear();
    read_until(&mut shown, "worker-200");
    // The screen may have been drawn once more before the line came, and again after it.
    let (before, after) = shown.split_once("worker-200").unwrap();
    let (_, before) = before.rsplit_once("\u{1b}[H").unwrap();
    let mut frame = format!("{before}worker-200{after}");
    read_until(&mut frame, "\u{1b}[J");
    let (frame, _) = frame.split_once("\u{1b}[J").unwrap();
    let lines: Vec<&str> = frame
        .lines()
        .map(|line| line.trim_end_matches("\u{1b}[K"))
        .collect();
    assert!(
        lines.len() < 8 && lines.iter().all(|line| line.chars().count() <= 60),
        "{lines:?}"
    );
    assert!(lines[3].starts_with("! worker-200 "), "{lines:?}");
    assert!(
        lines.last().unwrap().contains(" more boards: "),
        "{lines:?}"
    );
    // Ctrl-C ends it. It has changed nothing of the terminal that must be changed back.
    script.0.stdin.take().unwrap().write_all(&[3]).unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(!(shown + &rest).contains("\u{1b}[?"));
}

#[test]
fn wrong_arguments_are_named() {
    let root = Root::new();
    let output = root.muster(&["watch", "--listen", "x"]);
    assert_one_line("address", &output, &["--listen \"x\": not an address"]);
    let output = root.muster(&["watch", "--macs", "absent"]);
    assert_one_line("list", &output, &["MAC=\"absent\"", "no such file"]);
    let output = root.muster(&["status", "--macs", "x"]);
    assert_one_line("option", &output, &["--macs", "see muster --help"]);
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = root.muster(&["watch", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(crate::root::stderr(&output).contains("another program listens there"));
}
