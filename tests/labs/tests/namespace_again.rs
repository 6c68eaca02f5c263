//! A boot that is cut off, and one that has nothing left to do.

use muster_labs::{Board, NamespaceBoard, Options, Output, PATIENCE, Site, run, wait_for};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

#[test]
fn killed_at_every_line_it_ends_joined() {
    let site = Site::new(Options {
        k3s_size: 20_000_000,
        ..Options::default()
    });
    let (next, kills, done) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for board in 0..3 {
            let (site, next, kills, done) = (&site, &next, &kills, &done);
            scope.spawn(move || {
                let mut board = NamespaceBoard::new(site, &format!("52:54:00:00:00:{board:02x}"));
                while !done.load(Ordering::Relaxed) {
                    let lines = next.fetch_add(1, Ordering::Relaxed);
                    match killed_after(&mut board, lines) {
                        true => done.store(true, Ordering::Relaxed),
                        false => _ = kills.fetch_add(1, Ordering::Relaxed),
                    }
                }
            });
        }
    });
    let kills = kills.into_inner();
    println!("killed at {kills} lines, one after the other");
    assert!(kills > 20, "{kills}");
}

/// A boot that is killed when it has said so many lines, and the one behind it. Whether the first had no more to say, and joined.
fn killed_after(board: &mut NamespaceBoard, lines: u32) -> bool {
    board.power_on_without_muster();
    let boot = board.command(&[
        "sh",
        "-c",
        "(exec /usr/sbin/muster 2>/run/log); echo ended by $?",
    ]);
    // The steps that need no network take a millisecond or two, and a kill from here would come after them: strace has it come in
    // place of the next line, and a line is said before the effect that it names.
    let kill = format!("inject=write:signal=KILL:when={}", lines + 1);
    // strace compares the path with the one that `/proc` shows, which is not the board's own where
    // this test runs in a changed root (chroot): the board's root is then below it.
    let log = board.root_as_seen_from_here().join("run/log");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-P"]).arg(log);
    strace.args(["-e", &kill]);
    strace.arg(boot.get_program()).args(boot.get_args());
    let killed = Output::follow(
        strace
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap()),
    );
    let said = || board.read("/run/log").unwrap_or_default();
    let joined = wait_for("the kill", PATIENCE, || {
        let joined = said().contains("joined as");
        (joined || killed.text().contains("ended by 137")).then_some(joined)
    });
    // Its udhcpc goes on without it, as it would without strace.
    drop(killed);
    if joined {
        return true;
    }
    // k3s says its lines behind muster's; what is killed there is k3s.
    let own = said()
        .lines()
        .filter(|line| line.starts_with("muster: "))
        .count();
    assert!(
        own == lines as usize || said().contains("effect: join: exec "),
        "killed after {lines} lines: {}",
        said()
    );

    let _boot = board.boot_to_joined();
    let clients = board.processes("udhcpc");
    assert_eq!(clients.len(), 1, "killed after {lines} lines: {clients:?}");
    assert_eq!(leftovers(board), "", "killed after {lines} lines");
    false
}

/// Files that only a run in the midst of its work has.
fn leftovers(board: &NamespaceBoard) -> String {
    board.run(&[
        "sh",
        "-c",
        "find / -xdev -name '.*.muster' -o -xdev -name '.k3s.part*' -o -xdev -name '*.muster'",
    ])
}

#[test]
fn when_all_is_done_it_does_nothing_again() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, "52:54:00:12:34:56");
    board.power_on_without_muster();
    let mut boot = board.boot_to_joined();
    let (client, requests) = (board.processes("udhcpc"), site.mirror_requests());
    // k3s dies, and OpenRC would start muster again.
    run(&[
        "kill",
        "-9",
        &board.host_muster_pid().expect("k3s runs").to_string(),
    ]);
    boot.end();
    let again = board.boot_to_joined();
    assert_eq!(board.processes("udhcpc"), client);
    assert_eq!(
        site.mirror_requests(),
        requests,
        "nothing is asked of a mirror again"
    );
    let effects: Vec<String> = again
        .lines()
        .into_iter()
        .filter(|line| line.text.contains(": effect: "))
        .map(|line| line.text)
        .collect();
    // What is left are questions, the attempt at the one module that a namespace cannot have, and the end.
    for effect in effects {
        let harmless = [
            "wait for",
            "ask https://",
            "version: ask",
            "unless it is installed",
            "run modprobe",
            "exec ",
        ];
        assert!(
            harmless.iter().any(|word| effect.contains(word)),
            "{effect}"
        );
    }
}

#[test]
fn interrupted_at_any_moment_the_next_run_ends_right() {
    const SIZE: u64 = 20_000_000;
    let site = Site::new(Options {
        k3s_size: SIZE,
        nginx: "limit_rate 40m;".into(),
        ..Options::default()
    });
    // The first of a crowd: this address puts no wait in front of its first question.
    let mut board = NamespaceBoard::new(&site, "52:54:00:00:00:5b");
    board.power_on_without_muster();
    board.boot(&["identity", "network"]).end();
    let k3s = "/usr/local/bin/k3s";
    let mut state = 0x9e37_79b9_u64;
    let mut resumed = 0;
    for round in 0..50 {
        for path in [k3s, "/run/muster/k3s.json"] {
            if board.read(path).is_some() {
                std::fs::remove_file(board.path(path)).expect("an installed k3s");
            }
        }
        let mut boot = board.boot(&["fetch"]);
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Somewhere in the time that a run takes.
        std::thread::sleep(Duration::from_millis((state >> 33) % 600));
        let signal = if round % 2 == 0 { "-TERM" } else { "-KILL" };
        if let Some(pid) = board.host_muster_pid() {
            // It may have come to its end meanwhile; that is a moment like any other, and what must hold is the same.
            let _ = Command::new("kill")
                .args([signal, &pid.to_string()])
                .output()
                .expect("kill");
        }
        boot.end();
        let part =
            std::fs::metadata(board.path("/usr/local/bin/.k3s.part")).map_or(0, |meta| meta.len());
        let mut boot = board.boot(&["fetch"]);
        let status = boot.end();
        assert!(status.success(), "round {round}: {}", boot.text());
        let said = boot.text();
        if part > 0 && part < SIZE {
            assert!(
                said.contains("resuming"),
                "round {round}, {part} bytes there: {said}"
            );
            resumed += 1;
        }
        let sums = board.run(&["sha256sum", k3s]);
        let wanted =
            std::fs::read_to_string(site.release(false).join("sha256sum-amd64.txt")).unwrap();
        assert_eq!(
            sums.split(' ').next(),
            wanted.split(' ').next(),
            "round {round}"
        );
        assert_eq!(leftovers(&board), "");
    }
    assert!(
        resumed >= 5,
        "only {resumed} of 50 rounds hit the download itself"
    );
}

#[test]
fn a_download_takes_little_memory() {
    let size = 80_000_000;
    let site = Site::new(Options {
        k3s_size: size,
        nginx: "limit_rate 60m;".into(),
        ..Options::default()
    });
    let mut board = NamespaceBoard::new(&site, "52:54:00:12:34:56");
    board.power_on_without_muster();
    let mut boot = board.boot(&["identity", "network", "fetch"]);
    boot.wait_for("downloading https://mirror.lan");
    let pid = board.host_muster_pid().expect("muster runs");
    let mut most = 0;
    let mut samples = 0;
    wait_for("the download", Duration::from_secs(60), || {
        let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else {
            return Some(());
        };
        let anonymous = text
            .lines()
            .find_map(|line| line.strip_prefix("Anonymous:"))
            .and_then(|kb| kb.trim().strip_suffix(" kB"));
        most = most.max(
            anonymous
                .and_then(|kb| kb.trim().parse::<u64>().ok())
                .unwrap_or(0),
        );
        samples += 1;
        None
    });
    assert!(boot.end().success(), "{}", boot.text());
    println!("anonymous memory while {size} bytes came: {most} KiB at most ({samples} samples)");
    assert!(samples > 10, "{samples} samples");
    assert!(most > 0 && most < 6 * 1024, "{most} KiB");
}
