use super::*;
use crate::report::format::Message;

/// A datagram of a board.
const SENT: &str = "<28>1 2026-08-12T10:00:00.123Z worker-43dfae muster 123 network \
    [muster@32473 mac=\"dc:a6:32:01:02:03\" ip=\"192.0.2.7\" uptime=\"12.345\" \
    state=\"waiting\" attempt=\"2\"] no carrier on eth0";

fn read(line: &str) -> Report {
    parse(line.as_bytes()).unwrap_or_else(|| panic!("{line}"))
}

/// What is left of [`SENT`] where a log server dropped the structured data.
fn without_data() -> Report {
    Report {
        name: Hostname::parse("worker-43dfae"),
        severity: severity::WARNING,
        text: "no carrier on eth0".into(),
        ..Report::default()
    }
}

#[test]
fn a_line_of_a_board_is_read_with_all_that_it_says() {
    let expected = Report {
        mac: Mac::parse("dc:a6:32:01:02:03").ok(),
        address: "192.0.2.7".parse().ok(),
        uptime: Some(Duration::from_millis(12_345)),
        step: Some(Step::Network),
        state: Some(State::Waiting),
        attempt: Some(2),
        ..without_data()
    };
    assert_eq!(read(SENT), expected);
    // rsyslog with RSYSLOG_SyslogProtocol23Format, and BusyBox, add a newline.
    assert_eq!(read(&format!("{SENT}\n")), expected);
    let other_data = SENT.replace(" [muster", " [x@1 mac=\"no\" y=\"\\\"] \"][z][muster");
    assert_eq!(read(&other_data), expected);
}

#[test]
fn what_the_sender_writes_is_read() {
    let params = [
        (param::MAC, "dc:a6:32:01:02:03".into()),
        (param::UPTIME, "71.004".into()),
        (param::STATE, State::Running.name().into()),
        (param::BYTES, "1048576".into()),
        (param::TOTAL, "81000000".into()),
        (param::VERSION, "v1.34.1+k3s1".into()),
    ];
    let message = Message {
        severity: severity::DEBUG,
        time: None,
        hostname: "worker-43dfae",
        pid: 412,
        step: Step::Fetch.name(),
        params: &params,
        text: "é]\"\\",
    };
    let report = read(&message.datagram());
    assert_eq!(report.uptime, Some(Duration::from_millis(71_004)));
    assert_eq!(
        (report.bytes, report.total),
        (Some(1 << 20), Some(81_000_000))
    );
    assert_eq!(report.version, Tag::parse("v1.34.1+k3s1"));
    assert_eq!(
        (report.step, report.state),
        (Some(Step::Fetch), Some(State::Running))
    );
    assert_eq!((report.severity, &*report.text), (7, "é]\"\\"));
}

/// The lines were sent by BusyBox 1.35 (`syslogd -R`) and rsyslog 8.2302 (`omfwd` with each of
/// its formats), which had received [`SENT`] or a line of `logger -t muster`.
#[test]
fn forwarded_lines_are_read() {
    let expected = without_data();
    for line in [
        "<28>Aug 12 10:00:00 worker-43dfae muster[123] no carrier on eth0",
        "<28>2026-08-12T10:00:00.123Z worker-43dfae muster[123] no carrier on eth0",
        "<28>Aug  2 10:00:00 worker-43dfae.lan muster no carrier on eth0",
    ] {
        assert_eq!(read(line), expected, "{line}");
    }
    let expected = Report {
        name: None,
        step: Some(Step::Network),
        ..without_data()
    };
    for line in [
        "<13>Nov 25 03:50:01 muster: WARN: network: no carrier on eth0\n",
        "<28>muster: muster: WARN: network: no carrier on eth0",
        "<28>1 2026-11-25T03:50:40.27+00:00 - muster - - -  WARN: network: no carrier on eth0\n",
    ] {
        assert_eq!(read(line), expected, "{line}");
    }
    let line = "<27>Nov 25 03:50:18 192.0.2.7 muster: ERROR: no token";
    let report = read(line);
    assert_eq!(report.address, "192.0.2.7".parse().ok());
    assert_eq!((report.severity, &*report.text), (3, "no token"));
    let line = "<30>Nov 25 03:50:18 worker-7 muster[1] x; starting k3s agent in this process";
    assert_eq!(read(line).state, Some(State::Joined));
}

#[test]
fn other_datagrams_are_ignored() {
    for line in [
        "",
        "<",
        "<28>",
        "<999>1 - a muster - - - x",
        "<28>1 - a sshd - - - x",
        "<28>1 - a muster - network",
        "<28>1 - a muster - network [muster@32473 mac=\"",
        "<28>1 - a muster - network [muster@32473 mac=\"a\\",
        "<28>1 - a muster - network x",
        "<28>Nov 25 03:50:01 worker sshd[1]: muster: x",
    ] {
        assert_eq!(parse(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn what_could_change_a_terminal_is_replaced() {
    let line = SENT.replace("no carrier", "\u{1b}[2J\u{9b}5A\r\n\u{202e}\u{200b}漢é…");
    assert_eq!(read(&line).text, "?[2J?5A  ???é… on eth0");
    let line = format!("{SENT}{}", "x".repeat(2000));
    assert_eq!(read(&line).text.len(), TEXT_MAX);
}

#[test]
fn a_time_that_no_board_can_have_is_unknown() {
    let far = SENT.replace("12.345", "18446744073709551615.999");
    assert_eq!(read(&far).uptime, None);
}
