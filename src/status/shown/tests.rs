use super::*;
use crate::status::{Download, Status};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn shown(status: &Status, now: Duration) -> String {
    table(&current(&status.to_json(), now, |_| true).unwrap()).unwrap()
}

#[test]
fn the_boot_is_shown_with_bars_to_scale() {
    let mut status = Status::default();
    status.begin(["identity", "network", "clock", "fetch", "join"].into_iter());
    status.hostname("worker-b5b697");
    status.start("identity", MS(8_000));
    status.end("identity", MS(8_012), None);
    status.start("network", MS(8_012));
    status.problem("network", "no address on eth0 yet");
    status.end("network", MS(16_000), None);
    status.start("clock", MS(16_000));
    status.end("clock", MS(20_000), Some("no network time"));
    status.start("fetch", MS(20_000));
    status.k3s_version("v1.34.1+k3s1");
    let download = Download {
        bytes: 30_500_000,
        total: Some(72_000_000),
        rate: Some(2_400_000),
        at: MS(39_000),
    };
    status.download("fetch", download);
    let expected = "\
hostname  worker-b5b697
k3s       v1.34.1+k3s1
boot      attempt 1

identity  done          0.0 s  |#                               |
network   done          8.0 s  |########                        |
clock     failed        4.0 s  |        xxxx                    |
          no network time
fetch     running      20.0 s  |            ====================|
          30 of 72 MB (42 %), 2.4 MB/s, 18 s left
join      pending

to do     nothing: the boot is under way
";
    assert_eq!(shown(&status, MS(40_000)), expected);
    let stalled = shown(&status, MS(51_000));
    assert!(
        stalled.contains("30 of 72 MB (42 %), no data for 12 s\n"),
        "{stalled}"
    );
    status.problem("fetch", "the mirror is down");
    let waiting = shown(&status, MS(40_000));
    assert!(
        waiting.contains("|            ....................|\n          the mirror is down\n"),
        "{waiting}"
    );
    assert!(
        waiting.contains("solve the problem shown for the step fetch"),
        "{waiting}"
    );
}

#[test]
fn boot_and_restarts_are_told_apart() {
    let mut status = Status::default();
    status.begin(["join"].into_iter());
    status.start("join", MS(1));
    status.end("join", MS(2), None);
    status.join(MS(41_200));
    status.restart(MS(600_000));
    status.restart(MS(900_000));
    let text = shown(&status, MS(1_800_000));
    let history = "boot      attempt 1, which started k3s 41.2 s after power-on\n\
        restarts  k3s was restarted 2 times in this boot, the last time 15 min ago\n";
    assert!(text.contains(history), "{text}");
    status.begin(["join"].into_iter());
    let text = shown(&status, MS(1_800_000));
    assert!(
        text.contains("boot      attempt 2\nrestarts  k3s was restarted 2"),
        "{text}"
    );
}

#[test]
fn a_step_whose_process_was_killed_is_not_running() {
    let mut status = Status::default();
    status.begin(["identity", "fetch"].into_iter());
    status.start("fetch", Duration::ZERO);
    let text = status.to_json();
    assert!(current(&text, MS(7), |_| true).unwrap().contains("running"));
    let killed = current(&text, MS(7), |_| false).unwrap();
    assert!(killed.contains("killed") && !killed.contains("running"));
}

#[test]
fn a_step_that_has_just_begun_has_a_bar_at_the_end() {
    let mut status = Status::default();
    status.begin(["identity", "fetch"].into_iter());
    status.start("identity", MS(8_000));
    status.end("identity", MS(16_000), None);
    status.start("fetch", MS(16_000));
    let text = shown(&status, MS(16_000));
    let bar = format!("fetch     running       0.0 s  |{}=|\n", " ".repeat(31));
    assert!(text.contains(&bar), "{text}");
}

#[test]
fn the_progress_of_a_download_is_shown_while_its_step_runs() {
    let mut status = Status::default();
    status.begin(["fetch"].into_iter());
    status.start("fetch", MS(0));
    assert!(!shown(&status, MS(0)).contains("MB"));
    let download = Download {
        bytes: 30_500_000,
        total: Some(72_000_000),
        rate: Some(0),
        at: MS(1_000),
    };
    status.download("fetch", download);
    // At this rate it would never end.
    let text = shown(&status, MS(1_000));
    assert!(text.contains("30 of 72 MB (42 %)\n"), "{text}");
    status.end("fetch", MS(2_000), None);
    assert!(!shown(&status, MS(2_000)).contains("MB"));
}
