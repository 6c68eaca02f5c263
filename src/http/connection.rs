//! Sends and receives over a connection: TCP, or a tunnel through a proxy, with or without TLS.

use super::tls::Tls;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The most bytes that one call of [`Connection::look_ahead`] receives from the network.
const AHEAD: usize = 16 * 1024;

/// The time by which something must be done, and the message of the error when it is not done by
/// then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
    message: &'static str,
}

/// The error message when the deadline of [`Deadline::for_data`] has passed.
pub(super) const NO_DATA: &str = "timed out while waiting for data";

/// The error which says that a deadline has passed.
#[derive(Debug)]
struct TimedOut(&'static str);

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for TimedOut {}

impl Deadline {
    /// The deadline for connecting, which includes the TLS handshake.
    pub fn to_connect(after: Duration) -> Deadline {
        Deadline {
            at: Instant::now() + after,
            message: "timed out while connecting",
        }
    }

    /// The deadline for sending a request and receiving the head of the answer, or for receiving
    /// the next bytes of the answer's body.
    pub fn for_data(after: Duration) -> Deadline {
        Deadline {
            at: Instant::now() + after,
            message: NO_DATA,
        }
    }

    /// The error which says that this deadline has passed.
    pub fn passed(self) -> io::Error {
        io::Error::new(ErrorKind::TimedOut, TimedOut(self.message))
    }

    /// The time that is left. It is an error when no time is left.
    pub fn left(self) -> io::Result<Duration> {
        let left = self.at.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(self.passed()),
            false => Ok(left),
        }
    }

    /// Replaces the error of a read or a write by [`Deadline::passed`], if the error came because
    /// this deadline has passed.
    fn explain(self, error: io::Error) -> io::Error {
        match error.kind() {
            // A socket reports with one of these kinds that its timeout has passed.
            ErrorKind::WouldBlock | ErrorKind::TimedOut => self.passed(),
            _ => error,
        }
    }
}

/// What carries the bytes of a connection.
pub(super) enum Link {
    Tcp(TcpStream),
    /// A connection to a proxy, which passes all bytes on to the server.
    Tunnel(Box<Connection>),
}

impl Link {
    /// Receives at least one byte, and returns how many; 0 means that the connection has ended.
    pub fn receive(&mut self, into: &mut [u8], deadline: Deadline) -> io::Result<usize> {
        match self {
            Link::Tunnel(proxy) => proxy.read(into, deadline),
            Link::Tcp(tcp) => loop {
                tcp.set_read_timeout(Some(deadline.left()?))?;
                match tcp.read(into) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => return result.map_err(|error| deadline.explain(error)),
                }
            },
        }
    }

    /// Sends all bytes.
    pub fn send(&mut self, bytes: &[u8], deadline: Deadline) -> io::Result<()> {
        match self {
            Link::Tunnel(proxy) => proxy.send(bytes, deadline),
            Link::Tcp(tcp) => {
                tcp.set_write_timeout(Some(deadline.left()?))?;
                tcp.write_all(bytes)
                    .map_err(|error| deadline.explain(error))
            }
        }
    }

    /// Whether the connection is open and has no bytes to read.
    fn is_quiet(&self) -> bool {
        match self {
            Link::Tunnel(proxy) => proxy.is_quiet(),
            Link::Tcp(tcp) => {
                let quiet = tcp.set_nonblocking(true).is_ok()
                    && tcp
                        .peek(&mut [0])
                        .is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
                tcp.set_nonblocking(false).is_ok() && quiet
            }
        }
    }
}

/// An open connection.
pub(super) struct Connection {
    link: Link,
    tls: Option<Tls>,
    /// Bytes that were received and decrypted before the caller asked for them.
    ahead: Vec<u8>,
    /// How many bytes at the start of `ahead` the caller has read.
    read: usize,
}

impl Connection {
    /// A connection over `link`. With `tls`, the TLS handshake must be done already.
    pub fn new(link: Link, tls: Option<Tls>) -> Connection {
        Connection {
            link,
            tls,
            ahead: Vec::new(),
            read: 0,
        }
    }

    /// Sends all bytes.
    pub fn send(&mut self, bytes: &[u8], deadline: Deadline) -> io::Result<()> {
        match &mut self.tls {
            None => self.link.send(bytes, deadline),
            Some(tls) => tls.send(&mut self.link, bytes, deadline),
        }
    }

    /// Reads at least one byte, and returns how many; 0 means that the connection has ended.
    pub fn read(&mut self, into: &mut [u8], deadline: Deadline) -> io::Result<usize> {
        let ahead = &self.ahead[self.read..];
        if !ahead.is_empty() {
            let n = ahead.len().min(into.len());
            into[..n].copy_from_slice(&ahead[..n]);
            self.consume(n);
            return Ok(n);
        }
        match &mut self.tls {
            None => self.link.receive(into, deadline),
            Some(tls) => {
                self.ahead.clear();
                self.read = 0;
                tls.receive(&mut self.link, into, &mut self.ahead, deadline)
            }
        }
    }

    /// The bytes that were received but not read yet.
    pub fn ahead(&self) -> &[u8] {
        &self.ahead[self.read..]
    }

    /// Receives more bytes, which [`Connection::ahead`] then returns too. It is an error when the
    /// connection ends.
    pub fn look_ahead(&mut self, deadline: Deadline) -> io::Result<()> {
        let mut kept = self.ahead.split_off(self.read);
        let mut more = [0; AHEAD];
        self.ahead.clear();
        self.read = 0;
        let n = self.read(&mut more, deadline)?;
        kept.extend_from_slice(&more[..n]);
        // When a TLS record was longer than `more`, `read` has put the rest of the record into
        // `self.ahead`.
        kept.append(&mut self.ahead);
        self.ahead = kept;
        match n {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Marks the first `n` bytes of [`Connection::ahead`] as read.
    pub fn consume(&mut self, n: usize) {
        self.read += n;
    }

    /// Whether another request can be sent: the connection is open, and everything that was
    /// received was read.
    pub fn is_quiet(&self) -> bool {
        let rest = self.tls.as_ref().is_some_and(Tls::has_rest);
        self.ahead().is_empty() && !rest && self.link.is_quiet()
    }
}
