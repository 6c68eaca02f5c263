use super::*;
use crate::host::Mode;

/// A board with these LEDs. Each has the trigger mmc0.
fn board(leds: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for led in leds {
        let folder = root.path().join("sys/class/leds").join(led);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("trigger"), "none timer [mmc0] input\n").unwrap();
        fs::write(folder.join("brightness"), "0\n").unwrap();
    }
    root
}

fn read(root: &tempfile::TempDir, led: &str, attribute: &str) -> String {
    let path = file(led, attribute);
    fs::read_to_string(root.path().join(&path[1..])).unwrap_or_default()
}

#[test]
fn a_led_blinks_until_k3s_starts_and_is_then_what_it_was() {
    let root = board(&["ACT", "PWR"]);
    let host = Host::new(root.path(), Mode::Perform);
    host.blink_led(&Led::Auto);
    let led = |attribute: &str| read(&root, "ACT", attribute);
    assert_eq!(
        (led("trigger"), led("delay_on")),
        ("timer".into(), "500".into())
    );
    host.set_rhythm(Rhythm::Stuck);
    assert_eq!(
        (led("delay_on"), led("delay_off")),
        ("100".into(), "100".into())
    );
    // muster is killed, and started again: the LED's trigger is the timer now.
    let host = Host::new(root.path(), Mode::Perform);
    host.blink_led(&Led::Auto);
    assert_eq!(led("delay_on"), "500");
    host.restore_led();
    assert_eq!(led("trigger"), "mmc0");
    assert_eq!(host.list("/run/muster"), Vec::<String>::new());
    // The other LED was not touched.
    assert!(read(&root, "PWR", "trigger").starts_with("none timer"));
    // A restart of k3s restores the LED of a muster that was killed.
    let folder = root.path().join("sys/class/leds/ACT");
    fs::write(folder.join("trigger"), "none timer [mmc0]\n").unwrap();
    host.blink_led(&Led::Auto);
    Host::new(root.path(), Mode::Perform).restore_led();
    assert_eq!(led("trigger"), "mmc0");
}

#[test]
fn the_setting_names_the_led() {
    let root = board(&["led0", "green:status"]);
    let host = Host::new(root.path(), Mode::Perform);
    host.blink_led(&Led::No);
    host.blink_led(&Led::Named("missing".into()));
    assert!(read(&root, "led0", "trigger").contains("[mmc0]"));
    host.blink_led(&Led::Named("green:status".into()));
    assert_eq!(read(&root, "green:status", "trigger"), "timer");
    assert!(read(&root, "led0", "trigger").contains("[mmc0]"));
}

#[test]
fn a_led_without_a_trigger_gets_its_brightness_again() {
    let root = board(&["ACT"]);
    let folder = root.path().join("sys/class/leds/ACT");
    fs::write(folder.join("trigger"), "[none] timer\n").unwrap();
    fs::write(folder.join("brightness"), "255\n").unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    host.blink_led(&Led::Auto);
    fs::write(folder.join("brightness"), "0\n").unwrap();
    host.restore_led();
    assert_eq!(read(&root, "ACT", "trigger"), "none");
    assert_eq!(read(&root, "ACT", "brightness"), "255");
}

#[test]
fn a_dry_run_changes_no_led() {
    let root = board(&["ACT"]);
    let host = Host::new(root.path(), Mode::Plan);
    host.blink_led(&Led::Auto);
    host.set_rhythm(Rhythm::Stuck);
    host.restore_led();
    assert!(read(&root, "ACT", "trigger").contains("[mmc0]"));
}
