//! Checks the CA of the k3s server against the CA hash in the join token, and makes a certificate
//! verifier that trusts only this CA.

use super::certificate::Certificate;
use super::chain::root_of_first;
use super::verifier::Pinned;
use crate::digest::Sha256;
use anyhow::{Context, Result};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use std::fmt;
use std::sync::Arc;

/// A k3s server's CA.
#[derive(Clone, Debug)]
pub struct Ca {
    /// The CA certificates that are trusted.
    anchors: Vec<CertificateDer<'static>>,
    /// The other certificates in the answer of `/cacerts`. They are not trusted by themselves, but
    /// can complete the chain from the server's own certificate to an anchor.
    intermediates: Vec<CertificateDer<'static>>,
}

/// Why the answer of `/cacerts` is not accepted as the CA that the join token pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untrusted {
    /// The answer contains no certificate, or a damaged one.
    Unreadable,
    /// The hash in the join token is neither the hash of the whole answer nor the hash of a
    /// certificate in the answer.
    OtherCa,
    /// The hash in the join token is the hash of the whole answer or of a certificate in the
    /// answer. But k3s's agent would hash something else (another certificate, or the whole
    /// answer), and then refuse the answer.
    NotTheRoot,
    /// The chain from the first certificate in the answer ends in the pinned CA, but a certificate
    /// of this chain has expired or is not valid yet, according to this board's clock.
    NotNow,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Untrusted::Unreadable => "the answer is not a CA certificate",
            Untrusted::OtherCa => "the server's CA does not match the CA hash in the join token",
            Untrusted::NotTheRoot => {
                "the answer contains the CA whose hash is in the join token, but the chain of the \
                 first certificate does not end in this CA, so k3s's agent would refuse the answer"
            }
            Untrusted::NotNow => {
                "the chain of certificates ends in the CA whose hash is in the join token, but a \
                 certificate in this chain is not valid at the time that this board's clock shows"
            }
        })
    }
}

impl std::error::Error for Untrusted {}

impl Ca {
    /// Checks the answer of `/cacerts` against `pin`, the CA hash in the join token. The hash is
    /// computed as k3s does it (`hashCA` in `pkg/clientaccess/token.go`). For an answer with
    /// several certificates, k3s looks for valid chains that begin with the answer's first
    /// certificate, and hashes the DER of the certificate at the end of the first such chain, the
    /// root. When there is no such chain, or when the answer has only one certificate, k3s hashes
    /// all bytes of the answer.
    ///
    /// Only what was hashed is trusted: the whole answer, or the root alone, because anybody could
    /// have added the other certificates to the answer. Without a `pin`, all certificates in the
    /// answer are trusted.
    pub fn check(answer: &[u8], pin: Option<Sha256>, now: UnixTime) -> Result<Ca, Untrusted> {
        let all: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(answer)
            .collect::<Result<_, _>>()
            .map_err(|_| Untrusted::Unreadable)?;
        let read: Option<Vec<Certificate>> = all.iter().map(|der| Certificate::read(der)).collect();
        let read = read.filter(|read| !read.is_empty());
        let read = read.ok_or(Untrusted::Unreadable)?;
        // The root that k3s would hash; `None` when k3s would hash the whole answer. Without `now`,
        // the dates of the certificates are not checked.
        let root = |now| {
            let several = read.len() > 1;
            several.then(|| root_of_first(&read, now)).flatten()
        };
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let root_now = root(Some(now));
        let Some(pin) = pin else {
            return Ok(Ca::whole(all));
        };
        let hashed = root_now.map_or(answer, |root| root.der);
        if Sha256::of(hashed) == pin {
            return Ok(match root_now {
                None => Ca::whole(all),
                Some(_) => Ca::rooted(all, pin),
            });
        }
        if root(None).is_some_and(|root| Sha256::of(root.der) == pin) {
            return Err(Untrusted::NotNow);
        }
        let contains_pinned = read.iter().any(|other| Sha256::of(other.der) == pin);
        Err(match contains_pinned || Sha256::of(answer) == pin {
            true => Untrusted::NotTheRoot,
            false => Untrusted::OtherCa,
        })
    }

    fn whole(anchors: Vec<CertificateDer<'static>>) -> Ca {
        Ca {
            anchors,
            intermediates: Vec::new(),
        }
    }

    fn rooted(all: Vec<CertificateDer<'static>>, pin: Sha256) -> Ca {
        let (anchors, intermediates) = all.into_iter().partition(|der| Sha256::of(der) == pin);
        Ca {
            anchors,
            intermediates,
        }
    }

    /// The CA certificates that are trusted.
    pub fn anchors(&self) -> &[CertificateDer<'static>] {
        &self.anchors
    }

    /// A verifier that accepts a server certificate only when its chain ends in an anchor of this
    /// CA.
    pub(super) fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>> {
        let mut roots = RootCertStore::empty();
        for anchor in &self.anchors {
            roots
                .add(anchor.clone())
                .context("the server's CA certificate is damaged")?;
        }
        let inner =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Arc::new(Pinned {
            inner,
            intermediates: self.intermediates.clone(),
        }))
    }
}

#[cfg(test)]
mod tests;
