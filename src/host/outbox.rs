//! Keeps the lines for the log server until they can be sent, and sends them as datagrams.
//!
//! Nothing waits for the log server: a datagram is sent without blocking, and a lost one is not
//! sent again.

use super::Mode;
use super::clock::uptime;
use crate::redact::redacted;
use crate::report::format::{BOOT, State};
use crate::report::line::{Line, Logged};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The most lines that are kept until they can be sent. When there are more, the oldest one is
/// dropped.
const KEPT: usize = 100;
/// The lines that are not sent yet, and where they are sent. The host, the logger and the thread
/// that looks up the name of the log server share an `Outbox`.
#[derive(Default)]
pub struct Outbox(Mutex<Contents>);

/// What an [`Outbox`] holds.
#[derive(Default)]
pub(super) struct Contents {
    /// Whether no line is kept or sent, as in a dry run.
    pub(super) closed: bool,
    pub(super) lines: VecDeque<Logged>,
    /// The hostname, and the MAC address of the interface that names the node.
    pub(super) board: Option<(String, String)>,
    address: Option<IpAddr>,
    attempt: u64,
    pub(super) version: Option<String>,
    pub(super) clock_is_set: bool,
    /// The running step. Lines that name no step belong to it.
    step: Option<&'static str>,
    /// Whether the running step waits.
    is_waiting: bool,
    /// The state and the duration of the line that is logged next.
    next: Option<(State, Option<Duration>)>,
    /// The log server, and the socket from which datagrams are sent to it.
    pub(super) server: Option<(SocketAddr, UdpSocket)>,
    pub(super) is_looking_up: bool,
}

impl Outbox {
    pub(super) fn new(mode: Mode) -> Outbox {
        let outbox = Outbox::default();
        outbox.lock().closed = mode == Mode::Plan;
        outbox
    }

    /// Whether lines are kept and sent.
    pub fn is_open(&self) -> bool {
        !self.lock().closed
    }

    /// Whether the log server is known or being looked up, or no line is sent at all.
    pub(super) fn has_begun(&self) -> bool {
        let contents = self.lock();
        contents.closed || contents.server.is_some() || contents.is_looking_up
    }

    /// Sets the state for the line that is added next.
    pub fn attach(&self, state: State, took: Option<Duration>) {
        self.lock().next = Some((state, took));
    }

    /// Sets whether the running step waits. Lines without a state of their own get this state.
    pub(super) fn set_waiting(&self, is_waiting: bool) {
        self.lock().is_waiting = is_waiting;
    }

    pub(super) fn set_step(&self, step: Option<&'static str>) {
        self.lock().step = step;
    }

    pub(super) fn set_attempt(&self, attempt: u64) {
        self.lock().attempt = attempt;
    }

    /// Adds a line, and sends it if the log server is known.
    pub fn add(&self, mut line: Line) {
        let mut contents = self.lock();
        if contents.closed {
            return;
        }
        line.text = redacted(&line.text);
        if line.step == BOOT {
            line.step = contents.step.unwrap_or(BOOT);
        }
        if let Some((state, took)) = contents.next.take() {
            (line.state, line.took) = (Some(state), took);
        }
        if line.state.is_none() && line.step != BOOT {
            line.state = Some(match contents.is_waiting {
                true => State::Waiting,
                false => State::Running,
            });
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        let logged = Logged {
            line,
            time: now.filter(|_| contents.clock_is_set),
            uptime: uptime(),
            attempt: contents.attempt,
            version: contents.version.clone(),
        };
        if contents.lines.len() == KEPT {
            contents.lines.pop_front();
        }
        contents.lines.push_back(logged);
        contents.send();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0
            .lock()
            .expect("no thread panics while it holds the lock")
    }

    /// Begins to send the lines to `server`. `address` is the board's own address.
    pub(super) fn connect(&self, server: SocketAddr, address: IpAddr) {
        let any = match server {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0))
            .and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
        let mut contents = self.lock();
        contents.address = Some(address);
        // Without a socket the lines stay, and the next call tries again.
        contents.server = socket.ok().map(|socket| (server, socket));
        contents.send();
    }
}

impl Contents {
    /// Sends the lines, in order. Those that cannot be sent now (there may be no route) are kept.
    fn send(&mut self) {
        let (Some((server, socket)), Some(board)) = (&self.server, &self.board) else {
            return;
        };
        while let Some(logged) = self.lines.front() {
            let datagram = logged.datagram(board, self.address);
            if socket.send_to(datagram.as_bytes(), server).is_err() {
                return;
            }
            self.lines.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::hostname::Naming;
    use crate::board::mac::Mac;
    use crate::board::node::Node;
    use crate::host::Host;
    use crate::report::LogServer;
    use crate::report::format::severity;

    fn node() -> Node {
        let mac = Mac::parse("b8:27:eb:00:00:01").unwrap();
        Node {
            mac,
            name: Naming::new("worker-", 6).unwrap().of(mac),
            interface: "lo".into(),
            serial: None,
        }
    }

    fn line(text: &str) -> Line {
        Line {
            severity: severity::INFO,
            step: BOOT,
            text: text.into(),
            ..Line::default()
        }
    }

    /// A log server on this machine, which has the address of the interface lo.
    fn server() -> (UdpSocket, LogServer) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let port = socket.local_addr().unwrap().port();
        let host = "127.0.0.1".into();
        (socket, LogServer::Named { host, port })
    }

    fn received(server: &UdpSocket) -> String {
        let mut buffer = [0; 2048];
        let n = server.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..n].to_vec()).unwrap()
    }

    #[test]
    fn no_password_of_a_url_is_sent() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        let (socket, server) = server();
        host.send_log(&server, "lo");
        host.send_log_as(&node());
        host.outbox()
            .add(line("https://user:pass@mirror: too slow"));
        let datagram = received(&socket);
        assert!(datagram.ends_with("@mirror: too slow") && !datagram.contains("pass"));
    }

    #[test]
    fn what_was_logged_before_the_address_comes_first_and_without_a_time() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        let (socket, server) = server();
        for n in 0..KEPT + 1 {
            host.outbox().add(line(&n.to_string()));
        }
        host.send_log(&server, "lo");
        host.send_log_as(&node());
        host.send_log_with_time();
        host.set_k3s_version("v1.34.1+k3s1");
        host.outbox().attach(State::Joined, None);
        host.outbox().add(line("last"));
        let start = "<30>1 - worker-b5b697 muster";
        let params = "boot [muster@32473 mac=\"b8:27:eb:00:00:01\" ip=\"127.0.0.1\" uptime=\"";
        // The oldest lines were dropped: one when there were too many, and one for the last line.
        for n in 2..KEPT + 1 {
            let datagram = received(&socket);
            assert!(
                datagram.starts_with(start) && datagram.contains(params),
                "{datagram}"
            );
            assert!(datagram.ends_with(&format!("\"] {n}")), "{datagram}");
        }
        let last = received(&socket);
        let end = "state=\"joined\" version=\"v1.34.1+k3s1\"] last";
        assert!(last.starts_with("<30>1 2") && last.ends_with(end), "{last}");
    }

    #[test]
    fn a_dry_run_sends_nothing_and_neither_does_a_board_without_a_log_server() {
        let root = tempfile::tempdir().unwrap();
        let (socket, server) = server();
        socket.set_nonblocking(true).unwrap();
        let dry_run = Host::new(root.path(), Mode::Plan);
        dry_run.send_log(&server, "lo");
        let off = Host::new(root.path(), Mode::Perform);
        off.send_log(&LogServer::No, "lo");
        off.send_log(&server, "lo");
        // DHCP has named none.
        let none = Host::new(root.path(), Mode::Perform);
        none.send_log(&LogServer::Dhcp, "lo");
        for host in [dry_run, off, none] {
            host.send_log_as(&node());
            host.outbox().add(line("text"));
        }
        assert!(socket.recv(&mut [0; 2048]).is_err());
    }

    #[test]
    fn a_restart_uses_the_address_that_the_boot_has_found() {
        let root = tempfile::tempdir().unwrap();
        let (socket, _) = server();
        let address = socket.local_addr().unwrap();
        let named = |host: &str| LogServer::Named {
            host: host.into(),
            port: address.port(),
        };
        for (setting, arrives) in [("logs.invalid", true), ("other.invalid", false)] {
            let host = Host::new(root.path(), Mode::Perform);
            host.send_log_as(&node());
            let found = ("logs.invalid".into(), address);
            host.send_log_without_lookup(&named(setting), "lo", Some(&found));
            host.outbox().add(line(setting));
            socket.set_nonblocking(!arrives).unwrap();
            assert_eq!(socket.recv(&mut [0; 2048]).is_ok(), arrives, "{setting}");
        }
    }
}
