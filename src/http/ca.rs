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
    /// CA certificates between an anchor and the server's own certificate. They complete the chain
    /// when the server does not send them. They are not trusted by themselves.
    intermediates: Vec<CertificateDer<'static>>,
}

/// Why the answer of `/cacerts` is not accepted as the CA that the join token pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untrusted {
    /// The answer does not consist of certificates, or one of them is damaged.
    Unreadable,
    /// Neither the answer nor a certificate in it has the hash in the join token.
    OtherCa,
    /// The whole answer or a certificate in it has the hash in the join token, but k3s's agent
    /// would compute the hash of something else: of another certificate, or of the whole answer.
    NotTheRoot,
    /// The chain ends in the pinned CA, but a certificate in it has expired or is not valid yet,
    /// according to this board's clock.
    NotNow,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Untrusted::Unreadable => "the answer is not a CA certificate",
            Untrusted::OtherCa => "its CA is not the one in the join token",
            Untrusted::NotTheRoot => {
                "the answer contains the CA that the join token names, but the chain of the first \
                 certificate does not end in this CA, so k3s's agent would refuse the answer"
            }
            Untrusted::NotNow => {
                "the chain of certificates ends in the CA that the join token names, but one of \
                 them is not valid at the time that this board's clock shows"
            }
        })
    }
}

impl std::error::Error for Untrusted {}

impl Ca {
    /// Checks the answer of `/cacerts` against `pin`, the CA hash in the join token. The hash is
    /// computed as k3s does it (`hashCA` in `pkg/clientaccess/token.go`). For one certificate it is
    /// the SHA-256 of the exact answer. For several certificates it is the SHA-256 of the root's
    /// DER, where the root is the end of the first valid chain from the first certificate; without
    /// a valid chain it is the SHA-256 of the exact answer.
    ///
    /// Only what the hash covers is trusted: the whole answer, or the root alone, because anybody
    /// could have added the other certificates. Without a `pin` the whole answer is trusted.
    pub fn check(answer: &[u8], pin: Option<Sha256>, now: UnixTime) -> Result<Ca, Untrusted> {
        let all: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(answer)
            .collect::<Result<_, _>>()
            .map_err(|_| Untrusted::Unreadable)?;
        let read: Option<Vec<Certificate>> = all.iter().map(|der| Certificate::read(der)).collect();
        let read = read.filter(|read| !read.is_empty());
        let read = read.ok_or(Untrusted::Unreadable)?;
        // Without `now`, the dates of the certificates are not checked.
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

    /// A verifier that accepts only server certificates that this CA signed.
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
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use rustls::crypto::ring;
    use rustls::pki_types::ServerName;

    struct Authority {
        pem: String,
        der: CertificateDer<'static>,
        issuer: Issuer<'static, KeyPair>,
    }

    fn authority(name: &str, signed_by: Option<&Authority>) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = match signed_by {
            None => params.self_signed(&key).unwrap(),
            Some(parent) => params.signed_by(&key, &parent.issuer).unwrap(),
        };
        Authority {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Whether a server's certificate by `signer`, sent with `chain`, is accepted.
    fn believes(ca: &Ca, signer: &Authority, chain: &[CertificateDer<'_>]) -> bool {
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["k3s.lan".to_string()])
            .unwrap()
            .signed_by(&key, &signer.issuer)
            .unwrap();
        let verifier = ca.verifier(Arc::new(ring::default_provider())).unwrap();
        let name = ServerName::try_from("k3s.lan").unwrap();
        verifier
            .verify_server_cert(leaf.der(), chain, &name, &[], UnixTime::now())
            .is_ok()
    }

    fn check(answer: &str, pin: Sha256) -> Result<Ca, Untrusted> {
        Ca::check(answer.as_bytes(), Some(pin), UnixTime::now())
    }

    #[test]
    fn one_certificate_is_pinned_by_the_bytes_of_the_answer() {
        let (root, liar) = (authority("k3s", None), authority("k3s", None));
        let pin = Sha256::of(root.pem.as_bytes());
        let ca = check(&root.pem, pin).unwrap();
        assert!(believes(&ca, &root, &[]));
        assert!(!believes(&ca, &liar, &[]));
        assert!(!believes(&ca, &liar, std::slice::from_ref(&liar.der)));
        assert_eq!(check(&liar.pem, pin).unwrap_err(), Untrusted::OtherCa);
        assert_eq!(check("", pin).unwrap_err(), Untrusted::Unreadable);
        // k3s hashes the answer and not the certificate here.
        let error = check(&root.pem, Sha256::of(&root.der)).unwrap_err();
        assert_eq!(error, Untrusted::NotTheRoot);
        // Certificates beside the right one are not covered by the hash.
        for answer in [[&root, &liar], [&liar, &root]] {
            let answer = answer.map(|authority| authority.pem.as_str()).concat();
            assert_eq!(check(&answer, pin).unwrap_err(), Untrusted::OtherCa);
        }
    }

    #[test]
    fn of_a_chain_the_root_of_the_first_certificate_alone_is_trusted() {
        let root = authority("k3s-root", None);
        let middle = authority("k3s-server-ca", Some(&root));
        // It has the root's name, so that only its key and its hash tell it apart.
        let liar = authority("k3s-root", None);
        let pin = Sha256::of(&root.der);
        let of = |order: &[&Authority]| {
            let answer: String = order.iter().map(|authority| &*authority.pem).collect();
            check(&answer, pin)
        };
        for order in [
            &[&middle, &root][..],
            &[&middle, &root, &liar],
            &[&middle, &liar, &root],
        ] {
            let ca = of(order).unwrap();
            assert_eq!(ca.anchors(), std::slice::from_ref(&root.der));
            assert!(believes(&ca, &root, &[]) && believes(&ca, &middle, &[]));
            let sent = [liar.der.clone(), root.der.clone()];
            assert!(!believes(&ca, &liar, &[]) && !believes(&ca, &liar, &sent));
        }
        for order in [&[&root, &middle][..], &[&liar, &middle, &root]] {
            assert_eq!(of(order).unwrap_err(), Untrusted::NotTheRoot);
        }
        let beneath = authority("k3s-server-ca", Some(&liar));
        let error = of(&[&beneath, &liar, &root]).unwrap_err();
        assert_eq!(error, Untrusted::NotTheRoot);
        assert_eq!(of(&[&middle, &liar]).unwrap_err(), Untrusted::OtherCa);
    }

    #[test]
    fn certificates_without_a_chain_are_hashed_and_trusted_whole() {
        let (one, other) = (authority("k3s", None), authority("k3s", None));
        let answer = format!("{}{}", one.pem, other.pem);
        let ca = check(&answer, Sha256::of(answer.as_bytes())).unwrap();
        assert!(believes(&ca, &one, &[]) && believes(&ca, &other, &[]));
        assert!(!believes(&ca, &authority("k3s", None), &[]));
    }

    #[test]
    fn a_chain_of_another_time_is_told_apart_from_another_ca() {
        let root = authority("k3s-root", None);
        let middle = authority("k3s-server-ca", Some(&root));
        let answer = format!("{}{}", middle.pem, root.pem);
        let power_on = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
        let error = Ca::check(answer.as_bytes(), Some(Sha256::of(&root.der)), power_on);
        assert_eq!(error.unwrap_err(), Untrusted::NotNow);
    }
}
