//! The format of the datagrams that a board sends to a log server: syslog messages (RFC 5424) over
//! UDP (RFC 5426). `docs/log-format.md` describes the format for people who write a receiver.
//!
//! The board and the receiver (`muster watch`) both use the names in this file.

use std::fmt::Write;
use std::time::Duration;

/// The APP-NAME of each message.
pub const APP_NAME: &str = "muster";
/// The MSGID of a message that belongs to no step of the boot.
pub const BOOT: &str = "boot";
/// The NILVALUE, which stands for an unknown value.
pub const NIL: &str = "-";
/// The id of the structured data. 32473 is IANA's enterprise number for documentation (RFC 5612),
/// because muster has no number of its own.
pub const SD_ID: &str = "muster@32473";
/// The longest datagram (bytes). A longer message is cut at its end. Every receiver must accept
/// 480 bytes and should accept 2,048 (RFC 5424, 6.1).
pub const LONGEST: usize = 1024;
/// The port of a log server that is named without a port (RFC 5426).
pub const PORT: u16 = 514;
/// The facility of each message: system daemons.
pub const FACILITY: u8 = 3;

/// The severities that muster uses (RFC 5424, 6.2.1).
pub mod severity {
    pub const ERROR: u8 = 3;
    pub const WARNING: u8 = 4;
    pub const INFO: u8 = 6;
    /// The start of a step, and the progress of a download. muster sends these messages to the log
    /// server only, and does not log them on the console.
    pub const DEBUG: u8 = 7;
}

/// How the text of the message with the state [`State::Joined`] ends. A receiver recognizes the
/// message by it when a log server in between has removed the structured data.
pub const JOINED_END: &str = "agent in this process";

/// The names of the parameters in the structured data. A parameter whose value is not known is not
/// sent.
pub mod param {
    /// The MAC address of the interface that names the node, such as `dc:a6:32:01:02:03`.
    pub const MAC: &str = "mac";
    /// The IP address of that interface.
    pub const IP: &str = "ip";
    /// The time since power-on (seconds, with three decimal places).
    pub const UPTIME: &str = "uptime";
    /// The state of the step, or of the boot when the MSGID is [`BOOT`](super::BOOT):
    /// the name of a [`State`](super::State).
    pub const STATE: &str = "state";
    /// How long the step took (seconds, with three decimal places).
    pub const SECONDS: &str = "seconds";
    /// How many bytes of k3s have been downloaded.
    pub const BYTES: &str = "bytes";
    /// The size of k3s (bytes).
    pub const TOTAL: &str = "total";
    /// The number of the boot attempt, counted from 1. muster attempts a boot again after a
    /// failure.
    pub const ATTEMPT: &str = "attempt";
    /// The release of k3s, such as `v1.34.1+k3s1`.
    pub const VERSION: &str = "version";
}

/// The state of a step or of the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The step is running.
    Running,
    /// The step waits for something outside the board. The text of the message says for what.
    Waiting,
    /// The step is done.
    Done,
    /// The step or the boot attempt has failed. The text of the message says why.
    Failed,
    /// The node has joined, and k3s starts now. This is the last message before k3s replaces
    /// muster.
    Joined,
}

impl State {
    const ALL: [State; 5] = [
        State::Running,
        State::Waiting,
        State::Done,
        State::Failed,
        State::Joined,
    ];

    /// The value of the parameter [`param::STATE`].
    pub fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Waiting => "waiting",
            State::Done => "done",
            State::Failed => "failed",
            State::Joined => "joined",
        }
    }

    /// The state with this name.
    pub fn parse(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// One of the constants in [`severity`].
    pub severity: u8,
    /// The time since 1970; `None` while the clock is not set.
    pub time: Option<Duration>,
    /// The board's hostname.
    pub hostname: &'a str,
    /// The id of the muster process.
    pub pid: u32,
    /// The step that the message belongs to, or [`BOOT`].
    pub step: &'a str,
    /// The parameters of the structured data: names from [`param`], and values.
    pub params: &'a [(&'static str, String)],
    /// The text, as muster logs it.
    pub text: &'a str,
}

impl Message<'_> {
    /// The datagram, at most [`LONGEST`] bytes long.
    pub fn datagram(&self) -> String {
        let pri = FACILITY * 8 + self.severity;
        let time = self.time.map_or(NIL.into(), timestamp);
        let (hostname, pid, step) = (self.hostname, self.pid, self.step);
        let mut line = format!("<{pri}>1 {time} {hostname} {APP_NAME} {pid} {step} [{SD_ID}");
        for (name, value) in self.params {
            let _ = write!(line, " {name}=\"");
            for c in value.chars() {
                if matches!(c, '"' | '\\' | ']') {
                    line.push('\\');
                }
                line.push(c);
            }
            line.push('"');
        }
        line.push_str("] ");
        // A control character in the text could end the line at the receiver, or move the cursor of
        // its terminal.
        line.extend(
            self.text
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c }),
        );
        cut(&mut line);
        line
    }
}

/// Cuts the line after [`LONGEST`] bytes, or a little earlier, so that no character is cut in two.
fn cut(line: &mut String) {
    let mut end = line.len().min(LONGEST);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
}

/// Formats a time since 1970 as RFC 3339 defines, in UTC and with microseconds, such as
/// `2026-08-01T12:34:56.123456Z`.
pub fn timestamp(time: Duration) -> String {
    let (mut year, mut days) = (1970, time.as_secs() / 86_400);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        let length = length + u64::from(month == 2 && is_leap(year));
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let second = time.as_secs() % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let day = days + 1;
    let micros = time.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
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
        let documented = include_str!("../../docs/log-format.md");
        assert!(documented.contains(&line), "{line}");
    }

    #[test]
    fn the_documentation_names_each_parameter_and_state() {
        let documented = include_str!("../../docs/log-format.md");
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
            (1_798_761_599, "2026-12-31T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(timestamp(Duration::from_secs(seconds)), text);
        }
    }
}
