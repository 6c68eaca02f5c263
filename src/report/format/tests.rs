use super::*;

fn message<'a>(params: &'a [(&'static str, String)], text: &'a str) -> Message<'a> {
    Message {
        severity: severity::INFO,
        time: Some(Duration::from_micros(1_785_587_696_123_456)),
        hostname: "worker-43dfae",
        pid: 412,
        step: "fetch",
        params,
        text,
    }
}

#[test]
fn a_message_is_the_line_that_the_documentation_shows() {
    let params = [
        (param::MAC, "dc:a6:32:01:02:03".into()),
        (param::IP, "192.0.2.7".into()),
        (param::UPTIME, "12.345".into()),
        (param::STATE, State::Done.name().into()),
        (param::SECONDS, "1.200".into()),
    ];
    let line = message(&params, "k3s v1.34.1+k3s1 is already installed (1.2 s)").datagram();
    let expected = "<30>1 2026-08-01T12:34:56.123456Z worker-43dfae muster 412 fetch \
        [muster@32473 mac=\"dc:a6:32:01:02:03\" ip=\"192.0.2.7\" uptime=\"12.345\" \
        state=\"done\" seconds=\"1.200\"] k3s v1.34.1+k3s1 is already installed (1.2 s)";
    assert_eq!(line, expected);
    let documented = include_str!("../../../docs/log-format.md");
    assert!(documented.contains(&line), "{line}");
}

#[test]
fn the_documentation_names_each_parameter_and_state() {
    let documented = include_str!("../../../docs/log-format.md");
    let params = [
        param::MAC,
        param::IP,
        param::UPTIME,
        param::STATE,
        param::SECONDS,
        param::BYTES,
        param::TOTAL,
        param::ATTEMPT,
        param::VERSION,
    ];
    for name in params.into_iter().chain(State::ALL.map(State::name)) {
        assert!(documented.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn values_are_escaped_and_control_characters_are_replaced() {
    let params = [(param::VERSION, "a\"b\\c]d".into())];
    let mut message = message(&params, "one\ntwo\u{1b}[2J");
    message.time = None;
    let line = message.datagram();
    let start = "<30>1 - worker-43dfae muster 412 fetch ";
    let rest = "[muster@32473 version=\"a\\\"b\\\\c\\]d\"] one two [2J";
    assert_eq!(line, format!("{start}{rest}"));
}

#[test]
fn a_long_message_is_cut_between_characters() {
    for text in ["é".repeat(2000), format!("x{}", "é".repeat(2000))] {
        let line = message(&[], &text).datagram();
        assert!(
            (LONGEST - 1..=LONGEST).contains(&line.len()),
            "{}",
            line.len()
        );
    }
}

#[test]
fn timestamps_of_leap_years() {
    // From `date -u -d @SECONDS`.
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00.000000Z"),
        (951_782_400, "2000-02-29T00:00:00.000000Z"),
        (1_709_251_199, "2024-02-29T23:59:59.000000Z"),
        (1_735_689_599, "2024-12-31T23:59:59.000000Z"),
        (1_798_761_599, "2026-12-31T23:59:59.000000Z"),
        (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
    ] {
        assert_eq!(timestamp(Duration::from_secs(seconds)), text);
    }
}
