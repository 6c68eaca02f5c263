use super::*;
use crate::watch::datagram::parse;

fn board(params: &str, text: &str) -> (Board, Instant) {
    let line = format!(
        "<30>1 - worker-43dfae muster 1 fetch [muster@32473 mac=\"dc:a6:32:01:02:03\" \
         ip=\"192.0.2.7\" uptime=\"41.9\" {params}] {text}"
    );
    let (mut board, now) = (Board::default(), Instant::now());
    board.hear(parse(line.as_bytes()).unwrap(), now);
    (board, now)
}

#[test]
fn a_line_does_not_change_while_time_passes() {
    let start = "worker-43dfae  dc:a6:32:01:02:03  192.0.2.7  ";
    let (board, now) = board("state=\"running\" bytes=\"27\" total=\"100\"", "");
    for seconds in [0, 30, 60] {
        let now = now + Duration::from_secs(seconds);
        let expected = format!("{start}fetch: downloading, 25 %");
        assert_eq!(line(&board, now), expected);
    }
    for seconds in [61, 500] {
        let now = now + Duration::from_secs(seconds);
        let expected = format!("{start}fetch: no message for more than 60 s");
        assert_eq!(line(&board, now), expected);
    }
    // It says that it waits, so it is not silent.
    let (mut board, start_of_wait) = self::board("state=\"waiting\"", "");
    for (seconds, state) in [(30, "waiting"), (61, "waiting for more than 60 s")] {
        let line_of_board = "<30>1 - worker-43dfae muster 1 fetch [muster@32473] again";
        let now = start_of_wait + Duration::from_secs(seconds);
        board.hear(parse(line_of_board.as_bytes()).unwrap(), now);
        assert_eq!(line(&board, now), format!("{start}fetch: {state}"));
    }
    let (board, now) = self::board("state=\"joined\"", "");
    assert_eq!(
        line(&board, now),
        format!("{start}joined, 0:41 after power-on")
    );
}

#[test]
fn json_has_the_documented_fields() {
    let (board, now) = board("state=\"running\" bytes=\"27\" total=\"100\"", "");
    let object = to_json(&board, now);
    let object = with_times(object, &board, Duration::from_millis(1500), now);
    let expected = json!({
        "format": 1,
        "time": 1.5,
        "mac": "dc:a6:32:01:02:03",
        "name": "worker-43dfae",
        "address": "192.0.2.7",
        "version": null,
        "step": "fetch",
        "state": "running",
        "condition": "booting",
        "stuck": false,
        "attempt": null,
        "bytes": 27,
        "total": 100,
        "rate": null,
        "seconds_left": null,
        "since_power_on": 41.9,
        "trouble": null,
    });
    assert_eq!(object, expected);
    let documented = include_str!("../../../docs/rack.md");
    let (_, section) = documented.split_once("`muster watch --json`").unwrap();
    let fields = object.as_object().unwrap();
    for field in fields.keys() {
        assert!(section.contains(&format!("| `{field}` |")), "{field}");
    }
    let conditions = [
        Condition::Failed,
        Condition::Silent,
        Condition::Stuck,
        Condition::Unheard,
        Condition::Waiting,
        Condition::Booting,
        Condition::Joined,
    ];
    for condition in conditions {
        assert!(section.contains(&format!("| `{}` |", condition.name())));
    }
}
