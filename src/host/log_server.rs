//! Finds the log server, and begins to send the log to it as soon as the board has an address.
//! [`super::outbox`] sends the lines of the log.

use super::Host;
use super::outbox::Outbox;
use crate::board::node::Node;
use crate::paths;
use crate::report::LogServer;
use crate::report::format::PORT;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

/// The time between the first two attempts to look up the name of the log server. It is short,
/// because the DHCP script sets the address a moment before it sets the DNS servers.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest time between two attempts. The time doubles after each attempt, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The log server that a lookup has found: the name, and the address.
pub type FoundServer = (String, SocketAddr);

impl Host {
    /// The queue of the lines for the log server. The logger adds each line to this queue.
    pub fn outbox(&self) -> Arc<Outbox> {
        self.outbox.clone()
    }

    /// Sets the hostname and the MAC address that each log line carries to the log server. Before
    /// this call no line is sent.
    pub fn send_log_as(&self, node: &Node) {
        let board = (node.name.to_string(), node.mac.to_string());
        self.outbox.lock().board = Some(board);
    }

    /// Sets the release of k3s that this boot starts, for `muster status` and the log server.
    pub fn set_k3s_version(&self, version: &str) {
        self.outbox.lock().version = Some(version.into());
        self.report(|status| status.k3s_version(version));
    }

    /// Records that the clock is right from now on, so that later log lines carry the wall-clock
    /// time to the log server.
    pub fn send_log_with_time(&self) {
        self.outbox.lock().clock_is_set = true;
    }

    /// Begins to send the log to the log server, if `interface` has an address and the server is
    /// known. Otherwise it does nothing, and can be called again. A host name is looked up by
    /// another thread, so that the boot does not wait. When the operator wants no log server
    /// ([`LogServer::No`]), the lines that were kept for it are dropped.
    pub fn send_log(&self, server: &LogServer, interface: &str) {
        let (host, port) = match server {
            LogServer::No => {
                let mut contents = self.outbox.lock();
                contents.closed = true;
                contents.lines.clear();
                return;
            }
            LogServer::Dhcp => (self.log_server_of_dhcp(), PORT),
            LogServer::Named { host, port } => (host.clone(), *port),
        };
        if host.is_empty() || self.outbox.has_begun() {
            return;
        }
        let Some(address) = self.address(interface) else {
            return;
        };
        match host.parse::<IpAddr>() {
            Ok(server) => self.outbox.connect((server, port).into(), address),
            Err(_) => self.look_up_log_server(host, port, address),
        }
    }

    /// Does the same as [`Host::send_log`], but without a DNS request: `found` is the result of a
    /// lookup earlier in this boot. Sends nothing when `server` is a host name and `found` is not
    /// the result for that name and its port.
    pub fn send_log_without_lookup(
        &self,
        server: &LogServer,
        interface: &str,
        found: Option<&FoundServer>,
    ) {
        let named = match server {
            LogServer::Named { host, port } if host.parse::<IpAddr>().is_err() => {
                Some((host, *port))
            }
            _ => return self.send_log(server, interface),
        };
        if let (Some((host, port)), Some((name, found))) = (named, found)
            && host == name
            && port == found.port()
            && let Some(address) = self.address(interface)
        {
            self.outbox.connect(*found, address);
        }
    }

    /// The log server whose name a lookup has resolved; `None` when no lookup was needed, or when
    /// none has succeeded yet.
    pub fn found_log_server(&self, server: &LogServer) -> Option<FoundServer> {
        let LogServer::Named { host, .. } = server else {
            return None;
        };
        let contents = self.outbox.lock();
        let (found, _) = contents.server.as_ref()?;
        Some((host.clone(), *found)).filter(|_| host.parse::<IpAddr>().is_err())
    }

    /// The first log server that DHCP has named; empty when it has named none.
    fn log_server_of_dhcp(&self) -> String {
        let text = self.read_text(paths::DHCP_LOG_SERVERS.path);
        let address = text.ok().and_then(|text| {
            let digits = text.get(..8)?;
            u32::from_str_radix(digits, 16).ok()
        });
        address.map_or(String::new(), |bits| Ipv4Addr::from(bits).to_string())
    }

    fn look_up_log_server(&self, host: String, port: u16, address: IpAddr) {
        self.outbox.lock().is_looking_up = true;
        let outbox = self.outbox();
        std::thread::spawn(move || {
            let mut pause = FIRST_PAUSE;
            loop {
                let found = (host.as_str(), port).to_socket_addrs();
                if let Some(server) = found.ok().and_then(|mut found| found.next()) {
                    return outbox.connect(server, address);
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the file that the DHCP script would"
)]
mod tests {
    use super::*;
    use crate::host::Mode;

    #[test]
    fn the_first_address_of_dhcp_is_the_log_server() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        assert_eq!(host.log_server_of_dhcp(), "");
        std::fs::create_dir_all(host.path("/run/muster")).unwrap();
        for (text, server) in [
            ("0a0b0001\n", "10.11.0.1"),
            ("C00002070a0b0001\n", "192.0.2.7"),
            ("\n", ""),
            ("0a0b00\n", ""),
            ("0a0b000é", ""),
        ] {
            std::fs::write(host.path(paths::DHCP_LOG_SERVERS.path), text).unwrap();
            assert_eq!(host.log_server_of_dhcp(), server, "{text}");
        }
    }
}
