//! Sends one request, and reads the answer with limits on its size and its time.

use super::failure::Failure;
use anyhow::anyhow;
use reqwest::Url;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::HeaderValue;
use std::io::Read;
use std::time::{Duration, Instant};

/// The longest time that [`Request::body`] takes to read a body, so that a slow server does not
/// delay the boot for long.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The longest body of an answer with an error status (bytes). A longer one is ignored.
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
    url: Url,
    inner: RequestBuilder,
}

impl Request {
    /// A GET of `url`.
    pub fn get(client: &Client, url: &Url) -> Request {
        Request {
            url: url.clone(),
            inner: client.get(url.clone()),
        }
    }

    /// A POST of `body` to `url`.
    pub fn post(client: &Client, url: &Url, body: Vec<u8>) -> Request {
        Request {
            url: url.clone(),
            inner: client.post(url.clone()).body(body),
        }
    }

    /// Adds a header.
    pub fn header(self, name: &str, value: &str) -> Request {
        self.with(|inner| inner.header(name, value))
    }

    /// Adds a header with a secret value, which reqwest then does not print.
    pub fn secret_header(self, name: &str, value: &str) -> Request {
        let value = HeaderValue::from_str(value).map(|mut value| {
            value.set_sensitive(true);
            value
        });
        match value {
            Ok(value) => self.with(|inner| inner.header(name, value)),
            // The secret is not a valid header value. An invalid value without the secret takes its
            // place, so that sending the request fails.
            Err(_) => self.with(|inner| inner.header(name, "\n")),
        }
    }

    /// Adds HTTP basic authentication.
    pub fn basic_auth(self, user: &str, password: &str) -> Request {
        self.with(|inner| inner.basic_auth(user, Some(password)))
    }

    /// Adds a bearer token.
    pub fn bearer_auth(self, token: &str) -> Request {
        self.with(|inner| inner.bearer_auth(token))
    }

    fn with(self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Request {
        Request {
            inner: change(self.inner),
            ..self
        }
    }

    /// Sends the request. Returns the response, whatever its status is, before its body is read.
    pub fn response(self) -> Result<Response, Failure> {
        self.inner
            .send()
            .map_err(|error| Failure::of_connection(&self.url, &error))
    }

    /// Sends the request. Returns the body of an answer with a success status. Fails when the body
    /// is longer than `limit` bytes.
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

/// Reads the body of an answer. Fails when the body is longer than `limit` bytes.
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
                "{url}: the answer was not complete after {BODY_TIMEOUT:?}: too slow"
            )));
        }
    }
}
