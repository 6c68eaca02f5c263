//! Shows the state of a boot to people who are not logged in to the board. The board sends its log
//! to a log server: [`format`] defines the datagrams, [`line`] makes them, [`crate::host::outbox`]
//! sends them, and `muster watch` reads them. The board also makes a LED blink ([`led`]).

pub mod format;
pub mod led;
pub mod line;

use format::PORT;
use std::net::IpAddr;

/// Where the log is sent, as `MUSTER_SYSLOG` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogServer {
    /// The log is sent to no server.
    No,
    /// The log is sent to the server that DHCP names (option 7).
    Dhcp,
    /// The log is sent to this server.
    Named {
        /// A host name, or an IP address without brackets.
        host: String,
        port: u16,
    },
}

impl LogServer {
    /// Parses the value of `MUSTER_SYSLOG`; `None` when it is wrong. An IPv6 address with a port is
    /// in brackets, as in a URL.
    pub fn parse(text: &str) -> Option<LogServer> {
        if text.is_empty() {
            return Some(LogServer::Dhcp);
        }
        if text == "no" {
            return Some(LogServer::No);
        }
        let named = |host: &str, port| LogServer::Named {
            host: host.into(),
            port,
        };
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse::<IpAddr>() {
            return Some(named(&address.to_string(), PORT));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)?),
            None => (text, PORT),
        };
        if let Some(v6) = host.strip_prefix('[') {
            let address: IpAddr = v6.strip_suffix(']')?.parse().ok()?;
            return Some(named(&address.to_string(), port));
        }
        let is_name = !host.is_empty()
            && !host.starts_with('-')
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
        is_name.then(|| named(host, port))
    }

    /// The log server as a dry run shows it; `None` when the log is sent to no server.
    pub fn shown(&self) -> Option<String> {
        match self {
            LogServer::No => None,
            LogServer::Dhcp => Some("the log server that the DHCP server names, if any".into()),
            LogServer::Named { host, port } if host.contains(':') => {
                Some(format!("[{host}]:{port}"))
            }
            LogServer::Named { host, port } => Some(format!("{host}:{port}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_server_has_a_host_and_perhaps_a_port() {
        for (text, host, port) in [
            ("logs.lan", "logs.lan", 514),
            ("logs.lan:5140", "logs.lan", 5140),
            ("10.0.0.5", "10.0.0.5", 514),
            ("10.0.0.5:99", "10.0.0.5", 99),
            ("fd00::5", "fd00::5", 514),
            ("[fd00::5]", "fd00::5", 514),
            ("[fd00::5]:99", "fd00::5", 99),
        ] {
            let host = host.into();
            let expected = Some(LogServer::Named { host, port });
            assert_eq!(LogServer::parse(text), expected, "{text}");
        }
        assert_eq!(LogServer::parse("no"), Some(LogServer::No));
        assert_eq!(LogServer::parse(""), Some(LogServer::Dhcp));
        for (text, shown) in [
            ("logs.lan", "logs.lan:514"),
            ("10.0.0.5:99", "10.0.0.5:99"),
            ("fd00::5", "[fd00::5]:514"),
        ] {
            let server = LogServer::parse(text).unwrap();
            assert_eq!(server.shown().as_deref(), Some(shown));
        }
        for text in [
            "a b",
            "udp://logs",
            "logs:x",
            "logs:0",
            ":514",
            "[logs]:1",
            "logs:99999",
            "10.0.0.5:0",
            "[fd00::5]:0",
        ] {
            assert_eq!(LogServer::parse(text), None, "{text}");
        }
    }
}
