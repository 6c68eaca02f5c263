//! Makes HTTP clients with this boot's proxy, timeouts and trusted certificates.
//!
//! [`ca`] checks the k3s server's CA, with the help of `certificate` and `chain`. `verifier`
//! verifies the server's certificate with this CA. [`identity`] is the board's client certificate.
//! [`request`] sends a request. [`failure`] tells which failures are retried, and `explain` writes
//! their messages. [`retry`] repeats a request. [`headers`] parses the values of two headers. The
//! other modules speak HTTP/1.1: a [`client`] opens connections (`connect`, `proxy`, `connection`,
//! `tls`) and receives a [`response`] (`head`).

pub mod ca;
mod certificate;
mod chain;
pub mod client;
mod connect;
mod connection;
mod explain;
pub mod failure;
mod head;
pub mod headers;
pub mod identity;
mod proxy;
pub mod request;
pub mod response;
pub mod retry;
mod tls;
mod verifier;

pub use ca::Ca;
pub use client::Client;
pub use failure::Failure;
pub use head::Status;
pub use identity::Identity;
pub use proxy::proxy_url;
pub use request::Request;
pub use response::Response;

use anyhow::{Context, Result};
use proxy::Proxy;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CipherSuite, ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long connecting may take, how long data may be missing, and how slow a download may be.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The longest time to connect. It includes the TLS handshake, but not the time to look up the
    /// host name.
    pub connect: Duration,
    /// The longest time without data on an open connection, and the longest time until the head of
    /// an answer is complete. The time of a whole download has no limit, so that it can succeed
    /// over a slow network too.
    pub stall: Duration,
    /// A download that is slower than this is stopped, and the next mirror is tried.
    pub minimum_rate: MinimumRate,
}

/// The lowest transfer rate that is accepted: `bytes` in each `window`.
#[derive(Clone, Copy, Debug)]
pub struct MinimumRate {
    /// The number of bytes that must arrive in each window.
    pub bytes: u64,
    /// When fewer bytes than this arrive in a window, the download stops if another mirror may be
    /// faster, and that mirror is tried.
    pub slow: u64,
    /// The length of a window.
    pub window: Duration,
}

impl MinimumRate {
    /// How many bytes arrive in a window at a rate of `bytes` in the time `elapsed`.
    pub fn in_a_window(&self, bytes: u64, elapsed: Duration) -> u64 {
        // A time of less than a second counts as one second, because it says little about the rate.
        let seconds = elapsed.as_secs().max(1);
        bytes * self.window.as_secs() / seconds
    }
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(15),
            minimum_rate: MinimumRate {
                bytes: 32 * 1024,
                slow: 2 << 20,
                window: Duration::from_secs(30),
            },
        }
    }
}

/// Makes HTTP clients with this boot's timeouts, proxy and trusted certificates. Public hosts are
/// all hosts except the k3s server.
#[derive(Clone, Debug)]
pub struct Clients {
    /// The timeouts of every client that is made from now on.
    pub timeouts: Timeouts,
    proxy: Option<Proxy>,
    /// The proxy for the k3s server: the same as `proxy`, or `None` when the server is reached
    /// directly.
    server_proxy: Option<Proxy>,
    /// The CAs for public hosts, in PEM; `None` for the built-in ones.
    cas: Option<Vec<u8>>,
    provider: Arc<CryptoProvider>,
}

impl Clients {
    /// `https_proxy` is the proxy's URL. `no_proxy` lists the hosts that are reached without the
    /// proxy, with commas between them. `cas` has the CAs for public hosts in PEM, which replace
    /// the built-in CAs.
    pub fn new(https_proxy: Option<Url>, no_proxy: Option<&str>, cas: Option<Vec<u8>>) -> Clients {
        Clients {
            timeouts: Timeouts::default(),
            proxy: https_proxy.map(|url| Proxy::new(url, no_proxy)),
            server_proxy: None,
            cas,
            provider: Arc::new(provider(has_aes())),
        }
    }

    /// From this call on, the k3s server is reached through the proxy too. Without this call muster
    /// reaches the server directly, as k3s does (k3s, `pkg/agent/loadbalancer/httpproxy.go`).
    pub fn allow_proxy_to_server(&mut self) {
        self.server_proxy = self.proxy.clone();
    }

    /// A client for public hosts. It follows a redirect only to an https URL.
    pub fn public(&self) -> Result<Client> {
        Ok(self.public_client(self.public_tls()?, true))
    }

    /// A client for public hosts that follows no redirects, so that the caller can read their
    /// target.
    pub fn public_without_redirects(&self) -> Result<Client> {
        Ok(self.public_client(self.public_tls()?, false))
    }

    fn public_tls(&self) -> Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        match &self.cas {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    roots.add(certificate.context("a certificate in SSL_CERT_FILE is damaged")?)?;
                }
            }
        }
        Ok(self
            .tls()?
            .with_root_certificates(roots)
            .with_no_client_auth())
    }

    /// A client for the k3s server. It accepts a server certificate only when its chain ends in
    /// `ca`. With an `identity`, the client also sends a client certificate. It follows no
    /// redirects, because k3s sends none.
    pub fn pinned(&self, ca: &Ca, identity: Option<&Identity>) -> Result<Client> {
        let config = self
            .tls()?
            .dangerous()
            .with_custom_certificate_verifier(ca.verifier(self.provider.clone())?);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => config
                .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
                .context("the client certificate cannot be used")?,
        };
        Ok(self.server_client(config))
    }

    /// A client without certificate verification, for `/cacerts` only. The CA that it fetches is
    /// compared with the CA hash in the token before anything else is sent. A token without a CA
    /// hash leaves the server unauthenticated.
    pub fn unverified(&self) -> Result<Client> {
        let verifier: Arc<dyn ServerCertVerifier> =
            Arc::new(verifier::Unverified(self.provider.clone()));
        let config = self
            .tls()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(self.server_client(config))
    }

    fn tls(&self) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>> {
        ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .context("cannot set up TLS")
    }

    fn public_client(&self, config: ClientConfig, follows_redirects: bool) -> Client {
        Client::new(config, self.proxy.clone(), self.timeouts, follows_redirects)
    }

    fn server_client(&self, config: ClientConfig) -> Client {
        Client::new(config, self.server_proxy.clone(), self.timeouts, false)
    }
}

/// The cryptography of ring. On a CPU without AES instructions, such as the CPU of a Raspberry Pi
/// 4, the cipher suites with ChaCha20-Poly1305 come first. On a Raspberry Pi 4 they are over four
/// times as fast as AES. Go servers such as k3s prefer ChaCha20-Poly1305 when the client lists it
/// first.
fn provider(has_aes: bool) -> CryptoProvider {
    let mut provider = ring::default_provider();
    if !has_aes {
        let is_chacha = |suite: CipherSuite| {
            use CipherSuite as Suite;
            matches!(
                suite,
                Suite::TLS13_CHACHA20_POLY1305_SHA256
                    | Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
                    | Suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
            )
        };
        provider
            .cipher_suites
            .sort_by_key(|suite| !is_chacha(suite.suite()));
    }
    provider
}

/// Whether this CPU has instructions for AES.
fn has_aes() -> bool {
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
    return false;
}

/// The URL `base` with `segments` added to its path. Each segment is escaped.
pub fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // This fails only for a URL without a host, which the settings do not accept.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chacha_comes_first_when_the_cpu_has_no_aes() {
        assert_eq!(
            provider(false).cipher_suites[0].suite(),
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
        );
        assert_ne!(
            provider(true).cipher_suites[0].suite(),
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
        );
        assert_eq!(
            provider(false).cipher_suites.len(),
            provider(true).cipher_suites.len()
        );
    }
}
