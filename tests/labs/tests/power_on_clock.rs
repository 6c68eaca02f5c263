//! Boards whose clock is wrong or missing, which see every certificate as not yet valid.

use muster_labs::{Board, Firmware, Kind, MachineBoard, Options, Service, Site};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a board has for a clock.
#[derive(Clone, Copy)]
enum Clock {
    /// A clock chip that starts in 1970, as one without a battery does.
    Of1970,
    /// None, as on a Raspberry Pi 4.
    Missing,
}

/// The nth board, off, with such a clock.
fn board(site: &Site, number: u8, clock: Clock) -> MachineBoard<'_> {
    let mut board = MachineBoard::new(site, &Site::mac(number));
    match clock {
        // The kernel refuses a time that is less than its own uptime, which no real chip's is: hence an hour.
        Clock::Of1970 => {
            board.qemu = ["-rtc", "base=1970-01-01T01:00:00"]
                .map(String::from)
                .into();
        }
        // QEMU's machine has a PL031; without its driver it has no clock chip. (UEFI would offer one of its own.)
        Clock::Missing => {
            assert_eq!(board.firmware, Firmware::Direct);
            board.kernel_words = "initcall_blacklist=pl031_driver_init".into();
        }
    }
    board
}

/// The board's clock, in seconds since 1970.
fn clock(board: &MachineBoard) -> u64 {
    let seconds = board.shell("date +%s");
    seconds.trim().parse().expect("a number")
}

fn assert_clock_is_right(board: &MachineBoard) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("a time after 1970").as_secs();
    let shown = clock(board);
    assert!(shown.abs_diff(now) <= 5, "{shown} and not {now}");
}

#[test]
fn a_clock_of_1970_joins_over_tls() {
    let site = Site::new(Options::of(Kind::Machine));
    let mut board = board(&site, 1, Clock::Of1970);
    board.power_on();
    board.joined();
    assert_clock_is_right(&board);
    assert_eq!(board.service_state("hwclock"), "started");
}

#[test]
fn no_clock_chip_joins_over_tls() {
    let site = Site::new(Options::of(Kind::Machine));
    let mut board = board(&site, 2, Clock::Missing);
    board.power_on();
    board.joined();
    assert_clock_is_right(&board);
    assert_eq!(board.service_state("swclock"), "started");
}

#[test]
fn no_time_server_joins_on_the_floor_and_says_so_in_one_line() {
    let site = Site::new(Options {
        without: vec![Service::Time],
        ..Options::of(Kind::Machine)
    });
    let mut boards = [
        board(&site, 1, Clock::Of1970),
        board(&site, 2, Clock::Missing),
    ];
    for board in &mut boards {
        board.power_on();
    }
    for board in &boards {
        board.joined();
        let log = board.log();
        let warnings = log
            .lines()
            .filter(|line| line.contains("muster: WARN: clock: no network time"));
        assert_eq!(warnings.count(), 1, "{log}");
        // Not the true time, but none before the binary was built.
        let clock = clock(board);
        assert!(clock > 1_700_000_000, "{clock}");
    }
}

#[test]
fn a_clock_that_something_sets_back_is_set_right_again() {
    let site = Site::new(Options::of(Kind::Machine));
    site.stop(Service::Server);
    let mut board = MachineBoard::new(&site, &Site::mac(1));
    board.power_on();
    board.wait_for_warning("k3s.lan:6443");
    // As hwclock does when it comes late and the chip has no battery.
    board.shell("date -s @100000");
    site.start(Service::Server);
    board.joined();
    let log = board.log();
    let warning =
        "muster: WARN: register: something has set the clock back; setting it forward again";
    assert!(log.contains(warning), "{log}");
    assert_clock_is_right(&board);
    the_page_tells_how_to_set_the_clock(&board);
}

/// `muster check` says that the clock is wrong. What `docs/troubleshooting.md` says sets it right.
fn the_page_tells_how_to_set_the_clock(board: &MachineBoard) {
    // A time daemon may correct the clock too, so the check comes at once.
    let (_, check) = board.try_shell("date -s @100000; muster check");
    for message in [
        "MISSING  clock     the time of this board's clock is ",
        "earlier than the build of muster or the last change of the settings file",
        "the server's certificate is not valid yet (this board's clock says Fri, 02 Jan 1970)",
    ] {
        assert!(check.contains(message), "{message:?}: {check}");
    }
    let (_, refused) = board.try_shell("date -s @100000; su -s /bin/sh nobody -c 'muster clock'");
    assert!(refused.contains("cannot set the clock"), "{refused}");
    board.shell("muster clock");
    assert_clock_is_right(board);
    let check = board.shell("muster check");
    assert!(!check.contains("MISSING"), "{check}");
}
