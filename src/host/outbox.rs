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

/// The greatest number of lines that are kept until they can be sent. When one more line is added,
/// the oldest line is dropped.
const KEPT: usize = 100;
/// The lines that are not sent yet, and where they are sent. The [`Host`](super::Host), the logger
/// and the thread that looks up the name of the log server share an `Outbox`.
#[derive(Default)]
pub struct Outbox(Mutex<Contents>);

/// What an [`Outbox`] holds.
#[derive(Default)]
pub(super) struct Contents {
    /// Whether every line is dropped and none is sent, as in a dry run.
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

    /// Whether [`Host::send_log`](super::Host::send_log) has nothing more to do: the log server is
    /// known, its name is being looked up, or the outbox is closed and sends no line.
    pub(super) fn has_begun(&self) -> bool {
        let contents = self.lock();
        contents.closed || contents.server.is_some() || contents.is_looking_up
    }

    /// Sets the state and the duration of the line that is added next.
    pub fn attach(&self, state: State, took: Option<Duration>) {
        self.lock().next = Some((state, took));
    }

    /// Sets whether the running step waits. If it waits, a later line that has no state of its own
    /// gets the state [`State::Waiting`], else [`State::Running`].
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
        contents.is_looking_up = false;
        // Without a socket the lines are kept, and the next `Host::send_log` tries again.
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
mod tests;
