//! Sends one request, and reads the answer with limits on its size and its time.

use super::client::{Client, Message};
use super::failure::Failure;
use super::response::Response;
use anyhow::anyhow;
use std::io::Read;
use std::time::{Duration, Instant};
use url::Url;

/// When a body is not complete after this time, its reading fails, so that a slow server does not
/// delay the boot for long.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest body of an answer with an error status (bytes). A longer body is ignored.
const EXPLANATION_MAX: u64 = 4096;

/// Why a request failed, with the server's explanation.
pub struct Refusal {
    pub failure: Failure,
    /// The body of an answer with an error status, in which a k3s server says why it refuses. Empty
    /// when there was no such answer or its body could not be read.
    pub explanation: Vec<u8>,
}

/// A request that is being prepared.
pub struct Request {
    client: Client,
    method: &'static str,
    url: Url,
    /// The header lines, each with its line break.
    headers: String,
    body: Vec<u8>,
    /// The name of a header whose value cannot be sent.
    unsendable: Option<String>,
}

impl Request {
    /// A request with this method, such as `GET`.
    pub fn new(client: &Client, method: &'static str, url: &Url) -> Request {
        Request {
            client: client.clone(),
            method,
            url: url.clone(),
            headers: String::new(),
            body: Vec::new(),
            unsendable: None,
        }
    }

    /// A GET of `url`.
    pub fn get(client: &Client, url: &Url) -> Request {
        Request::new(client, "GET", url)
    }

    /// A POST of `body` to `url`.
    pub fn post(client: &Client, url: &Url, body: Vec<u8>) -> Request {
        Request {
            body,
            ..Request::new(client, "POST", url)
        }
    }

    /// Adds a header. No error message shows the value of the header.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        // A line break in the value would begin another header.
        match value.contains(|c: char| c.is_ascii_control() && c != '\t') {
            true => self.unsendable = Some(name.into()),
            false => {
                for part in [name, ": ", value, "\r\n"] {
                    self.headers.push_str(part);
                }
            }
        }
        self
    }

    /// Adds HTTP basic authentication.
    pub fn basic_auth(self, user: &str, password: &str) -> Request {
        let both = base64(format!("{user}:{password}").as_bytes());
        self.header("Authorization", &format!("Basic {both}"))
    }

    /// Adds a bearer token.
    pub fn bearer_auth(self, token: &str) -> Request {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Sends the request. Returns the response, whatever its status is, before its body is read.
    pub fn response(self) -> Result<Response, Failure> {
        let url = &self.url;
        if let Some(name) = &self.unsendable {
            let error = anyhow!("{url}: the header {name} has a character that cannot be sent");
            return Err(Failure::permanent(error));
        }
        let message = Message {
            method: self.method,
            headers: &self.headers,
            body: &self.body,
        };
        self.client
            .send(&message, url)
            .map_err(|error| Failure::of_connection(url, &error))
    }

    /// Sends the request. Returns the body of an answer with a success status. Fails when the
    /// answer has another status, or when the body is longer than `limit` bytes.
    pub fn body(self, limit: u64) -> Result<Vec<u8>, Failure> {
        let url = self.url.clone();
        let answer = self.response()?;
        if !answer.status().is_success() {
            return Err(Failure::of_status(&answer));
        }
        read(answer, &url, limit)
    }

    /// Does the same as [`Request::body`], and also reads the explanation in an answer with an
    /// error status.
    pub fn body_or_refusal(self, limit: u64) -> Result<Vec<u8>, Refusal> {
        let url = self.url.clone();
        let without_answer = |failure| Refusal {
            failure,
            explanation: Vec::new(),
        };
        let answer = self.response().map_err(without_answer)?;
        if !answer.status().is_success() {
            return Err(Refusal {
                failure: Failure::of_status(&answer),
                // When the explanation cannot be read, only the status is reported.
                explanation: read(answer, &url, EXPLANATION_MAX).unwrap_or_default(),
            });
        }
        read(answer, &url, limit).map_err(without_answer)
    }
}

/// Reads the body of an answer. Fails when the body is longer than `limit` bytes, or not complete
/// after [`BODY_TIMEOUT`].
fn read(mut answer: Response, url: &Url, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let mut buffer = [0; 4096];
    let started = Instant::now();
    loop {
        let n = answer
            .read(&mut buffer)
            .map_err(|error| Failure::of_connection(url, &error))?;
        body.extend_from_slice(&buffer[..n]);
        if body.len() as u64 > limit {
            return Err(Failure::permanent(anyhow!(
                "{url}: the answer is longer than {limit} bytes"
            )));
        }
        if n == 0 {
            return Ok(body);
        }
        if started.elapsed() > BODY_TIMEOUT {
            return Err(Failure::transient(anyhow!(
                "{url}: the answer was not complete after {BODY_TIMEOUT:?}, which is too slow"
            )));
        }
    }
}

/// Base64 with padding (RFC 4648, 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= group.len() { digit.into() } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_the_vectors_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }
}
