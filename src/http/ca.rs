//! Trust for one k3s server: the CA that a join token pins, and no other.

use crate::digest::Sha256;
use anyhow::{Context, Result, bail};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// A k3s server's CA.
#[derive(Clone, Debug)]
pub struct Ca {
    anchors: Vec<CertificateDer<'static>>,
    /// Certificates between the anchors and the server's own, which the server may leave out of its chain.
    intermediates: Vec<CertificateDer<'static>>,
}

impl Ca {
    /// Holds the answer of `/cacerts` against a token's hash, in the two forms that k3s knows (k3s pkg/clientaccess): the SHA-256
    /// of its exact bytes, which then are trusted whole; or, of several certificates, that of the root's DER. Then the root alone is
    /// trusted: what stands beside it came from whoever answered. Without a hash the answer is believed as it is.
    pub fn check(answer: &[u8], pin: Option<Sha256>) -> Result<Ca> {
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(answer)
            .collect::<Result<_, _>>()
            .context("the answer is not a CA certificate")?;
        if certificates.is_empty() {
            bail!("the answer is not a CA certificate");
        }
        let Some(pin) = pin.filter(|pin| *pin != Sha256::of(answer)) else {
            return Ok(Ca {
                anchors: certificates,
                intermediates: Vec::new(),
            });
        };
        let (anchors, intermediates): (Vec<_>, Vec<_>) = certificates
            .into_iter()
            .partition(|certificate| Sha256::of(certificate) == pin);
        if anchors.is_empty() {
            bail!("its CA is not the one in the join token");
        }
        Ok(Ca {
            anchors,
            intermediates,
        })
    }

    /// A verifier that trusts what this CA signed, and nothing else.
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

#[derive(Debug)]
struct Pinned {
    inner: Arc<WebPkiServerVerifier>,
    intermediates: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // Path building takes from these what leads to an anchor; they are trusted for nothing by themselves.
        let mut all = sent.to_vec();
        all.extend(self.intermediates.iter().cloned());
        self.inner
            .verify_server_cert(end_entity, &all, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Verifies nothing: for the one request that fetches the CA, whose answer is held against the token before anything is sent.
#[derive(Debug)]
pub(super) struct Unverified(pub(super) Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use rustls::crypto::ring;

    struct Authority {
        pem: String,
        der: CertificateDer<'static>,
        issuer: Issuer<'static, KeyPair>,
    }

    fn authority(name: &str, signed_by: Option<&Authority>) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
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

    /// Whether a server with a certificate by `signer`, sent with `chain`, is believed.
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

    #[test]
    fn one_certificate_is_pinned_by_its_bytes() {
        let (root, liar) = (authority("k3s", None), authority("k3s", None));
        let pin = Some(Sha256::of(root.pem.as_bytes()));
        let ca = Ca::check(root.pem.as_bytes(), pin).unwrap();
        assert!(believes(&ca, &root, &[]));
        assert!(
            !believes(&ca, &liar, &[]) && !believes(&ca, &liar, std::slice::from_ref(&liar.der))
        );
        assert!(Ca::check(liar.pem.as_bytes(), pin).is_err());
        assert!(Ca::check(b"", pin).is_err() && Ca::check(b"", None).is_err());
        // Certificates that whoever answered put beside the true one are no bytes that were hashed.
        for answer in [
            format!("{}{}", root.pem, liar.pem),
            format!("{}{}", liar.pem, root.pem),
        ] {
            assert!(Ca::check(answer.as_bytes(), pin).is_err());
        }
    }

    #[test]
    fn of_a_chain_the_pinned_root_alone_is_trusted() {
        let root = authority("k3s-root", None);
        let middle = authority("k3s-server-ca", Some(&root));
        // Of the same name, so that nothing but its key and its hash tell it apart.
        let liar = authority("k3s-root", None);
        let pin = Some(Sha256::of(&root.der));
        let all = [&middle.pem, &root.pem, &liar.pem];
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let answer: String = order.iter().map(|n| all[*n].as_str()).collect();
            let ca = Ca::check(answer.as_bytes(), pin).unwrap();
            assert!(
                believes(&ca, &root, &[])
                    && believes(&ca, &middle, &[])
                    && believes(&ca, &middle, std::slice::from_ref(&middle.der))
            );
            assert!(
                !believes(&ca, &liar, &[])
                    && !believes(&ca, &liar, &[liar.der.clone(), root.der.clone()])
            );
        }
        let beneath = authority("k3s-server-ca", Some(&liar));
        let answer = format!("{}{}{}", beneath.pem, liar.pem, root.pem);
        let ca = Ca::check(answer.as_bytes(), pin).unwrap();
        assert!(
            !believes(&ca, &beneath, &[])
                && !believes(&ca, &beneath, std::slice::from_ref(&liar.der))
        );
        assert!(Ca::check(format!("{}{}", middle.pem, liar.pem).as_bytes(), pin).is_err());
    }

    #[test]
    fn a_chain_hashed_whole_is_trusted_whole() {
        let root = authority("k3s-root", None);
        let middle = authority("k3s-server-ca", Some(&root));
        let answer = format!("{}{}", middle.pem, root.pem);
        let ca = Ca::check(answer.as_bytes(), Some(Sha256::of(answer.as_bytes()))).unwrap();
        assert!(believes(&ca, &middle, &[]) && believes(&ca, &root, &[]));
        assert!(!believes(&ca, &authority("k3s-root", None), &[]));
    }
}
