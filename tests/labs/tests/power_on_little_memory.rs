//! The root is RAM: how little of it will do, and what must be in the kernel.

use muster_labs::{Board, Kind, MachineBoard, Options, Site, wait_for};
use std::time::Duration;

/// How much of the stand-in's log there is (MiB).
const LOGGED: usize = 100;
/// How long an emulated machine may take for that much.
const LOG_PATIENCE: Duration = Duration::from_secs(450);

/// Kilobytes in use on the root file system.
fn used(board: &MachineBoard) -> u64 {
    let used = board.shell("df -k / | awk 'NR == 2 { print $3 }'");
    used.trim().parse().expect("a number")
}

#[test]
fn a_k3s_that_logs_100_mb_costs_a_few_mb_at_most() {
    let site = Site::new(Options::of(Kind::Machine));
    let mut board = MachineBoard::new(&site, &Site::mac(1));
    let line = format!("export STANDIN_LOG_MB={LOGGED}\n");
    board.overlay.add("etc/rc.conf.d/noisy.conf", &line, 0o644);
    board.power_on();
    board.wait_for("login: ");
    board.shell_until("[ -s /run/muster/status.json ] && pidof k3s");
    let before = used(&board);
    // The stand-in is heard, writes its log, and is not heard again until it is written.
    let heard = |since| {
        let heard = || site.heard(&board.name(), since);
        wait_for("a heartbeat", LOG_PATIENCE, heard)
    };
    let first = heard(board.powered_on_at());
    heard(first + Duration::from_micros(1));
    let last = LOGGED * 1024 * 1024 / 128 - 1;
    let line = format!("log line {last} of the stand-in");
    board.shell_until(&format!("grep -q '{line}' /var/log/muster.log*"));
    board.joined();
    let grown = used(&board).saturating_sub(before);
    assert!(grown < 3 * 1024, "{grown} KB");
}

#[test]
fn in_256_mb_an_80_mb_k3s_joins_without_running_out_of_memory() {
    let site = Site::new(Options::of(Kind::Machine));
    let mut board = MachineBoard::new(&site, &Site::mac(1));
    board.memory = 256;
    // By itself the root takes half of the memory, and Alpine 36 MB of that.
    board.kernel_words = "rootflags=size=200m".into();
    // There is no room for the image archive, and the board joins without it.
    site.add_images(&vec![7; 8 << 20]);
    site.fill_server();
    board.overlay.set("MUSTER_AIRGAP_IMAGES", "yes");
    board.power_on();
    let why = board.wait_for("the node joins without these images").text;
    assert!(why.contains("needs 992 MB in /var/lib/rancher"), "{why}");
    board.joined();
    let messages = board.shell("dmesg").to_lowercase();
    for words in ["out of memory", "oom-kill"] {
        assert!(!messages.contains(words), "{messages}");
    }
    let size = board.shell("stat -c %s /usr/local/bin/k3s");
    let size: u64 = size.trim().parse().expect("a number");
    assert!(size > 80_000_000, "{size}");
}

#[test]
fn a_root_too_small_is_refused_with_numbers_before_the_download() {
    let site = Site::new(Options::of(Kind::Machine));
    let mut board = MachineBoard::new(&site, &Site::mac(2));
    board.kernel_words = "rootflags=size=64m".into();
    board.power_on();
    let error = board.wait_for("muster: ERROR: ").text;
    let megabytes = |before: &str| -> u64 {
        let (_, rest) = error
            .split_once(before)
            .unwrap_or_else(|| panic!("{error}"));
        let (number, _) = rest.split_once(" MB").unwrap_or_else(|| panic!("{error}"));
        number.parse().unwrap_or_else(|_| panic!("{error}"))
    };
    let (needed, free) = (megabytes("k3s needs "), megabytes("which has "));
    assert!(needed > free && free < 64, "{error}");
    assert!(error.contains("rootflags=size="), "{error}");
    let mut requests = site.server_requests();
    requests.retain(|request| request.path.ends_with(site.assets().0));
    assert!(requests.is_empty(), "{requests:?}");
    assert!(!site.nodes().contains_key(&board.name()));
}

#[test]
fn without_a_memory_cgroup_the_console_names_the_exact_remedy() {
    let site = Site::new(Options::of(Kind::Machine));
    let mut board = MachineBoard::new(&site, &Site::mac(1));
    board.kernel_words = "cgroup_disable=memory".into();
    board.power_on();
    let error = board.wait_for("muster: ERROR: prepare: ").text;
    for words in [
        "remove cgroup_disable=memory",
        "cgroup_memory=1 cgroup_enable=memory",
    ] {
        assert!(error.contains(words), "{error}");
    }
    // The console is still of use.
    assert_eq!(board.log_in().state("muster"), "started");
}
