use super::*;
use crate::board::hostname::Naming;
use crate::board::mac::Mac;
use crate::watch::{datagram::parse, rack::Rack};
use std::time::Duration;

/// A rack with a board in each of four conditions, and the time.
fn rack() -> (Rack, Instant) {
    let listed = [Mac::parse("52:54:00:00:00:09").unwrap()];
    let mut rack = Rack::new(&listed, &Naming::new("worker-", 6).unwrap());
    let now = Instant::now();
    for (second, board, uptime, step, params, text) in [
        (
            0,
            1,
            "20.5",
            "register",
            "state=\"failed\" attempt=\"3\"",
            REFUSED,
        ),
        (
            0,
            2,
            "20.5",
            "fetch",
            "bytes=\"10000000\" version=\"v1.34.1+k3s1\"",
            "",
        ),
        (
            2,
            2,
            "22.5",
            "fetch",
            "bytes=\"30000000\" total=\"80000000\"",
            "",
        ),
        (
            2,
            3,
            "41.9",
            "join",
            "state=\"joined\" version=\"v1.34.1+k3s1\"",
            "",
        ),
    ] {
        let severity = if text.is_empty() { 30 } else { 27 };
        let line = format!(
            "<{severity}>1 - worker-{board} muster 1 {step} [muster@32473 \
             mac=\"52:54:00:00:00:0{board}\" ip=\"192.0.2.{board}\" uptime=\"{uptime}\" \
             {params}] {text}"
        );
        let report = parse(line.as_bytes()).unwrap();
        let from = [192, 0, 2, 200].into();
        rack.hear(report, from, now + Duration::from_secs(second));
    }
    (rack, now + Duration::from_secs(3))
}

const REFUSED: &str = "the server refuses this node: delete the secret \
    worker-1.node-password.k3s in the namespace kube-system, and start this board again";

fn drawn(columns: usize, rows: usize) -> Vec<String> {
    let (rack, now) = rack();
    draw("title", &rack.rows(now), now, Size { columns, rows })
}

#[test]
fn the_rack_is_a_table_with_the_stuck_boards_first() {
    #[rustfmt::skip]
    let expected = [
        "title",
        "4 boards: 1 stuck, 1 not heard yet, 1 booting, 1 joined",
        "  NAME           MAC ADDRESS        ADDRESS    K3S           STEP      STATE                                     POWER-ON  LAST TROUBLE",
        "! worker-1       52:54:00:00:00:01  192.0.2.1  -             register  failed, attempt 3                         0:23",
        "    the server refuses this node: delete the secret worker-1.node-password.k3s in the namespace kube-system, and start this board again",
        "  worker-ebf74e  52:54:00:00:00:09  -          -             -         not heard yet                             -",
        "  worker-2       52:54:00:00:00:02  192.0.2.2  v1.34.1+k3s1  fetch     [###-------]  37 %  10.0 MB/s  0:05 left  0:23",
        "  worker-3       52:54:00:00:00:03  192.0.2.3  v1.34.1+k3s1  join      joined                                    0:41",
    ];
    // The last board fits into the last line of the window.
    let lines = drawn(145, 8);
    assert_eq!(lines.join("\n"), expected.join("\n"));
}

#[test]
fn a_wide_window_has_the_trouble_in_the_line_of_its_board() {
    let lines = drawn(300, 20);
    assert!(lines[3].ends_with(REFUSED), "{}", lines[3]);
    assert_eq!(lines.len(), 7);
}

#[test]
fn no_line_leaves_the_window_however_small_it_is() {
    for columns in [0, 1, 2, 5, 20, 40, 79, 80, 100, 132] {
        for rows in [0, 1, 2, 3, 4, 5, 7, 24] {
            let lines = drawn(columns, rows);
            assert!(lines.len() <= rows, "{columns} by {rows}: {lines:?}");
            let fits = |line: &String| line.chars().count() <= columns;
            assert!(lines.iter().all(fits), "{columns} by {rows}: {lines:?}");
        }
    }
    let lines = drawn(80, 7);
    assert!(lines[3].starts_with("! worker-1       register  failed"));
    assert_eq!(
        lines[6],
        "  3 more boards: make the window larger to see them"
    );
}

#[test]
fn a_frame_clears_what_was_on_the_screen() {
    let frame = frame(&["one".into(), "two".into()]);
    assert_eq!(frame, "\u{1b}[Hone\u{1b}[K\ntwo\u{1b}[K\n\u{1b}[J");
}

#[test]
fn a_column_is_left_out_when_the_last_trouble_would_have_less_than_20_characters() {
    let header = |columns| drawn(columns, 20).remove(2);
    let widest = header(300);
    let all = widest.find("LAST TROUBLE").unwrap() + TROUBLE_LEAST;
    let without_version = all - "v1.34.1+k3s1".len() - GAP;
    let without_address = without_version - "192.0.2.1".len() - GAP;
    for (columns, title, is_there) in [
        (all, "K3S", true),
        (all - 1, "K3S", false),
        (without_version, " ADDRESS  ", true),
        (without_version - 1, "  ADDRESS  ", false),
        (without_address, "MAC ADDRESS", true),
        (without_address - 1, "MAC ADDRESS", false),
    ] {
        let header = header(columns);
        assert_eq!(header.contains(title), is_there, "{columns}: {header}");
    }
}
