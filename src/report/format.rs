//! Defines the format of the datagrams that a board sends to a log server: syslog messages (RFC
//! 5424) over UDP (RFC 5426). `docs/log-format.md` describes the format for people who write a
//! receiver.
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
/// The id of the structured data. muster has no enterprise number of its own, so it uses 32473,
/// which IANA reserves for documentation (RFC 5612).
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
    /// The start of a step, the progress of a download, and a wait because of a problem that was
    /// logged less than 30 s ago. muster sends messages of this severity to the log server, and
    /// does not log them on the console.
    pub const DEBUG: u8 = 7;
}

/// How the text of the message with the state [`State::Joined`] ends. A receiver recognizes the
/// message by this text when a log server on the way has removed the structured data.
pub const JOINED_END: &str = "agent in this process";

/// The names of the parameters in the structured data. A parameter whose value is not known is not
/// sent.
pub mod param {
    /// The MAC address of the interface that names the node, such as `dc:a6:32:01:02:03`.
    pub const MAC: &str = "mac";
    /// The IP address of the interface that names the node.
    pub const IP: &str = "ip";
    /// The time since power-on (seconds, with three decimal places).
    pub const UPTIME: &str = "uptime";
    /// The state of the step, or of the boot when the MSGID is [`BOOT`](super::BOOT):
    /// the name of a [`State`](super::State).
    pub const STATE: &str = "state";
    /// How long the step took (seconds, with three decimal places).
    pub const SECONDS: &str = "seconds";
    /// How many bytes have been downloaded of the file under way: k3s, or its image archive.
    pub const BYTES: &str = "bytes";
    /// The size of that file (bytes).
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
mod tests;
