//! The part of HTTP/1.1 that the server and the agent need: messages with a Content-Length or in
//! chunks, and connections that stay open.

use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::{BufRead, ErrorKind, Read, Seek, SeekFrom, Write};

const MAX_HEAD: u64 = 16 * 1024;
const MAX_BODY: u64 = 1024 * 1024;

#[derive(Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn has_word(&self, name: &str, word: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.eq_ignore_ascii_case(word))
    }
}

/// Reads the first line and the headers of a message. Returns `None` if the connection was closed
/// before a message.
fn read_head(from: &mut impl BufRead) -> Result<Option<(String, Headers)>> {
    let mut from = from.take(MAX_HEAD);
    let mut next_line = || -> Result<Option<String>> {
        let mut line = String::new();
        let read = match from.read_line(&mut line) {
            // curl and Go close a connection without TLS's close_notify. Between two messages, that
            // is a normal end.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && line.is_empty() => 0,
            read => read?,
        };
        match read {
            0 => Ok(None),
            _ if !line.ends_with('\n') => bail!("the head of a message is too long or incomplete"),
            _ => Ok(Some(line.trim_end().to_owned())),
        }
    };
    let Some(first) = next_line()? else {
        return Ok(None);
    };
    let mut headers = Headers::default();
    loop {
        let line = next_line()?.context("connection closed within the head of a message")?;
        if line.is_empty() {
            return Ok(Some((first, headers)));
        }
        let (name, value) = line.split_once(':').context("a header without a colon")?;
        headers.0.push((name.trim().into(), value.trim().into()));
    }
}

fn read_body(from: &mut impl BufRead, headers: &Headers) -> Result<Vec<u8>> {
    if headers.has_word("Transfer-Encoding", "chunked") {
        return read_chunks(from);
    }
    let length: u64 = headers
        .get("Content-Length")
        .unwrap_or("0")
        .parse()
        .context("Content-Length")?;
    ensure!(length <= MAX_BODY, "a body of {length} bytes is too long");
    let mut body = Vec::new();
    from.take(length).read_to_end(&mut body)?;
    ensure!(body.len() as u64 == length, "the body is incomplete");
    Ok(body)
}

/// Reads a body whose length its sender did not know before, as the API server sends what is long.
fn read_chunks(from: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        from.take(MAX_HEAD).read_line(&mut line)?;
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16).context("the size of a chunk")?;
        ensure!(
            body.len() as u64 + size <= MAX_BODY,
            "a body in chunks is too long"
        );
        let before = body.len();
        from.take(size).read_to_end(&mut body)?;
        ensure!(
            (body.len() - before) as u64 == size,
            "a chunk is incomplete"
        );
        // Each chunk ends with an empty line, and so does the body behind its last, empty chunk.
        let mut end = String::new();
        from.take(MAX_HEAD).read_line(&mut end)?;
        ensure!(end.trim_end().is_empty(), "no end of a chunk");
        if size == 0 {
            return Ok(body);
        }
    }
}

pub struct Request {
    pub method: String,
    /// The request target as it was sent: percent-encoded, with the query.
    pub target: String,
    pub headers: Headers,
    pub body: Vec<u8>,
    pub keep_alive: bool,
}

impl Request {
    pub fn read(from: &mut impl BufRead) -> Result<Option<Self>> {
        let Some((line, headers)) = read_head(from)? else {
            return Ok(None);
        };
        let words: Vec<&str> = line.split(' ').collect();
        let &[method, target, protocol] = words.as_slice() else {
            bail!("not a request line: {line:?}")
        };
        let keep_alive = protocol == "HTTP/1.1" && !headers.has_word("Connection", "close");
        let body = read_body(from, &headers)?;
        Ok(Some(Self {
            method: method.into(),
            target: target.into(),
            headers,
            body,
            keep_alive,
        }))
    }

    /// Returns the decoded path without the query, or `None` if its encoding is invalid.
    pub fn path(&self) -> Option<String> {
        let raw = self.target.split('?').next()?.as_bytes();
        let mut bytes = Vec::with_capacity(raw.len());
        let mut at = 0;
        while let Some(&byte) = raw.get(at) {
            if byte == b'%' {
                bytes.extend(hex::decode(raw.get(at + 1..at + 3)?).ok()?);
                at += 3;
            } else {
                bytes.push(byte);
                at += 1;
            }
        }
        String::from_utf8(bytes).ok()
    }
}

pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
}

pub enum Body {
    Bytes(Vec<u8>),
    /// `length` bytes of a file from offset `start`. They are read while they are sent.
    Part {
        file: File,
        start: u64,
        length: u64,
    },
}

impl Response {
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        let headers = vec![("Content-Type", "text/plain".into())];
        Self {
            status,
            headers,
            body: Body::Bytes(text.into().into_bytes()),
        }
    }

    /// An error in the form of the Kubernetes API.
    pub fn refusal(status: u16, message: &str) -> Self {
        let reason = reason(status).replace(' ', "");
        let head =
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message""#;
        let mut response = Self::text(
            status,
            format!("{head}:{message:?},\"reason\":\"{reason}\",\"code\":{status}}}\n"),
        );
        response.headers = vec![("Content-Type", "application/json".into())];
        response
    }

    /// Sends the response. The answer to a HEAD has no body.
    pub fn send(self, to: &mut impl Write, head_only: bool, keep_alive: bool) -> Result<()> {
        let length = match &self.body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::Part { length, .. } => *length,
        };
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nContent-Length: {length}\r\n",
            self.status,
            reason(self.status)
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !keep_alive {
            head.push_str("Connection: close\r\n");
        }
        head.push_str(&format!(
            "Date: {}\r\n\r\n",
            httpdate::fmt_http_date(std::time::SystemTime::now())
        ));
        to.write_all(head.as_bytes())?;
        match self.body {
            _ if head_only => {}
            Body::Bytes(bytes) => to.write_all(&bytes)?,
            Body::Part {
                mut file,
                start,
                length,
            } => {
                file.seek(SeekFrom::Start(start))?;
                let sent = std::io::copy(&mut file.take(length), to)?;
                ensure!(sent == length, "the file shrank while it was sent");
            }
        }
        Ok(to.flush()?)
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        416 => "Requested Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}

/// Reads an answer. Returns its status and body, and whether the connection can be used again.
pub fn read_answer(from: &mut impl BufRead) -> Result<(u16, Vec<u8>, bool)> {
    let (line, headers) = read_head(from)?.context("connection closed before an answer")?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .context("the answer is not HTTP")?;
    let body = read_body(from, &headers)?;
    Ok((status, body, !headers.has_word("Connection", "close")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_answer_in_chunks_and_the_one_behind_it() {
        let chunks = "4;x=y\r\n{\r\n}\r\n1\r\n!\r\n0\r\n\r\n";
        let first = format!("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let both = first + "HTTP/1.1 204 No Content\r\n\r\n";
        let mut from = both.as_bytes();
        let answer = read_answer(&mut from).unwrap();
        assert_eq!(answer, (201, b"{\r\n}!".to_vec(), true));
        assert_eq!(read_answer(&mut from).unwrap().0, 204);
    }
}
