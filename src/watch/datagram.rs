//! Parses the datagrams that `muster watch` receives. A board sends them in the format of RFC 5424,
//! with the names of [`report::format`](crate::report::format). A log server forwards what boards
//! sent to it, in the same format or in the older one of RFC 3164.
//!
//! Anyone in the network can send a datagram, so a field whose value is not valid is left out.
//! The text is cut, and characters that could control a terminal are replaced.

use super::syntax::{is_tag, seconds, structured_data, without_time};
use crate::board::hostname::Hostname;
use crate::board::mac::Mac;
use crate::boot::Step;
use crate::k3s::release::Tag;
use crate::report::format::{APP_NAME, JOINED_END, NIL, State, param, severity};
use crate::text::printable;
use std::net::IpAddr;
use std::time::Duration;

/// The most characters that are kept of a text.
pub const TEXT_MAX: usize = 300;
/// The longest time since power-on that is accepted (100 years), so that no sum of times overflows.
const UPTIME_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The contents of one datagram of a board. A field is `None` if the datagram has no valid value
/// for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub mac: Option<Mac>,
    pub name: Option<Hostname>,
    pub address: Option<IpAddr>,
    /// The time since power-on.
    pub uptime: Option<Duration>,
    /// The severity of RFC 5424: 0 to 7, and the smaller it is, the worse.
    pub severity: u8,
    /// The step that the text is about; `None` when it is about the whole boot.
    pub step: Option<Step>,
    pub state: Option<State>,
    /// How many bytes have been downloaded of the file under way: k3s, or its image archive.
    pub bytes: Option<u64>,
    /// The size of that file (bytes).
    pub total: Option<u64>,
    /// The number of the boot attempt, counted from 1.
    pub attempt: Option<u32>,
    pub version: Option<Tag>,
    /// At most [`TEXT_MAX`] characters, each of them printable and one column wide.
    pub text: String,
}

/// Parses a datagram; `None` when it is not a valid syslog message of muster.
pub fn parse(datagram: &[u8]) -> Option<Report> {
    let line = String::from_utf8_lossy(datagram);
    let (priority, rest) = line.strip_prefix('<')?.split_once('>')?;
    let priority: u8 = priority.parse().ok()?;
    match rest.strip_prefix("1 ") {
        Some(rest) => of_board(priority % 8, rest),
        None => forwarded(priority % 8, rest),
    }
}

/// Parses the part of a board's syslog message (RFC 5424) that follows `<PRI>1 `.
fn of_board(severity: u8, rest: &str) -> Option<Report> {
    let mut fields = rest.splitn(6, ' ');
    let mut next = || fields.next();
    let (_time, hostname, program, _pid, step, rest) =
        (next()?, next()?, next()?, next()?, next()?, next()?);
    if program != APP_NAME {
        return None;
    }
    let mut report = Report {
        severity,
        step: Step::parse(step),
        ..Report::default()
    };
    report.set_sender(hostname);
    let text = structured_data(rest, |name, value| report.set(name, value))?;
    let text = text.strip_prefix(' ').unwrap_or(text);
    // RFC 5424 allows a byte order mark before the text. A log server may have converted a line of
    // RFC 3164 to this format. Then the text begins like muster's lines on the console, and
    // `set_text` parses this beginning.
    report.set_text(text.strip_prefix('\u{feff}').unwrap_or(text));
    Some(report)
}

/// Parses what follows `<PRI>` in a line of RFC 3164: the time, the host, the program and the text.
/// A log server may leave out the time and the host.
///
/// BusyBox's `syslogd -R` sends `Jan 18 00:11:22 muster: TEXT`. rsyslog sends
/// `Jan 18 00:11:22 worker-43dfae muster[412] TEXT`, or the same with a time as in RFC 3339.
fn forwarded(severity: u8, rest: &str) -> Option<Report> {
    let rest = without_time(rest);
    let (first, after) = rest.split_once(' ')?;
    let (hostname, text) = match is_tag(first) {
        true => (NIL, after),
        false => match after.split_once(' ')? {
            (tag, text) if is_tag(tag) => (first, text),
            _ => return None,
        },
    };
    let mut report = Report {
        severity,
        ..Report::default()
    };
    report.set_sender(hostname);
    report.set_text(text);
    Some(report)
}

impl Report {
    /// Sets who sent the line, from the HOSTNAME field. This field has a hostname, perhaps with a
    /// domain. If the log server could not find the hostname, the field has an IP address.
    fn set_sender(&mut self, hostname: &str) {
        match hostname.parse() {
            Ok(address) => self.address = Some(address),
            Err(_) => {
                let label = hostname.split('.').next().unwrap_or_default();
                self.name = Some(label)
                    .filter(|label| *label != NIL)
                    .and_then(Hostname::parse);
            }
        }
    }

    /// Stores a parameter of the datagram's structured data in the field of the report that belongs
    /// to it. An unknown parameter is ignored.
    fn set(&mut self, name: &str, value: &str) {
        match name {
            param::MAC => self.mac = Mac::parse(value).ok(),
            param::IP => self.address = value.parse().ok(),
            param::UPTIME => self.uptime = seconds(value).filter(|time| *time <= UPTIME_MAX),
            param::STATE => self.state = State::parse(value),
            param::BYTES => self.bytes = value.parse().ok(),
            param::TOTAL => self.total = value.parse().ok(),
            param::ATTEMPT => self.attempt = value.parse().ok(),
            param::VERSION => self.version = Tag::parse(value),
            _ => {}
        }
    }

    /// Sets the text. A line without a MAC address has lost its structured data, and its text
    /// begins like muster's lines on the console, such as `muster: WARN: network: no carrier`. In
    /// such a line the severity and the step are taken from this beginning, and [`JOINED_END`] at
    /// the end of the text means that the board has joined.
    fn set_text(&mut self, text: &str) {
        let mut text = text.trim();
        if self.mac.is_none() {
            while let Some(rest) = text.strip_prefix("muster: ") {
                text = rest;
            }
            for (word, severity) in [("ERROR: ", severity::ERROR), ("WARN: ", severity::WARNING)] {
                if let Some(rest) = text.strip_prefix(word) {
                    (text, self.severity) = (rest, severity);
                }
            }
            if let Some((word, rest)) = text.split_once(": ")
                && let Some(step) = Step::parse(word)
            {
                (text, self.step) = (rest, Some(step));
            }
            if text.ends_with(JOINED_END) {
                (self.step, self.state) = (Some(Step::Join), Some(State::Joined));
            }
        }
        self.text = text.chars().take(TEXT_MAX).map(printable).collect();
    }
}

#[cfg(test)]
mod tests;
