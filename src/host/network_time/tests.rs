use super::*;
use crate::host::Mode;

const EARLIEST: Duration = Duration::from_secs(1_700_000_000);

fn second(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn the_operators_servers_come_first_then_those_of_dhcp_then_the_default() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Plan);
    let mut servers = TimeServers {
        named: vec!["a".into(), "b".into()],
        last: vec!["pool".into()],
    };
    assert_eq!(servers.places(&host).concat(), ["a", "b", "pool"]);
    let file = root.path().join("run/muster/ntp");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, "10.0.0.1 a 10.0.0.2\n").unwrap();
    let all = ["a", "b", "10.0.0.1", "10.0.0.2", "pool"];
    assert_eq!(servers.places(&host).concat(), all);
    servers.named.clear();
    let all = ["10.0.0.1", "a", "10.0.0.2", "pool"];
    assert_eq!(servers.places(&host).concat(), all);
}

#[test]
fn only_an_answered_time_is_held_against_the_clock() {
    let answer = EARLIEST + second(1000);
    let held = expected(Some((second(20), answer)), EARLIEST, second(50));
    assert_eq!(held, answer + second(30));
    // Without an answer the clock may have any time that is not before the image.
    assert_eq!(expected(None, EARLIEST, second(50)), EARLIEST);
}

#[test]
fn wrong_dates_cause_one_question_in_five_minutes() {
    let answered = Some((second(20), EARLIEST));
    assert!(is_recent(answered, second(319)));
    assert!(!is_recent(answered, second(320)));
    assert!(!is_recent(None, second(20)));
}

#[test]
fn the_clock_is_set_when_it_is_wrong_by_half_a_second() {
    for (now, time, expected) in [
        (1000, 1000, None),
        (1000, 1499, None),
        (1499, 1000, None),
        (1000, 1500, Some("forward by 0.5 s")),
        (61_500, 1000, Some("back by 60.5 s")),
    ] {
        let [now_, time_] = [now, time].map(Duration::from_millis);
        assert_eq!(correction(now_, time_).as_deref(), expected, "{now} {time}");
    }
}

/// No datagram can be sent to the broadcast address, nor to a link-local one without its link, so
/// both are refused at once.
#[test]
fn without_an_acceptable_answer_each_server_and_its_reason_are_named() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let servers = TimeServers {
        named: vec!["255.255.255.255".into()],
        last: vec!["fe80::1".into()],
    };
    let error = host.ask_places(&servers, EARLIEST).unwrap_err().to_string();
    let begin = "no network time: none of these time servers gave an acceptable time: \
                 255.255.255.255 fe80::1 (255.255.255.255: ";
    assert!(error.starts_with(begin), "{error}");
    assert!(error.contains("; fe80::1: "), "{error}");
}
