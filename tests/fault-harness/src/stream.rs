//! A connection of a mirror, with TLS or, for a mirror with plain http, without.

use rustls::{ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;

pub enum Stream {
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
    Plain(TcpStream),
}

impl Stream {
    /// The TCP connection.
    pub fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Stream::Tls(tls) => &mut tls.sock,
            Stream::Plain(tcp) => tcp,
        }
    }

    /// Says by TLS that no more bytes come.
    pub fn send_close_notify(&mut self) {
        if let Stream::Tls(tls) = self {
            tls.conn.send_close_notify();
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tls(tls) => tls.read(buffer),
            Stream::Plain(tcp) => tcp.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tls(tls) => tls.write(bytes),
            Stream::Plain(tcp) => tcp.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Tls(tls) => tls.flush(),
            Stream::Plain(tcp) => tcp.flush(),
        }
    }
}
