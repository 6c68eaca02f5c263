//! Reads the body of an answer while it arrives.

use super::client::Client;
use super::connection::{Connection, Deadline};
use super::head::{Framing, Head, Status, invalid};
use std::io::{self, ErrorKind, Read};
use std::time::Duration;
use url::Url;

/// The longest line in a chunked body (bytes). This limits the line with the size of a chunk, and
/// each line of the trailers.
const LINE_MAX: usize = 4096;

/// An answer whose body is read from the connection. Each read waits for data as long as
/// [`Timeouts::stall`](super::Timeouts::stall) at most. When the body was read to its end, the
/// connection is kept for the next request if that is possible.
pub struct Response {
    url: Url,
    head: Head,
    /// The length of the body (bytes); `None` when it is not known before the end of the body.
    length: Option<u64>,
    body: Body,
    connection: Option<Connection>,
    client: Client,
    stall: Duration,
}

/// What is left of a body.
enum Body {
    /// The body has this many bytes left.
    Length(u64),
    /// The current chunk has this many bytes left, and more chunks may follow.
    Chunk(u64),
    /// The body ends when the server closes the connection.
    UntilEnd,
    /// Nothing is left.
    Done,
}

impl Response {
    /// The answer that begins with `head`, to a request that `client` sent to `url`.
    pub(super) fn new(
        client: Client,
        url: Url,
        head: Head,
        framing: Framing,
        connection: Connection,
    ) -> Response {
        let mut response = Response {
            url,
            length: match framing {
                Framing::Length(length) => Some(length),
                Framing::Chunked | Framing::UntilEnd => None,
            },
            body: match framing {
                Framing::Length(length) => Body::Length(length),
                Framing::Chunked => Body::Chunk(0),
                Framing::UntilEnd => Body::UntilEnd,
            },
            head,
            connection: Some(connection),
            stall: client.stall(),
            client,
        };
        if response.length == Some(0) {
            response.finish();
        }
        response
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.head.status
    }

    /// The value of the header `name`, which must be in lower case; `None` when the answer does not
    /// have this header, or when the value is not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The URL that answered, after all redirects.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The length of the body (bytes); `None` when it is not known before the end of the body.
    pub fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// Ends the body, and keeps the connection for the next request if that is possible.
    fn finish(&mut self) {
        let framed = !matches!(self.body, Body::UntilEnd);
        self.body = Body::Done;
        if let Some(connection) = self.connection.take()
            && framed
            && self.head.keeps_connection()
        {
            self.client.keep(&self.url, connection);
        }
    }

    fn read_some(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let deadline = Deadline::for_data(self.stall);
        let Some(connection) = &mut self.connection else {
            return Ok(0);
        };
        if let Body::Chunk(left @ 0) = &mut self.body {
            *left = next_chunk(connection, deadline)?;
            if *left == 0 {
                self.finish();
                return Ok(0);
            }
        }
        let limit = match self.body {
            Body::Length(left) | Body::Chunk(left) => left,
            Body::UntilEnd => u64::MAX,
            Body::Done => return Ok(0),
        };
        let room = into.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
        let n = connection.read(&mut into[..room], deadline)?;
        match &mut self.body {
            Body::Length(left) | Body::Chunk(left) => {
                if n == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                *left -= n as u64;
            }
            _ => {}
        }
        match self.body {
            Body::Length(0) => self.finish(),
            Body::Chunk(0) => end_chunk(connection, deadline)?,
            Body::UntilEnd if n == 0 => self.finish(),
            _ => {}
        }
        Ok(n)
    }
}

impl Read for Response {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match into.is_empty() {
            true => Ok(0),
            false => self.read_some(into),
        }
    }
}

/// Reads the length of the next chunk (RFC 9112, 7.1). A length of 0 means that the body has ended;
/// then this function also reads the trailers, which follow the body.
fn next_chunk(connection: &mut Connection, deadline: Deadline) -> io::Result<u64> {
    loop {
        match httparse::parse_chunk_size(connection.ahead()) {
            Ok(httparse::Status::Complete((n, length))) => {
                connection.consume(n);
                if length == 0 {
                    while !line(connection, deadline)?.is_empty() {}
                }
                return Ok(length);
            }
            Ok(httparse::Status::Partial) if connection.ahead().len() < LINE_MAX => {
                connection.look_ahead(deadline)?;
            }
            _ => return Err(invalid("a chunk has no length")),
        }
    }
}

/// Reads the line break after a chunk.
fn end_chunk(connection: &mut Connection, deadline: Deadline) -> io::Result<()> {
    match line(connection, deadline)?.is_empty() {
        true => Ok(()),
        false => Err(invalid("a chunk has more bytes than its length says")),
    }
}

/// Reads a line, and returns it without its line break.
fn line(connection: &mut Connection, deadline: Deadline) -> io::Result<Vec<u8>> {
    loop {
        let ahead = connection.ahead();
        if let Some(end) = ahead.iter().position(|byte| *byte == b'\n') {
            let line = &ahead[..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
            connection.consume(end + 1);
            return Ok(line);
        }
        if ahead.len() > LINE_MAX {
            return Err(invalid("a line is too long"));
        }
        connection.look_ahead(deadline)?;
    }
}
