//! Makes the datagram of a log line for the log server.

use super::format::{Message, State, param};
use std::net::IpAddr;
use std::time::Duration;

/// One line for the log server.
#[derive(Debug, Default)]
pub struct Line {
    /// One of the constants in [`severity`](super::format::severity).
    pub severity: u8,
    /// The step that the line belongs to, or [`BOOT`](super::format::BOOT).
    pub step: &'static str,
    pub state: Option<State>,
    /// How long the step took.
    pub took: Option<Duration>,
    /// How many bytes have been downloaded of the file under way: k3s, or its image archive.
    pub bytes: Option<u64>,
    /// The size of that file in bytes, if it is known.
    pub total: Option<u64>,
    pub text: String,
}

/// A line, and what was known when it was logged.
pub struct Logged {
    pub line: Line,
    /// The time since 1970; `None` when the clock was not set yet.
    pub time: Option<Duration>,
    /// The time since boot.
    pub uptime: Duration,
    /// The number of the boot attempt, 0 before the first.
    pub attempt: u64,
    /// The release of k3s.
    pub version: Option<String>,
}

impl Logged {
    /// The datagram. `board` is the hostname and the MAC address, and `address` the IP address.
    pub fn datagram(&self, board: &(String, String), address: Option<IpAddr>) -> String {
        let (hostname, mac) = board;
        let seconds = |time: Duration| format!("{:.3}", time.as_secs_f64());
        let number = |number: u64| number.to_string();
        let line = &self.line;
        let params = [
            (param::MAC, Some(mac.clone())),
            (param::IP, address.map(|address| address.to_string())),
            (param::UPTIME, Some(seconds(self.uptime))),
            (param::STATE, line.state.map(|state| state.name().into())),
            (param::SECONDS, line.took.map(seconds)),
            (param::BYTES, line.bytes.map(number)),
            (param::TOTAL, line.total.map(number)),
            (
                param::ATTEMPT,
                Some(self.attempt).filter(|n| *n > 0).map(number),
            ),
            (param::VERSION, self.version.clone()),
        ];
        let params: Vec<_> = params
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let message = Message {
            severity: line.severity,
            time: self.time,
            hostname,
            pid: std::process::id(),
            step: line.step,
            params: &params,
            text: &line.text,
        };
        message.datagram()
    }
}
