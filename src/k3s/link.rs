//! The way to the k3s server: its URL and the join token, and the connection that a step needs first.

use super::refusal;
use super::server::{ANSWER_MAX, Server};
use super::token::JoinToken;
use crate::host::Host;
use crate::http::retry::retry;
use crate::http::{Ca, Clients, Failure, Request, below};
use anyhow::{Result, anyhow};
use log::warn;
use rustls::pki_types::UnixTime;
use std::cell::OnceCell;
use std::time::Duration;
use url::Url;

/// The time over which the boards of a site spread their first question after a common power-on. It
/// is short for one board, and long enough that a server which admits 10 requests at a time gets
/// those of hundreds of boards one after the other.
const SPREAD: Duration = Duration::from_millis(1500);

/// How long the board with this seed waits before its first question.
pub fn spread(seed: u64) -> Duration {
    SPREAD.mul_f64(seed as f64 / u64::MAX as f64)
}

/// The way to the server. It is connected when a step first needs it, and then kept.
pub struct ServerLink {
    url: Url,
    token: JoinToken,
    clients: Clients,
    server: OnceCell<Option<Server>>,
}

impl ServerLink {
    /// The way to the server at `url`. Nothing is sent yet.
    pub fn new(url: Url, token: JoinToken, clients: &Clients) -> ServerLink {
        ServerLink {
            url,
            token,
            clients: clients.clone(),
            server: OnceCell::new(),
        }
    }

    /// The server's URL without a slash at its end, as `K3S_URL` is written.
    pub fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The join token, where this user could read it.
    pub fn token(&self) -> &JoinToken {
        &self.token
    }

    /// The server, which is waited for while it is down; `None` in a dry run. `seed` is the board's
    /// own number, for its delays.
    pub fn connect(&self, host: &Host, seed: u64) -> Result<Option<&Server>> {
        if let Some(server) = self.server.get() {
            return Ok(server.as_ref());
        }
        let what = format!(
            "ask {}, and check it against the token's CA hash",
            self.cacerts()
        );
        let server = host.ask(what, || {
            host.sleep(spread(seed));
            let server = retry(host, seed, "the k3s server", || self.reach())?;
            self.warn_of_token(host);
            Ok(server)
        })?;
        Ok(self.server.get_or_init(|| server).as_ref())
    }

    fn warn_of_token(&self, host: &Host) {
        let JoinToken::Read(token) = &self.token else {
            return;
        };
        if token.ca().is_none() {
            warn!(
                target: host.step(),
                "the join token has no CA hash (K10...), so that nothing proves that this is your \
                 server: use the whole token"
            );
        }
        if token.is_server_token() {
            warn!(
                target: host.step(),
                "the join token is the server's own (its user is `server`), with which a board \
                 could administer the cluster: start the server with --agent-token, and put its \
                 file server/agent-token on the boards"
            );
        }
    }

    fn cacerts(&self) -> Url {
        below(&self.url, &["cacerts"])
    }

    /// One attempt to reach the server and to check its CA. Until the CA is
    /// checked, nothing but the request for the CA is sent.
    pub fn reach(&self) -> Result<Server, Failure> {
        let JoinToken::Read(token) = &self.token else {
            return Err(anyhow!("the join token was not read").into());
        };
        let url = self.cacerts();
        let answer = Request::get(&self.clients.unverified()?, &url).body(ANSWER_MAX)?;
        let ca = Ca::check(&answer, token.ca(), UnixTime::now())
            .map_err(|why| refusal::untrusted(&url, why))?;
        Ok(Server::new(
            self.url.clone(),
            token.clone(),
            self.clients.clone(),
            ca,
        )?)
    }
}
