//! The LED of a board during a boot. That needs root.

use muster_labs::{Board, NamespaceBoard, Options, PATIENCE, Service, Site, wait_for};
use std::time::SystemTime;

const MAC: &str = "52:54:00:12:34:56";

/// Gives a board a LED with the trigger mmc0. Its files are plain files, which take what is written.
fn add_led(board: &NamespaceBoard) {
    // This machine may have no LED, and then its /sys has no folder to mount on.
    board.shell("mkdir -p /run/class/net /run/class/leds/ACT");
    board.shell("mount --bind /sys/class/net /run/class/net");
    board.shell("mount --rbind /run/class /sys/class");
    board.shell("echo 'none timer [mmc0]' >/sys/class/leds/ACT/trigger");
    board.shell("echo 0 >/sys/class/leds/ACT/brightness");
}

fn wait_for_led(board: &NamespaceBoard, attribute: &str, text: &str) {
    let file = format!("/run/class/leds/ACT/{attribute}");
    // A step waits for a minute before a person is needed.
    wait_for(&format!("{text} in {file}"), 2 * PATIENCE, || {
        (board.read(&file)?.trim() == text).then_some(())
    });
}

/// A long wait: the LED, and the console, which has a line at the change and every 30 s.
#[test]
fn it_blinks_until_k3s_starts_and_fast_in_a_wait_of_a_minute() {
    const WAITS: &str = "no DHCP server has answered; still waiting";
    let site = Site::new(Options::default());
    site.stop(Service::Dhcp);
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    add_led(&board);
    let boot = board.boot(&["--supervised"]);
    boot.wait_for(WAITS);
    wait_for_led(&board, "trigger", "timer");
    wait_for_led(&board, "delay_on", "500");
    wait_for_led(&board, "delay_on", "100");
    let lines = boot.lines();
    let waits = lines.iter().filter(|line| line.text.contains(WAITS));
    let waits: Vec<SystemTime> = waits.map(|line| line.at).collect();
    assert!(waits.len() >= 2, "{}", boot.text());
    for pair in waits.windows(2) {
        let pause = pair[1].duration_since(pair[0]).expect("it is later");
        assert!(pause.as_secs() >= 29, "{pause:?}: {}", boot.text());
    }
    site.start(Service::Dhcp);
    wait_for_led(&board, "delay_on", "500");
    boot.wait_for("joined as");
    wait_for_led(&board, "trigger", "mmc0");
}

/// What fails a boot, and what ends that: scripts. Then the trigger of the LED behind the next boot.
const FAILURES: [(&str, &str, &str); 3] = [
    (
        "echo MUSTER_K3S_SHA256=$(printf %064d 0) >>/etc/conf.d/muster",
        "sed -i '$d' /etc/conf.d/muster",
        "mmc0",
    ),
    // The settings cannot be read, and with them which LED it is.
    (
        "echo MUSTER_DHCP=perhaps >>/etc/conf.d/muster",
        "sed -i '$d' /etc/conf.d/muster",
        "mmc0",
    ),
    // All steps have succeeded and the LED is as before, and then k3s cannot be started. The file of
    // this LED then has the word mmc0 without the brackets of the kernel: no trigger is active.
    (
        "echo INSTALL_K3S_SKIP_DOWNLOAD=true >>/etc/conf.d/muster
         echo 'no program' >/usr/local/bin/k3s; chmod 755 /usr/local/bin/k3s",
        "rm /usr/local/bin/k3s; sed -i '$d' /etc/conf.d/muster",
        "none",
    ),
];

#[test]
fn it_blinks_fast_when_the_boot_has_failed() {
    let site = Site::new(Options::default());
    for (fault, remedy, trigger) in FAILURES {
        let mut board = NamespaceBoard::new(&site, MAC);
        board.power_on_without_muster();
        add_led(&board);
        board.shell(fault);
        let boot = board.boot(&["--supervised"]);
        boot.wait_for("the next try comes in");
        wait_for_led(&board, "delay_on", "100");
        wait_for_led(&board, "trigger", "timer");
        board.shell(remedy);
        boot.wait_for("joined as");
        wait_for_led(&board, "trigger", trigger);
    }
}

/// Who starts muster by hand sees what it prints, and needs no LED.
#[test]
fn what_is_run_by_hand_leaves_it_as_it_was() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    add_led(&board);
    board.run_muster(&["identity", "network"]);
    let untouched = board.read("/run/class/leds/ACT/trigger");
    assert_eq!(untouched.as_deref(), Some("none timer [mmc0]\n"));
    board.shell(FAILURES[0].0);
    let mut boot = board.boot(&[]);
    assert!(!boot.end().success(), "{}", boot.text());
    // It has blinked meanwhile.
    wait_for_led(&board, "delay_on", "100");
    wait_for_led(&board, "trigger", "mmc0");
}
