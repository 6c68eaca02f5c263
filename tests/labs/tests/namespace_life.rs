//! The life of a node after its first boot: k3s is restarted without a question to anyone, failures
//! pace themselves, and only one verified k3s runs. That needs root.

use muster_labs::{
    ASKED, Board, NamespaceBoard, Options, Output, PATIENCE, Service, Site, needs_standin, restart,
    wait_for,
};

const MAC: &str = "52:54:00:12:34:56";

/// No network call is less than no packet: whatever the server, the mirrors or the resolver would
/// answer, nobody is asked. (The call for the board's own address is not counted: the kernel answers.)
#[test]
fn a_killed_k3s_is_back_without_a_network_request() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.overlay.set("MUSTER_INTERFACE", "auto");
    board.power_on_without_muster();
    board.shell("echo BOOTIF=01-52-54-00-12-34-56 >/run/cmdline");
    board.shell("mount --bind /run/cmdline /proc/cmdline");
    let boot = board.boot_to_joined();
    let password = board.read("/etc/rancher/node/password");
    board.signal_muster("KILL");
    drop(boot);

    // All that the first boot needed is gone, `auto` would find no interface, and the token is another.
    for service in [Service::Server, Service::Mirror, Service::Dhcp] {
        site.stop(service);
    }
    board.shell("umount /proc/cmdline");
    board.shell("sed -i s/server:.*/server:rotated/ /etc/muster/token");
    for round in 0..10 {
        let (network, log) = restart(&board, &site);
        assert_eq!(network, "", "round {round}: {log}");
        assert!(log.contains("without a network request"), "{log}");
    }
    assert_eq!(board.read("/etc/rancher/node/password"), password);
    let status = board.shell("muster status");
    assert!(status.contains("k3s was restarted 10 times"), "{status}");
}

#[test]
fn three_quick_deaths_cause_one_full_boot() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    let boot = board.boot_to_joined();
    // As if all steps had not run for a long time.
    board.shell("sed -i 's/\"full_boot\":[0-9]*/\"full_boot\":0/' /run/muster/starts.json");
    board.signal_muster("KILL");
    drop(boot);
    let lists: Vec<bool> = (0..6)
        .map(|_| {
            let (network, log) = restart(&board, &site);
            let by_record = log.contains("without a network request");
            assert_eq!(network.is_empty(), by_record, "{network}: {log}");
            !network.is_empty()
        })
        .collect();
    assert_eq!(lists, [false, false, true, false, false, false]);
}

#[test]
fn a_planted_k3s_is_not_run_and_the_next_boot_replaces_it() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    let boot = board.boot_to_joined();
    board.signal_muster("KILL");
    drop(boot);
    board.shell("printf '#!/bin/sh\\necho planted\\n' >/usr/local/bin/k3s");
    let mut join = board.boot(&["join"]);
    assert_eq!(join.end().code(), Some(1), "{}", join.text());
    let text = join.text();
    assert!(text.contains("not verified in this boot"), "{text}");
    assert!(!text.contains("\nplanted"), "{text}");
    let boot = board.boot_to_joined();
    assert!(boot.text().contains("installed k3s"), "{}", boot.text());
}

#[test]
fn a_second_muster_names_the_first_and_ends() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    let _boot = board.boot_to_joined();
    let pid = board.muster_pid().expect("k3s runs");
    for arguments in [&[][..], &["join"]] {
        let mut second = board.boot(arguments);
        assert_eq!(second.end().code(), Some(1), "{}", second.text());
        let text = second.text();
        assert!(
            text.contains(&format!("already running on this node (pid {pid})")),
            "{text}"
        );
    }
    assert_eq!(board.muster_pid(), Some(pid));
    // What does not become an agent needs no lock.
    for arguments in [&["fetch"][..], &["--dry-run"], &["status"]] {
        let mut other = board.boot(arguments);
        assert!(other.end().success(), "{}", other.text());
    }
}

/// A board with a wrong pin tries five times in the first ten minutes (a unit test holds the pauses),
/// so four questions to the server are the most that one try may ask.
#[test]
fn a_wrong_pin_is_tried_again_after_a_pause_until_it_is_corrected() {
    if needs_standin(ASKED) {
        return;
    }
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.overlay.set("MUSTER_K3S_SHA256", &"0".repeat(64));
    board.power_on_without_muster();
    let boot = board.boot(&["--supervised"]);
    let tries = |boot: &Output| boot.text().matches("the next try comes in").count();
    wait_for("two tries", PATIENCE, || (tries(&boot) == 2).then_some(()));
    let asked = site.server_requests();
    assert!(asked.len() <= 2 * 4, "{asked:?}");
    let status = board.shell("muster status");
    assert!(status.contains("next try  in "), "{status}");
    assert!(
        status.contains("failed    fetch: no mirror could"),
        "{status}"
    );

    // A muster that was killed in the pause goes on with it.
    board.signal_muster("KILL");
    let again = board.boot(&["--supervised"]);
    board.shell("sed -i /^MUSTER_K3S_SHA256/d /etc/conf.d/muster");
    wait_for("the corrected settings", PATIENCE, || {
        assert_eq!(tries(&again), 0, "{}", again.text());
        again
            .text()
            .contains("has changed: trying again")
            .then_some(())
    });
    again.wait_for("joined as");
}

#[test]
fn a_bad_setting_is_waited_for_under_supervision() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    board.shell("cp /etc/conf.d/muster /run/right");
    board.shell("echo MUSTER_DHCP=perhaps >>/etc/conf.d/muster");
    let mut by_hand = board.boot(&["identity"]);
    assert_eq!(by_hand.end().code(), Some(2), "{}", by_hand.text());
    let boot = board.boot(&["--supervised"]);
    boot.wait_for("must be yes or no");
    let status = wait_for("the status", PATIENCE, || {
        board.read("/run/muster/status.json")
    });
    assert!(status.contains("must be yes or no"), "{status}");
    board.shell("cp /run/right /etc/conf.d/muster");
    boot.wait_for("joined as");
}

#[test]
fn an_interface_that_is_missing_is_waited_for_in_the_background() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.overlay.set("MUSTER_INTERFACE", "late0");
    board.power_on_without_muster();
    let boot = board.boot(&["--supervised"]);
    let mut by_hand = board.boot(&["identity"]);
    assert_eq!(by_hand.end().code(), Some(1), "{}", by_hand.text());
    assert!(
        by_hand.text().contains("the interfaces are eth0"),
        "{}",
        by_hand.text()
    );
    boot.wait_for("the interfaces are eth0; still waiting");
    board.shell("ip link set eth0 name late0");
    boot.wait_for("joined as");
}

/// The setting may be wrong, and a boot that waits must notice that it was corrected.
#[test]
fn an_interface_that_is_corrected_while_it_is_waited_for_is_used_at_once() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.overlay.set("MUSTER_INTERFACE", "eht0");
    board.power_on_without_muster();
    let boot = board.boot(&["--supervised"]);
    boot.wait_for("the interfaces are eth0; still waiting");
    board.shell("sed -i s/eht0/eth0/ /etc/conf.d/muster");
    boot.wait_for("/etc/conf.d/muster has changed: trying again");
    boot.wait_for("joined as");
}

/// muster's notes are in `/run`. None of them is worth more than a running k3s.
#[test]
fn a_full_run_folder_does_not_stop_a_boot() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    board
        .shell("mount -t tmpfs -o size=4k none /run && dd if=/dev/zero of=/run/full bs=4k count=1");
    let boot = board.boot_to_joined();
    let text = boot.text();
    assert!(
        text.contains("WARN: fetch: cannot write /run/muster/k3s.json"),
        "{text}"
    );
    assert!(
        text.contains("the next restart of k3s may run all steps"),
        "{text}"
    );
}
