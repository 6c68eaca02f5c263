//! Encrypts a connection with TLS.
//!
//! rustls encrypts and decrypts, and this file moves the bytes between rustls and the network
//! (`rustls::unbuffered`). The buffers of rustls itself would cost a system call for every four
//! kilobytes and one more copy of each byte.

use super::connection::{Deadline, Link};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use rustls::{ClientConfig, Error};
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// The size of the buffer for received TLS records (bytes). The longest handshake message that
/// rustls accepts (64 KiB) and one more record fit into this buffer.
const ROOM: usize = 96 * 1024;
/// The longest TLS record with its header (bytes, RFC 8446 and RFC 5246).
const RECORD: usize = 5 + (1 << 14) + 2048;

/// The TLS session of a connection, with its buffers.
pub(super) struct Tls {
    session: UnbufferedClientConnection,
    /// Records that were received.
    records: Vec<u8>,
    /// The bytes `from..to` of `records` were not processed yet.
    from: usize,
    to: usize,
    /// Records to send, in the first `used` bytes.
    outgoing: Vec<u8>,
    used: usize,
    /// Whether the server ended the connection. The session reports this only once.
    ended: bool,
}

/// What a session waits for.
enum Next {
    /// It waits for nothing: it can send, and it decrypts what arrives.
    Traffic,
    /// It waits for the next records of the handshake.
    Handshake,
    /// It has decrypted bytes, and waits until they are taken.
    Data,
    /// It is at its end, because the server ended the connection.
    End,
}

impl Tls {
    /// Makes a session with the server `name` and does the handshake.
    pub fn connect(
        link: &mut Link,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        deadline: Deadline,
    ) -> io::Result<Tls> {
        let session = UnbufferedClientConnection::new(config, name).map_err(failed)?;
        let mut tls = Tls {
            session,
            records: vec![0; ROOM],
            from: 0,
            to: 0,
            outgoing: vec![0; RECORD],
            used: 0,
            ended: false,
        };
        loop {
            match tls.advance(link, deadline)? {
                Next::Handshake => tls.receive_records(link, deadline)?,
                Next::Traffic | Next::Data => return Ok(tls),
                Next::End => return Err(ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Whether something was received that was not decrypted yet.
    pub fn has_rest(&self) -> bool {
        self.from < self.to
    }

    /// Encrypts and sends all bytes.
    pub fn send(&mut self, link: &mut Link, bytes: &[u8], deadline: Deadline) -> io::Result<()> {
        // The records that the session itself has to send go first.
        if let Next::End = self.advance(link, deadline)? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let status = self
            .session
            .process_tls_records(&mut self.records[self.from..self.to]);
        let (discard, state) = (status.discard, status.state.map_err(failed)?);
        let ConnectionState::WriteTraffic(mut traffic) = state else {
            // The server sent something before the request, or ended the connection.
            return Err(ErrorKind::ConnectionReset.into());
        };
        let outgoing = &mut self.outgoing;
        let n = loop {
            match traffic.encrypt(bytes, outgoing) {
                Ok(n) => break n,
                Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) => {
                    outgoing.resize(required_size, 0);
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        };
        self.from += discard;
        link.send(&self.outgoing[..n], deadline)
    }

    /// Decrypts at least one byte, and returns how many bytes of `into` were filled; 0 means that
    /// the connection has ended. Bytes that do not fit into `into` are added to `rest`.
    pub fn receive(
        &mut self,
        link: &mut Link,
        into: &mut [u8],
        rest: &mut Vec<u8>,
        deadline: Deadline,
    ) -> io::Result<usize> {
        let mut n = 0;
        loop {
            match self.advance(link, deadline)? {
                Next::Data => {
                    let more = self.take(&mut into[n..], rest, n == 0)?;
                    n += more;
                    if more == 0 {
                        return Ok(n);
                    }
                }
                Next::End => return Ok(n),
                Next::Traffic | Next::Handshake if n > 0 => return Ok(n),
                Next::Traffic | Next::Handshake => self.receive_records(link, deadline)?,
            }
        }
    }

    /// Copies decrypted bytes to `into`, and returns how many. With `split` the first record may be
    /// longer than `into`, and the bytes that do not fit are added to `rest`. Without `split`, and
    /// after the first record, a record that does not fit stays in the session.
    fn take(&mut self, into: &mut [u8], rest: &mut Vec<u8>, split: bool) -> io::Result<usize> {
        let UnbufferedStatus { discard, state, .. } = self
            .session
            .process_tls_records(&mut self.records[self.from..self.to]);
        let ConnectionState::ReadTraffic(mut traffic) = state.map_err(failed)? else {
            return Ok(0);
        };
        let mut n = 0;
        while let Some(len) = traffic.peek_len() {
            let room = into.len() - n;
            if len.get() > room && !(split && n == 0) {
                break;
            }
            let Some(record) = traffic.next_record() else {
                break;
            };
            let payload = record.map_err(failed)?.payload;
            let (now, later) = payload.split_at(room.min(payload.len()));
            into[n..n + now.len()].copy_from_slice(now);
            rest.extend_from_slice(later);
            n += now.len();
        }
        self.from += discard;
        Ok(n)
    }

    /// Lets the session process what was received, and sends what the session has to send. Returns
    /// what the session waits for after that.
    fn advance(&mut self, link: &mut Link, deadline: Deadline) -> io::Result<Next> {
        loop {
            let UnbufferedStatus { discard, state, .. } = self
                .session
                .process_tls_records(&mut self.records[self.from..self.to]);
            let next = match state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    self.used += encode(&mut self.outgoing, self.used, |out| data.encode(out))?;
                    None
                }
                Ok(ConnectionState::TransmitTlsData(transmit)) => {
                    link.send(&self.outgoing[..self.used], deadline)?;
                    self.used = 0;
                    transmit.done();
                    None
                }
                Ok(ConnectionState::ReadTraffic(_)) => Some(Next::Data),
                Ok(_) if self.ended => Some(Next::End),
                Ok(ConnectionState::BlockedHandshake) => Some(Next::Handshake),
                Ok(ConnectionState::WriteTraffic(_)) => Some(Next::Traffic),
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.ended = true;
                    Some(Next::End)
                }
                Ok(_) => {
                    return Err(io::Error::other(
                        "TLS: there is early data, which muster did not request",
                    ));
                }
                Err(error) => {
                    self.from += discard;
                    self.send_alert(link, deadline);
                    return Err(failed(error));
                }
            };
            self.from += discard;
            if let Some(next) = next {
                return Ok(next);
            }
        }
    }

    /// Tells the server why the client ends the connection, so that the server's log has the reason
    /// too.
    fn send_alert(&mut self, link: &mut Link, deadline: Deadline) {
        let status = self.session.process_tls_records(&mut []);
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = status.state
            && let Ok(n) = encode(&mut self.outgoing, 0, |out| data.encode(out))
        {
            // An error of this write is ignored, because the connection already ends with another
            // error.
            let _ = link.send(&self.outgoing[..n], deadline);
        }
    }

    fn receive_records(&mut self, link: &mut Link, deadline: Deadline) -> io::Result<()> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        } else if ROOM - self.to < RECORD {
            self.records.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        let room = &mut self.records[self.to..];
        if room.is_empty() {
            return Err(io::Error::other("TLS: the server's message is too long"));
        }
        match link.receive(room, deadline)? {
            // The TCP connection ended before the server ended the TLS session (close_notify), so
            // the last bytes may be missing.
            0 => Err(ErrorKind::UnexpectedEof.into()),
            n => {
                self.to += n;
                Ok(())
            }
        }
    }
}

/// Encodes a record after the first `used` bytes of `outgoing`. Returns the length of the record.
fn encode(
    outgoing: &mut Vec<u8>,
    used: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
) -> io::Result<usize> {
    loop {
        match write(&mut outgoing[used..]) {
            Ok(n) => return Ok(n),
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
                outgoing.resize(used + required_size, 0);
            }
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

fn failed(error: Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
