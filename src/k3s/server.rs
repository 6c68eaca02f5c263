//! Requests to the k3s server, with the join token or with a client certificate.
//!
//! `docs/design.md` lists these requests and the server's answers. The server computes a slow hash
//! (scrypt) for each request with the join token, so a boot needs only one such request:
//! [`Server::register`]. The answer has a client certificate, with which muster then asks for the
//! server's version.

use super::refusal;
use super::release::Tag;
use super::token::{Credential, Token};
use crate::board::node::Node;
use crate::host::Host;
use crate::http::identity::SigningRequest;
use crate::http::request::Refusal;
use crate::http::retry::retry;
use crate::http::{Ca, Client, Clients, Failure, Identity, Request, below};
use anyhow::{Result, anyhow};
use log::info;
use std::cell::{Cell, OnceCell};
use std::net::IpAddr;
use std::time::Duration;
use url::Url;

/// The largest answer that is read from a server (bytes). Certificates and versions are much
/// smaller.
pub(super) const ANSWER_MAX: u64 = 256 * 1024;

/// When muster has waited this long for the server's version, the error messages also name a
/// setting with which muster does not need this version.
const VERSION_PATIENCE: Duration = Duration::from_secs(120);

/// How many API servers are asked at most when the server itself runs only etcd and no API server.
const API_SERVERS_MAX: usize = 8;

/// A k3s server whose CA was checked against the CA hash in the token, if the token has one.
pub struct Server {
    url: Url,
    token: Token,
    clients: Clients,
    ca: Ca,
    client: Client,
    /// The client certificate that this server has given to this process; empty until then.
    identity: OnceCell<Identity>,
    /// Whether the server accepts certificate signing requests; `true` until it has refused one.
    accepts_csr: Cell<bool>,
}

/// The values of the `k3s-Node-*` headers, which identify a node that asks for its certificate.
struct NodeHeaders<'a> {
    name: &'a str,
    password: &'a str,
    address: IpAddr,
}

impl Server {
    /// The server at `url`. The chain of its certificate must end in `ca`.
    pub(super) fn new(url: Url, token: Token, clients: Clients, ca: Ca) -> Result<Server> {
        let client = clients.pinned(&ca, None)?;
        Ok(Server {
            url,
            token,
            clients,
            ca,
            client,
            identity: OnceCell::new(),
            accepts_csr: Cell::new(true),
        })
    }

    /// Whether the token pins the server's CA. Without a pinned CA the server is unauthenticated,
    /// and its checksum file is not trusted.
    pub fn pins(&self) -> bool {
        self.token.ca().is_some()
    }

    /// Whether the server has accepted the join token, and so has given this process a client
    /// certificate.
    pub fn accepts_token(&self) -> bool {
        self.identity.get().is_some()
    }

    /// A client that trusts this server's CA and no other.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The URL on this server below which the operator may have put the files of k3s releases.
    pub fn release_url(&self) -> Url {
        below(&self.url, &["static", "k3s"])
    }

    /// Asks the server to accept this node with its node password, and retries until the server is
    /// ready. The server stores the password when it sees the node's name for the first time.
    pub fn register(&self, host: &Host, node: &Node, password: &str) -> Result<()> {
        let seed = node.mac.seed();
        retry(host, seed, "registration of this node", || {
            let address = host.address(&node.interface).ok_or_else(|| {
                Failure::transient(anyhow!("{} has lost its address", node.interface))
            })?;
            self.ask_acceptance(node.name.as_str(), password, address)
        })?;
        host.set_result(format!("the server accepts {}", node.name));
        Ok(())
    }

    /// Requests the kubelet's certificate for the node `name`, without retries. k3s's agent sends
    /// the same request later, so the answer tells whether the server accepts the node.
    pub fn ask_acceptance(
        &self,
        name: &str,
        password: &str,
        address: IpAddr,
    ) -> Result<(), Failure> {
        let node = NodeHeaders {
            name,
            password,
            address,
        };
        let identity = self.certificate("client-kubelet.crt", Some(&node))?;
        self.identity.get_or_init(|| identity);
        Ok(())
    }

    /// Asks for the release that the server runs, and retries until the server answers.
    pub fn version(&self, host: &Host, seed: u64) -> Result<Tag> {
        let since = host.uptime();
        let tag = retry(host, seed, "the k3s server's version", || {
            let waited = host.uptime().saturating_sub(since);
            self.ask_version()
                .map_err(|failure| with_remedy(failure, waited))
        })?;
        info!(target: host.step(), "the server runs k3s {tag}");
        Ok(tag)
    }

    /// Asks for the release that the server runs, without retries. This needs a client certificate.
    /// If this process has none yet, it requests a certificate of the kube-proxy, because the
    /// server stores nothing for such a request.
    pub fn ask_version(&self) -> Result<Tag, Failure> {
        let identity = match self.identity.get() {
            Some(identity) => identity,
            None => {
                let identity = self.certificate("client-kube-proxy.crt", None)?;
                self.identity.get_or_init(|| identity)
            }
        };
        let client = self.clients.pinned(&self.ca, Some(identity))?;
        match version_at(&client, &self.url) {
            Ok(tag) => Ok(tag),
            Err(refusal) if refusal::is_etcd_only(&refusal) => self.ask_api_servers(&client),
            Err(refusal) => Err(refusal::of_version(&self.url, refusal)),
        }
    }

    /// Asks an etcd-only server for a list of API servers, and then asks these API servers in turn
    /// for the release, until one answers.
    fn ask_api_servers(&self, client: &Client) -> Result<Tag, Failure> {
        let url = below(&self.url, &["v1-k3s", "apiservers"]);
        let answer = Request::get(client, &url)
            .body(ANSWER_MAX)
            .map_err(Failure::into_transient)?;
        let mut last = Failure::transient(anyhow!(
            "{}: this server runs only etcd, and does not know an API server yet",
            self.url
        ));
        for url in api_servers(&answer) {
            match version_at(client, &url) {
                Ok(tag) => return Ok(tag),
                Err(refusal) => last = refusal::of_version(&url, refusal),
            }
        }
        Err(last)
    }

    /// Requests a certificate, without retries. The request is a signing request for a key that
    /// this process made. A server that does not accept signing requests gets a GET request
    /// instead, and sends a key with the certificate. muster never writes that key to a file.
    fn certificate(&self, file: &str, node: Option<&NodeHeaders>) -> Result<Identity, Failure> {
        let url = below(&self.url, &["v1-k3s", file]);
        let request = SigningRequest::new()?;
        let by_request = || Request::post(&self.client, &url, request.der().to_vec());
        let by_get = || Request::get(&self.client, &url);
        let answer = match self.accepts_csr.get() {
            false => self.ask(by_get(), node),
            true => match self.ask(by_request(), node) {
                Err(refusal) if matches!(refusal.failure.status(), Some(404 | 405 | 501)) => {
                    self.accepts_csr.set(false);
                    self.ask(by_get(), node)
                }
                answer => answer,
            },
        };
        let name = node.map(|node| node.name);
        let answer = answer.map_err(|refusal| refusal::of_certificate(&url, refusal, name))?;
        Identity::of_answer(&answer, &request)
            .map_err(|error| Failure::transient(anyhow!("{url}: {error:#}")))
    }

    /// Sends a request with the join token. With a `node`, the request also has the headers that
    /// identify the node.
    fn ask(&self, request: Request, node: Option<&NodeHeaders>) -> Result<Vec<u8>, Refusal> {
        let request = match self.token.credential() {
            Credential::Password(password) => request.basic_auth("node", password),
            Credential::Bootstrap { id, secret } => request.bearer_auth(&format!("{id}.{secret}")),
        };
        let request = match node {
            None => request,
            Some(node) => request
                .header("k3s-Node-Name", node.name)
                .header("k3s-Node-Password", node.password)
                .header("k3s-Node-IP", &node.address.to_string()),
        };
        request.body_or_refusal(ANSWER_MAX)
    }
}

/// Asks one API server for its release, without retries.
fn version_at(client: &Client, server: &Url) -> Result<Tag, Refusal> {
    let url = below(server, &["version"]);
    let answer = Request::get(client, &url).body_or_refusal(ANSWER_MAX)?;
    git_version(&answer).ok_or_else(|| Refusal {
        failure: Failure::transient(anyhow!("{url}: the answer names no k3s release")),
        explanation: Vec::new(),
    })
}

/// When muster has waited as long as [`VERSION_PATIENCE`], adds a remedy to the failure's message:
/// a setting with which muster does not need the server's version. Nothing is added when the dates
/// of a certificate are the cause.
fn with_remedy(failure: Failure, waited: Duration) -> Failure {
    if waited < VERSION_PATIENCE || failure.is_about_dates() {
        return failure;
    }
    failure.map_error(|error| {
        anyhow!("{error:#}; to go on without the server's answer, set INSTALL_K3S_VERSION")
    })
}

/// Reads the servers in the answer of `/v1-k3s/apiservers`, a JSON list of `<host>:<port>`.
pub fn api_servers(answer: &[u8]) -> Vec<Url> {
    let list: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let addresses = list.as_array().into_iter().flatten();
    addresses
        .filter_map(|address| Url::parse(&format!("https://{}/", address.as_str()?)).ok())
        .take(API_SERVERS_MAX)
        .collect()
}

/// Reads the release tag in the answer of `/version` (Kubernetes, version.Info).
pub fn git_version(answer: &[u8]) -> Option<Tag> {
    let info: serde_json::Value = serde_json::from_slice(answer).ok()?;
    Tag::parse(info.get("gitVersion")?.as_str()?)
}

#[cfg(test)]
mod tests;
