//! This module reads the status line and the headers of an HTTP response.

use std::fmt;
use std::io;

/// The most headers that an answer may have.
const HEADERS: usize = 100;

/// An HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    /// Whether the request has succeeded (2xx).
    pub fn is_success(self) -> bool {
        self.0 / 100 == 2
    }

    /// Whether the answer names another URL, or says that nothing has changed (3xx).
    pub fn is_redirection(self) -> bool {
        self.0 / 100 == 3
    }

    /// The name of a status that a mirror, a proxy or a k3s server may send, with a space before
    /// it; empty for any other status. The reason phrase of the answer is not shown, because the
    /// server can write anything there.
    fn name(self) -> &'static str {
        match self.0 {
            200 => " OK",
            204 => " No Content",
            206 => " Partial Content",
            301 => " Moved Permanently",
            302 => " Found",
            303 => " See Other",
            304 => " Not Modified",
            307 => " Temporary Redirect",
            308 => " Permanent Redirect",
            400 => " Bad Request",
            401 => " Unauthorized",
            403 => " Forbidden",
            404 => " Not Found",
            405 => " Method Not Allowed",
            407 => " Proxy Authentication Required",
            408 => " Request Timeout",
            410 => " Gone",
            416 => " Range Not Satisfiable",
            425 => " Too Early",
            429 => " Too Many Requests",
            451 => " Unavailable For Legal Reasons",
            500 => " Internal Server Error",
            501 => " Not Implemented",
            502 => " Bad Gateway",
            503 => " Service Unavailable",
            504 => " Gateway Timeout",
            _ => "",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, self.name())
    }
}

/// The status and the headers of an answer.
pub(super) struct Head {
    pub status: Status,
    /// Whether the server speaks HTTP/1.1, not HTTP/1.0.
    pub is_1_1: bool,
    headers: Vec<(String, String)>,
}

/// How muster finds the end of an answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    /// The body ends when the server closes the connection.
    UntilEnd,
}

impl Head {
    /// Reads the head at the beginning of `bytes`. Returns the head and its length in bytes, or
    /// `None` when the head is not complete.
    pub fn parse(bytes: &[u8]) -> io::Result<Option<(Head, usize)>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let len = match response.parse(bytes) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(invalid(error)),
        };
        let headers = response.headers.iter().map(|header| {
            // The value of a header may contain any byte. Each byte becomes one character here.
            // [`Head::header`] returns a value only when it is text.
            let value = header.value.iter().map(|byte| char::from(*byte)).collect();
            (header.name.to_ascii_lowercase(), value)
        });
        let headers = headers.collect();
        let head = Head {
            status: Status(response.code.unwrap_or(0)),
            is_1_1: response.version == Some(1),
            headers,
        };
        Ok(Some((head, len)))
    }

    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    /// The value of the first header with the name `name`, which must be in lower case; `None` when
    /// there is no such header, or when the value is not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let is_text = |text: &&str| {
            text.bytes()
                .all(|b| (b' '..=b'~').contains(&b) || b == b'\t')
        };
        self.all(name).next().filter(is_text)
    }

    /// Whether one of the headers with the name `name` contains `word`, in upper or lower case. The
    /// values of these headers are lists with commas. `name` must be in lower case.
    fn has_word(&self, name: &str, word: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(word))
    }

    /// Whether the server keeps the connection open after this answer (RFC 9112, 9.3).
    pub fn keeps_connection(&self) -> bool {
        !self.has_word("connection", "close")
            && (self.is_1_1 || self.has_word("connection", "keep-alive"))
    }

    /// How muster finds the end of the answer's body (RFC 9112, 6.3). `method` is the method of the
    /// request.
    pub fn framing(&self, method: &str) -> io::Result<Framing> {
        if method == "HEAD" || matches!(self.status.0, 204 | 304) {
            return Ok(Framing::Length(0));
        }
        if let Some(encoding) = self.all("transfer-encoding").last() {
            let last = encoding.rsplit(',').next().unwrap_or_default();
            return Ok(match last.trim().eq_ignore_ascii_case("chunked") {
                true => Framing::Chunked,
                false => Framing::UntilEnd,
            });
        }
        let mut length = None;
        for value in self.all("content-length").flat_map(|text| text.split(',')) {
            let value = value.trim();
            let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
            let value = value.parse::<u64>().ok().filter(|_| digits);
            if value.is_none() || length.is_some_and(|length| Some(length) != value) {
                return Err(invalid("its Content-Length is not valid"));
            }
            length = value;
        }
        Ok(length.map_or(Framing::UntilEnd, Framing::Length))
    }
}

/// The error for an answer that is not valid HTTP.
pub(super) fn invalid(why: impl fmt::Display) -> io::Error {
    io::Error::other(format!("the answer is not valid HTTP: {why}"))
}

#[cfg(test)]
mod tests;
