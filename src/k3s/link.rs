//! Connects to the k3s server. A link has the server's URL, the join token, and the connection,
//! which is made when a step first needs the server.

use super::refusal;
use super::server::{ANSWER_MAX, Server};
use super::token::JoinToken;
use crate::host::Host;
use crate::http::retry::retry;
use crate::http::{Ca, Clients, Failure, Request, below};
use anyhow::{Result, anyhow};
use log::{info, warn};
use rustls::pki_types::UnixTime;
use std::cell::OnceCell;
use std::time::Duration;
use url::Url;

/// A wait of [`spread`] that is longer than this is logged.
const LOGGED: Duration = Duration::from_secs(5);

/// How long a board waits before its first request with the join token. All boards of a site may be
/// powered on at the same time, and these waits spread the requests of the boards over the time
/// `over`. `seed` is a number that differs between boards ([`crate::board::mac::Mac::seed`]).
pub fn spread(seed: u64, over: Duration) -> Duration {
    over.mul_f64(seed as f64 / u64::MAX as f64)
}

/// The link to the k3s server. The connection is made when a step first needs the server, and then
/// kept for the later steps.
pub struct ServerLink {
    url: Url,
    token: JoinToken,
    clients: Clients,
    /// The time over which the boards of a site spread their registration.
    spread: Duration,
    server: OnceCell<Option<Server>>,
}

impl ServerLink {
    /// Makes the link to the server at `url`. This sends nothing yet. `spread` is the time over
    /// which the boards of a site spread their registration (`MUSTER_SPREAD`).
    pub fn new(url: Url, token: JoinToken, clients: &Clients, spread: Duration) -> ServerLink {
        ServerLink {
            url,
            token,
            clients: clients.clone(),
            spread,
            server: OnceCell::new(),
        }
    }

    /// The server's URL without a slash at its end, as `K3S_URL` is written.
    pub fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The join token, or [`JoinToken::Unreadable`] when this user may not read the token.
    pub fn token(&self) -> &JoinToken {
        &self.token
    }

    /// Connects to the server, and retries while the server is down. Then waits for this board's
    /// turn to register. If the connection was made before, returns it at once. Returns `None` in a
    /// dry run. `seed` is a number that differs between boards ([`crate::board::mac::Mac::seed`]).
    /// The wait for the turn and the jitter of the retries are derived from `seed`.
    pub fn connect(&self, host: &Host, seed: u64) -> Result<Option<&Server>> {
        if let Some(server) = self.server.get() {
            return Ok(server.as_ref());
        }
        let what = format!(
            "ask {}, and check the answer against the token's CA hash",
            self.cacerts()
        );
        let server = host.ask(what, || {
            let server = retry(host, seed, "the k3s server", || self.reach())?;
            // The wait for the turn comes only now, because all boards that waited for a starting
            // server get here at the same time. The requests for the CA before this wait cost the
            // server little.
            self.wait_for_turn(host, seed)?;
            for warning in self.token.warnings() {
                warn!(target: host.step(), "{warning}");
            }
            Ok(server)
        })?;
        Ok(self.server.get_or_init(|| server).as_ref())
    }

    /// The server, if a step has connected to it already.
    pub fn connected(&self) -> Option<&Server> {
        self.server.get()?.as_ref()
    }

    /// Waits for this board's turn to send its first request with the join token. Fails when the
    /// settings or the token have changed ([`Host::wait`]).
    fn wait_for_turn(&self, host: &Host, seed: u64) -> Result<()> {
        let wait = spread(seed, self.spread);
        if wait > LOGGED {
            let seconds = wait.as_secs();
            info!(
                target: host.step(),
                "waiting {seconds} s, so that not all boards register at once (MUSTER_SPREAD)"
            );
        }
        host.wait(wait)
    }

    fn cacerts(&self) -> Url {
        below(&self.url, &["cacerts"])
    }

    /// Makes one attempt to reach the server and to check its CA. Before the CA is checked, only
    /// the request for the CA is sent, and never the token.
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
