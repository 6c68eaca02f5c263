//! HTTPS: how connections are made, whom they trust, and what a failed one means.

mod ca;
mod failure;

pub use ca::Ca;
pub use failure::{Failure, retry_after};
pub use reqwest::blocking::{Client, Response};

use anyhow::{Context, Result, anyhow};
use reqwest::header::HeaderValue;
use reqwest::{NoProxy, Proxy, Url, redirect};
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, ClientConfig, RootCertStore};
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Redirects that are followed at most.
const REDIRECTS: usize = 5;
/// The longest that a small answer may take once it began: a server that drips is to hold nobody up.
const WHOLE: Duration = Duration::from_secs(15);

/// How long connecting may take, TLS and all, and how long a connection may then be silent.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub connect: Duration,
    /// Without a byte. There is no limit on the whole: a slow link that moves is left alone. (reqwest's blocking client counts its
    /// timeout anew at each read.)
    pub stall: Duration,
    /// Below this a mirror drips, and the next one is tried.
    pub pace: Pace,
}

/// The slowest link that counts as moving: so many bytes in each window.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub bytes: u64,
    pub window: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        let pace = Pace {
            bytes: 32 * 1024,
            window: Duration::from_secs(30),
        };
        Timeouts {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(15),
            pace,
        }
    }
}

/// How this board reaches others.
#[derive(Clone, Debug)]
pub struct Net {
    pub timeouts: Timeouts,
    proxy: Option<Proxy>,
    /// The CAs for public hosts, in PEM; `None` for the built-in ones.
    cas: Option<Vec<u8>>,
    provider: Arc<CryptoProvider>,
}

impl Net {
    pub fn new(
        https_proxy: Option<&str>,
        no_proxy: Option<&str>,
        cas: Option<Vec<u8>>,
    ) -> Result<Net> {
        let proxy = https_proxy
            .map(Proxy::https)
            .transpose()
            .context("the proxy cannot be used")?;
        let proxy = proxy.map(|proxy| proxy.no_proxy(no_proxy.and_then(NoProxy::from_string)));
        Ok(Net {
            timeouts: Timeouts::default(),
            proxy,
            cas,
            provider: Arc::new(provider(has_aes())),
        })
    }

    /// A client for public hosts. Redirects lead to https only.
    pub fn public(&self) -> Result<Client> {
        let policy = redirect::Policy::custom(|attempt| {
            if attempt.url().scheme() != "https" {
                attempt.error("redirected away from https")
            } else if attempt.previous().len() > REDIRECTS {
                attempt.error("redirected too often")
            } else {
                attempt.follow()
            }
        });
        self.client(self.public_tls()?, policy)
    }

    /// The same, for those who want to know where a redirect leads.
    pub fn public_without_redirects(&self) -> Result<Client> {
        self.client(self.public_tls()?, redirect::Policy::none())
    }

    fn public_tls(&self) -> Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        match &self.cas {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    roots.add(
                        certificate
                            .context("SSL_CERT_FILE holds a certificate that cannot be read")?,
                    )?;
                }
            }
        }
        Ok(self
            .tls()?
            .with_root_certificates(roots)
            .with_no_client_auth())
    }

    /// A client for the k3s server that proves itself by `ca`; with `identity` (a certificate and its key in PEM) it proves itself
    /// too. It follows no redirects: k3s sends none.
    pub fn pinned(&self, ca: &Ca, identity: Option<&[u8]>) -> Result<Client> {
        let config = self
            .tls()?
            .dangerous()
            .with_custom_certificate_verifier(ca.verifier(self.provider.clone())?);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(pem) => {
                let chain = CertificateDer::pem_slice_iter(pem)
                    .collect::<Result<_, _>>()
                    .context("no client certificate")?;
                let key = PrivateKeyDer::from_pem_slice(pem)
                    .context("no key for the client certificate")?;
                config
                    .with_client_auth_cert(chain, key)
                    .context("the client certificate cannot be used")?
            }
        };
        self.client(config, redirect::Policy::none())
    }

    /// A client that believes whoever answers, to fetch a CA that is checked before anything else is sent.
    pub fn unverified(&self) -> Result<Client> {
        let verifier: Arc<dyn ServerCertVerifier> = Arc::new(ca::Unverified(self.provider.clone()));
        let config = self
            .tls()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        self.client(config, redirect::Policy::none())
    }

    fn tls(&self) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>> {
        ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .context("TLS cannot be set up")
    }

    fn client(&self, config: ClientConfig, policy: redirect::Policy) -> Result<Client> {
        let builder = Client::builder()
            .tls_backend_preconfigured(config)
            .redirect(policy)
            .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")))
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(self.timeouts.connect)
            .timeout(self.timeouts.stall)
            // What the environment says of proxies has come through the settings.
            .no_proxy();
        let builder = match &self.proxy {
            Some(proxy) => builder.proxy(proxy.clone()),
            None => builder,
        };
        builder.build().context("an HTTP client cannot be made")
    }
}

/// ring, with the cipher suites in the order that this CPU is quick at. A Pi 4 has no AES instructions: ChaCha20-Poly1305 is
/// over four times as fast there, and Go servers, as k3s is one, take the client's first choice between the two.
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

fn has_aes() -> bool {
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
    return false;
}

/// One GET for a small answer.
pub struct Request {
    url: Url,
    inner: reqwest::blocking::RequestBuilder,
}

impl Request {
    pub fn get(client: &Client, url: &Url) -> Request {
        Request {
            url: url.clone(),
            inner: client.get(url.clone()),
        }
    }

    pub fn header(self, name: &str, value: &str) -> Request {
        Request {
            inner: self.inner.header(name, value),
            ..self
        }
    }

    /// A header that no log may show.
    pub fn secret_header(self, name: &str, value: &str) -> Request {
        let value = HeaderValue::from_str(value).map(|mut value| {
            value.set_sensitive(true);
            value
        });
        match value {
            Ok(value) => Request {
                inner: self.inner.header(name, value),
                ..self
            },
            // reqwest keeps the error for `send`.
            Err(_) => Request {
                inner: self.inner.header(name, "\n"),
                ..self
            },
        }
    }

    pub fn basic_auth(self, user: &str, password: &str) -> Request {
        Request {
            inner: self.inner.basic_auth(user, Some(password)),
            ..self
        }
    }

    pub fn bearer_auth(self, token: &str) -> Request {
        Request {
            inner: self.inner.bearer_auth(token),
            ..self
        }
    }

    /// The answer whatever its status is: for those who read its headers.
    pub fn answer(self) -> Result<Response, Failure> {
        self.inner
            .send()
            .map_err(|error| Failure::of_connection(&self.url, &error))
    }

    /// The body of a successful answer of `limit` bytes at most.
    pub fn send(self, limit: u64) -> Result<Vec<u8>, Failure> {
        let url = self.url.clone();
        let mut answer = self.answer()?;
        if !answer.status().is_success() {
            return Err(Failure::of_status(&answer));
        }
        let mut body = Vec::new();
        let mut buffer = [0; 4096];
        let started = Instant::now();
        loop {
            let n = answer
                .read(&mut buffer)
                .map_err(|error| Failure::of_connection(&url, &error))?;
            body.extend_from_slice(&buffer[..n]);
            if body.len() as u64 > limit {
                return Err(Failure::permanent(anyhow!(
                    "{url}: the answer is longer than {limit} bytes"
                )));
            }
            if n == 0 {
                return Ok(body);
            }
            if started.elapsed() > WHOLE {
                return Err(Failure::transient(anyhow!(
                    "{url}: not all of it came in {WHOLE:?}: too slow"
                )));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chacha_comes_first_where_aes_is_slow() {
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
