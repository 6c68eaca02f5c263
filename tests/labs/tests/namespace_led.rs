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

#[test]
fn it_blinks_fast_when_the_boot_has_failed() {
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, MAC);
    board.overlay.set("MUSTER_K3S_SHA256", &"0".repeat(64));
    board.power_on_without_muster();
    add_led(&board);
    let boot = board.boot(&["--supervised"]);
    boot.wait_for("the next try comes in");
    wait_for_led(&board, "delay_on", "100");
    board.shell("sed -i /^MUSTER_K3S_SHA256/d /etc/conf.d/muster");
    boot.wait_for("joined as");
    wait_for_led(&board, "trigger", "mmc0");
}
