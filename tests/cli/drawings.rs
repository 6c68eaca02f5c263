//! The pictures of fixed boots and of a fixed rack, compared line by line with those in
//! `tests/cli/drawings`. A browser shows these files.

use muster::board::hostname::Naming;
use muster::board::mac::Mac;
use muster::status::{Download, Status, picture, shown};
use muster::watch::rack::Rack;
use muster::watch::{datagram, picture as rack_picture};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const MS: fn(u64) -> Duration = Duration::from_millis;
const STEPS: [&str; 7] = [
    "identity", "network", "clock", "prepare", "register", "fetch", "join",
];

/// Compares a picture with its file. A picture that differs is kept, so that it can be looked at.
#[track_caller]
fn assert_drawn(name: &str, svg: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/drawings");
    let file = file.join(name);
    if svg != fs::read_to_string(&file).unwrap_or_default() {
        let drawn = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&drawn, svg).unwrap();
        let (drawn, file) = (drawn.display(), file.display());
        panic!("the picture differs from its file; if it is right: cp {drawn} {file}");
    }
}

/// A boot that has gone through these steps: the name, begin and end (milliseconds since power-on),
/// and the error of a step that has failed.
fn boot(attempt: usize, steps: &[(&str, u64, u64, Option<&str>)]) -> Status {
    let mut status = Status::default();
    for _ in 0..attempt {
        status.begin(STEPS.into_iter());
    }
    status.hostname("worker-43dfae");
    for (step, from, to, error) in steps {
        status.start(step, MS(*from));
        status.end(step, MS(*to), *error);
    }
    status
}

/// The picture of a boot at this time (milliseconds since power-on).
fn drawn(status: &Status, now: u64) -> String {
    let text = shown::current(&status.to_json(), MS(now), |_| true).unwrap();
    picture::draw(&text).unwrap()
}

fn download(at: u64) -> Download {
    Download {
        bytes: 30_500_000,
        total: Some(72_000_000),
        rate: Some(2_400_000),
        at: MS(at),
    }
}

#[test]
fn a_first_boot_that_waits_is_drawn_from_power_on() {
    let steps = [
        ("identity", 8_000, 8_012, None),
        ("network", 8_012, 16_000, None),
        // The bar is a little too narrow for the word.
        ("clock", 16_000, 22_300, Some("no time server has answered")),
        ("prepare", 22_300, 22_900, None),
    ];
    let mut status = boot(1, &steps);
    status.start("register", MS(22_900));
    let why = "cannot connect to 10.0.0.2 port 6443: connection refused; is k3s running on the server, \
               and does a firewall between the board and the server let TCP connections to this port pass?";
    status.problem("register", why);
    assert_drawn("waiting.svg", &drawn(&status, 75_000));
}

#[test]
fn a_download_is_drawn_with_its_progress() {
    let mut status = boot(1, &[("identity", 3_000, 4_000, None)]);
    status.k3s_version("v1.34.1+k3s1");
    status.start("fetch", MS(4_000));
    status.download("fetch", download(9_000));
    assert_drawn("downloading.svg", &drawn(&status, 9_500));
}

#[test]
fn a_later_boot_attempt_is_drawn_from_its_own_begin() {
    let error = "the server refuses the node password";
    let mut status = boot(2, &[("identity", 3_900_000, 3_901_000, None)]);
    status.k3s_version("v1.34.1+k3s1");
    status.start("fetch", MS(3_901_000));
    status.download("fetch", download(3_999_000));
    status.end("fetch", MS(4_000_000), None);
    status.start("join", MS(4_000_000));
    status.end("join", MS(4_100_000), Some(error));
    status.failed(&format!("join: {error}"), Some(MS(4_400_000)));
    assert_drawn("failed.svg", &drawn(&status, 4_150_000));
}

#[test]
fn a_boot_that_has_not_begun_has_no_bar() {
    let svg = drawn(&boot(1, &[]), 5_000);
    assert!(!svg.contains(">before muster<"), "{svg}");
    assert_eq!(svg.matches(">pending<").count(), STEPS.len(), "{svg}");
}

/// Boards in each condition: with bars of several widths, with a name that is too long, and known
/// by their MAC address or address alone.
#[test]
fn a_rack_is_drawn_with_a_row_for_each_board() {
    let listed = [Mac::parse("dc:a6:32:01:02:03").unwrap()];
    let mut rack = Rack::new(&listed, &Naming::new("rack-7-worker-", 40).unwrap());
    let power_on = Instant::now();
    for (board, second, step, params, text) in [
        ("worker-1", 9, "identity", "state=\"done\"", ""),
        ("worker-1", 9, "network", "state=\"running\"", ""),
        ("worker-1", 20, "network", "state=\"done\"", ""),
        ("worker-1", 20, "fetch", "state=\"running\"", ""),
        (
            "worker-1",
            60,
            "fetch",
            "bytes=\"30000000\" total=\"80000000\"",
            "",
        ),
        // Its report that the step clock is done was lost.
        ("worker-2", 12, "clock", "state=\"running\"", ""),
        ("worker-2", 40, "prepare", "state=\"running\"", ""),
        ("worker-2", 50, "prepare", "state=\"done\"", ""),
        ("worker-3", 10, "network", "state=\"running\"", ""),
        ("worker-3", 14, "network", "state=\"waiting\"", "no carrier"),
        (
            "worker-4",
            11,
            "register",
            "state=\"failed\"",
            "the server refuses the token",
        ),
        ("worker-5", 10, "fetch", "state=\"running\"", ""),
        ("worker-5", 30, "join", "state=\"joined\"", ""),
        ("-", 12, "identity", "state=\"running\"", ""),
    ] {
        let number = board.strip_prefix("worker-").unwrap_or("9");
        let severity = if text.is_empty() { 30 } else { 28 };
        let line = format!(
            "<{severity}>1 - {board} muster 1 {step} [muster@32473 mac=\"52:54:00:00:00:0{number}\" \
             uptime=\"{second}.0\" attempt=\"1\" {params}] {text}"
        );
        let report = datagram::parse(line.as_bytes()).unwrap();
        let from = [192, 0, 2, 7].into();
        rack.hear(report, from, power_on + Duration::from_secs(second));
    }
    // The time since power-on, or all structured data, may have been lost on the way.
    for line in [
        "<30>1 - worker-6 muster 1 join [muster@32473 state=\"joined\"] ready",
        "<30>Aug 12 10:00:00 muster: INFO: network: started",
    ] {
        let report = datagram::parse(line.as_bytes()).unwrap();
        rack.hear(report, [192, 0, 2, 8].into(), power_on + MS(70_000));
    }
    let now = power_on + MS(70_000);
    assert_drawn("rack.svg", &rack_picture::draw(&rack.rows(now), now));
}
