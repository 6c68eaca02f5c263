//! The LED of a board during a boot. That needs root.

use muster_labs::{Board, NamespaceBoard, Options, PATIENCE, Service, Site, wait_for};

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
    wait_for(&format!("{text} in {file}"), PATIENCE, || {
        (board.read(&file)?.trim() == text).then_some(())
    });
}

#[test]
fn it_blinks_until_k3s_starts() {
    let site = Site::new(Options::default());
    site.stop(Service::Dhcp);
    let mut board = NamespaceBoard::new(&site, MAC);
    board.power_on_without_muster();
    add_led(&board);
    let boot = board.boot(&["--supervised"]);
    boot.wait_for("no DHCP server has answered; still waiting");
    wait_for_led(&board, "trigger", "timer");
    wait_for_led(&board, "delay_on", "500");
    site.start(Service::Dhcp);
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
