//! The k3s server, spoken to as k3s's own agent does, with nothing but the join token (paths and answers: `docs/design.md`).

use crate::board::node::Node;
use crate::host::Host;
use crate::http::retry::retry;
use crate::http::{Ca, Client, Clients, Failure, Request, below};
use crate::k3s::release::Tag;
use crate::k3s::token::{Credential, JoinToken, Token};
use anyhow::{Result, anyhow};
use log::{info, warn};
use reqwest::Url;
use std::cell::OnceCell;
use std::time::Duration;

/// A site that powers on at once spreads its first questions over this time: short for one board, and enough that a server that
/// admits 20 requests at a time sees hundreds of boards come one after the other.
const SPREAD: Duration = Duration::from_millis(1500);

/// How long the board with this seed holds back its first question.
pub fn spread(seed: u64) -> Duration {
    SPREAD.mul_f64(seed as f64 / u64::MAX as f64)
}

/// The largest answer that is read here (bytes); certificates and versions are far smaller.
const ANSWER_MAX: u64 = 256 * 1024;

/// The way to the server: connected once, when a step first needs it.
pub struct ServerLink {
    url: Url,
    token: JoinToken,
    net: Clients,
    server: OnceCell<Option<Server>>,
}

/// The server, after it proved itself by the CA that the token pins.
pub struct Server {
    url: Url,
    token: Token,
    net: Clients,
    ca: Ca,
    client: Client,
}

impl ServerLink {
    pub fn new(url: Url, token: JoinToken, net: &Clients) -> ServerLink {
        ServerLink {
            url,
            token,
            net: net.clone(),
            server: OnceCell::new(),
        }
    }

    /// The server's URL without a slash at its end, as `K3S_URL` is written.
    pub fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    pub fn token(&self) -> &JoinToken {
        &self.token
    }

    /// The server, waited for while it is down; `None` on a plan. `seed` is the board's, for its place in the queue.
    pub fn connect(&self, host: &Host, seed: u64) -> Result<Option<&Server>> {
        if let Some(server) = self.server.get() {
            return Ok(server.as_ref());
        }
        let url = below(&self.url, &["cacerts"]);
        let server = host.ask(format_args!("ask {url}, and check it against the token's CA hash"), || {
            host.sleep(spread(seed));
            let server = retry(host, seed, "the k3s server", || self.reach())?;
            if !server.pins() {
                warn!(target: host.step(), "the join token has no CA hash (K10...), so nothing proves that this is your server: use the whole token");
            }
            Ok(server)
        })?;
        Ok(self.server.get_or_init(|| server).as_ref())
    }

    /// One attempt to reach the server and have it prove itself.
    pub fn reach(&self) -> Result<Server, Failure> {
        let JoinToken::Read(token) = &self.token else {
            return Err(anyhow!("the join token was not read").into());
        };
        let ca = self.pin(&below(&self.url, &["cacerts"]), token)?;
        let client = self.net.pinned(&ca, None)?;
        Ok(Server {
            url: self.url.clone(),
            token: token.clone(),
            net: self.net.clone(),
            ca,
            client,
        })
    }

    /// Fetches the server's CA, from whoever answers, and holds it against the token.
    fn pin(&self, url: &Url, token: &Token) -> Result<Ca, Failure> {
        let answer = Request::get(&self.net.unverified()?, url).body(ANSWER_MAX)?;
        Ca::check(&answer, token.ca()).map_err(|error| {
            Failure::permanent(anyhow!(
                "{url}: {error}: the token is another cluster's, the server's CA was changed, or this is not your server; \
                 put the server's own token (its file server/node-token) on the board"
            ))
        })
    }
}

impl Server {
    /// Whether the token pins the server's CA: only then is a digest from it worth anything.
    pub fn pins(&self) -> bool {
        self.token.ca().is_some()
    }

    /// A client that trusts this server's CA and no other.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where the server serves a release's asset, when the operator put it there.
    pub fn release_url(&self) -> Url {
        below(&self.url, &["static", "k3s"])
    }

    /// The release that the server runs, waited for while the server is not ready to say.
    pub fn version(&self, host: &Host, seed: u64) -> Result<Tag> {
        let tag = retry(host, seed, "the k3s server's version", || {
            self.ask_version()
        })?;
        info!(target: host.step(), "the server runs k3s {tag}");
        Ok(tag)
    }

    /// One question for the release. The answer needs a client certificate, which the token gets.
    pub fn ask_version(&self) -> Result<Tag, Failure> {
        let certificate = below(&self.url, &["v1-k3s", "client-kube-proxy.crt"]);
        let version = below(&self.url, &["version"]);
        let identity = self
            .authorized(&certificate)
            .body(ANSWER_MAX)
            .map_err(|failure| self.refused(failure))?;
        let client = self.net.pinned(&self.ca, Some(&identity))?;
        // For some seconds after its start the server refuses even this certificate, until its roles are in place.
        let answer = Request::get(&client, &version)
            .body(ANSWER_MAX)
            .map_err(Failure::into_transient)?;
        git_version(&answer)
            .ok_or_else(|| Failure::transient(anyhow!("{version}: the answer names no release")))
    }

    /// Asks for the node's certificate, as k3s will: whether the server takes this node under this password. It remembers the
    /// password of a name that it sees for the first time.
    pub fn accepts(&self, host: &Host, node: &Node, password: &str) -> Result<()> {
        let url = below(&self.url, &["v1-k3s", "client-kubelet.crt"]);
        retry(
            host,
            node.mac.seed(),
            "the k3s server's word on this node",
            || {
                let address = host.address(&node.interface).ok_or_else(|| {
                    Failure::transient(anyhow!("{} has no address", node.interface))
                })?;
                self.authorized(&url)
                .header("k3s-Node-Name", node.name.as_str())
                .secret_header("k3s-Node-Password", password)
                .header("k3s-Node-IP", &address.to_string())
                .body(ANSWER_MAX)
                .map_err(|failure| match failure.status() {
                    Some(403) => Failure::permanent(anyhow!(
                        "{url}: the server knows {name} by another node password; if this is that node, run on the server: \
                         kubectl -n kube-system delete secret {name}.node-password.k3s",
                        name = node.name
                    )),
                    _ => self.refused(failure),
                })
            },
        )?;
        info!(target: host.step(), "the server accepts {}", node.name);
        Ok(())
    }

    fn authorized(&self, url: &Url) -> Request {
        let request = Request::get(&self.client, url);
        match self.token.credential() {
            Credential::Password(password) => request.basic_auth("node", password),
            Credential::Bootstrap { id, secret } => request.bearer_auth(&format!("{id}.{secret}")),
        }
    }

    /// What a server's no means for the operator.
    fn refused(&self, failure: Failure) -> Failure {
        match failure.status() {
            Some(401) => Failure::permanent(anyhow!(
                "{} does not accept the join token: it was changed or has expired; put the server's token (its file server/node-token) on the board",
                self.url
            )),
            _ => failure,
        }
    }
}

/// The release tag in the answer of `/version` (Kubernetes, version.Info).
pub fn git_version(answer: &[u8]) -> Option<Tag> {
    let info: serde_json::Value = serde_json::from_slice(answer).ok()?;
    Tag::parse(info.get("gitVersion")?.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let tag = git_version(br#"{"major":"1","gitVersion":"v1.34.1+k3s1"}"#);
        assert_eq!(tag, Tag::parse("v1.34.1+k3s1"));
        for answer in [
            "",
            "{}",
            "[]",
            r#"{"gitVersion":1}"#,
            r#"{"gitVersion":"../../etc"}"#,
        ] {
            assert_eq!(git_version(answer.as_bytes()), None, "{answer}");
        }
    }
}
