//! Sends HTTP requests. A client has the TLS configuration for its connections, and keeps one
//! connection for the next request.

use super::Timeouts;
use super::connect::connect;
use super::connection::{Connection, Deadline};
use super::head::{Framing, Head, invalid};
use super::proxy::Proxy;
use super::response::Response;
use rustls::ClientConfig;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use url::{Origin, Url};

/// The largest number of redirects that are followed for one request.
const REDIRECTS: usize = 5;
/// The longest head (status line and headers) of an answer, in bytes.
const HEAD_MAX: usize = 64 * 1024;

/// An HTTP client. Its clones share a connection, which is kept for the next request to the same
/// server.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    tls: Arc<ClientConfig>,
    proxy: Option<Proxy>,
    timeouts: Timeouts,
    follows_redirects: bool,
    kept: Mutex<Option<(Origin, Connection)>>,
}

/// The parts of a request that do not depend on its URL.
pub(super) struct Message<'a> {
    pub method: &'static str,
    /// The header lines, each with its line break.
    pub headers: &'a str,
    pub body: &'a [u8],
}

impl Client {
    /// A client with this TLS configuration. When `follows_redirects` is `true`, the client follows
    /// a redirect to an https URL, and fails at a redirect to any other URL. When it is `false`,
    /// the client returns a redirect like any other answer.
    pub(super) fn new(
        tls: ClientConfig,
        proxy: Option<Proxy>,
        timeouts: Timeouts,
        follows_redirects: bool,
    ) -> Client {
        Client(Arc::new(Inner {
            tls: Arc::new(tls),
            proxy,
            timeouts,
            follows_redirects,
            kept: Mutex::new(None),
        }))
    }

    /// The longest time that this client waits for data ([`Timeouts::stall`]).
    pub(super) fn stall(&self) -> Duration {
        self.0.timeouts.stall
    }

    /// Sends a request, and follows redirects if this client does that. Returns the last answer,
    /// whatever its status is, before its body is read.
    pub(super) fn send(&self, message: &Message<'_>, url: &Url) -> io::Result<Response> {
        let mut answer = self.send_once(message, url)?;
        let mut redirects = 0;
        while let Some(target) = self.target(&answer) {
            if target.scheme() != "https" {
                return Err(io::Error::other(
                    "redirected to a URL that does not begin with https",
                ));
            }
            if redirects == REDIRECTS {
                return Err(io::Error::other("redirected more than 5 times"));
            }
            redirects += 1;
            answer = self.send_once(message, &target)?;
        }
        Ok(answer)
    }

    /// The URL that an answer redirects to; `None` when the answer is no redirect or names no valid
    /// URL, or when this client does not follow redirects.
    fn target(&self, answer: &Response) -> Option<Url> {
        let redirects = matches!(answer.status().0, 301 | 302 | 303 | 307 | 308);
        let location = answer.header("location");
        let location = location.filter(|_| redirects && self.0.follows_redirects)?;
        answer.url().join(location).ok()
    }

    fn send_once(&self, message: &Message<'_>, url: &Url) -> io::Result<Response> {
        let kept = self.kept().take();
        let kept =
            kept.filter(|(origin, connection)| *origin == url.origin() && connection.is_quiet());
        if let Some((_, connection)) = kept {
            match self.exchange(connection, message, url) {
                // The server has closed the kept connection. Only a GET is sent again over a new
                // connection, because sending a GET twice does no harm.
                Err(error) if was_closed(&error) && message.method == "GET" => {}
                result => return result,
            }
        }
        let Inner {
            tls,
            proxy,
            timeouts,
            ..
        } = &*self.0;
        let connection = connect(url, tls, proxy.as_ref(), timeouts.connect)?;
        self.exchange(connection, message, url)
    }

    /// Sends a request over a connection, and receives the head of its answer.
    fn exchange(
        &self,
        mut connection: Connection,
        message: &Message<'_>,
        url: &Url,
    ) -> io::Result<Response> {
        let deadline = Deadline::for_data(self.stall());
        connection.send(&bytes(message, url), deadline)?;
        loop {
            match Head::parse(connection.ahead())? {
                Some((head, len)) => {
                    connection.consume(len);
                    // Heads with a status of 1xx may come before the head of the answer (RFC 9110,
                    // 15.2). They are skipped.
                    if head.status.0 / 100 != 1 {
                        let framing = head.framing(message.method)?;
                        return Ok(self.answer(url, head, framing, connection));
                    }
                }
                None if connection.ahead().len() > HEAD_MAX => {
                    return Err(invalid("its headers are too long"));
                }
                None => connection.look_ahead(deadline)?,
            }
        }
    }

    fn answer(&self, url: &Url, head: Head, framing: Framing, connection: Connection) -> Response {
        Response::new(self.clone(), url.clone(), head, framing, connection)
    }

    /// Keeps a connection for the next request to the server of `url`.
    pub(super) fn keep(&self, url: &Url, connection: Connection) {
        *self.kept() = Some((url.origin(), connection));
    }

    fn kept(&self) -> MutexGuard<'_, Option<(Origin, Connection)>> {
        self.0
            .kept
            .lock()
            .expect("no thread panics while it holds the lock")
    }
}

/// Whether an error says that the server closed the connection.
fn was_closed(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let kinds = [
        BrokenPipe,
        ConnectionAborted,
        ConnectionReset,
        UnexpectedEof,
    ];
    kinds.contains(&error.kind())
}

/// The bytes of a request to the server of `url`.
fn bytes(message: &Message<'_>, url: &Url) -> Vec<u8> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let (method, path) = (message.method, url.path());
    let query = url
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    let agent = concat!("muster/", env!("CARGO_PKG_VERSION"));
    let mut text = format!(
        "{method} {path}{query} HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: {agent}\r\n\
         Accept: */*\r\n{}",
        message.headers
    );
    if method == "POST" {
        text += &format!("Content-Length: {}\r\n", message.body.len());
    }
    text += "\r\n";
    [text.as_bytes(), message.body].concat()
}
