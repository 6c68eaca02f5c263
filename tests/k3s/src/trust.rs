//! How an agent trusts its server: by the hash in the token (`pkg/clientaccess/token.go`).

use crate::pki::sha256_hex;
use anyhow::{Context, Result, bail, ensure};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring::default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

/// The hash of the certificates of `/cacerts` (`hashCA`): of one, that of its exact bytes; of
/// several, that of the DER of the root of the first one's chain; without a chain, that of the exact
/// bytes.
pub fn hash_ca(bundle: &[u8]) -> Result<String> {
    let ders = certificates(bundle)?;
    ensure!(!ders.is_empty(), "no certificate in the answer of /cacerts");
    let certs: Vec<X509Certificate> = ders
        .iter()
        .map(|der| Ok(X509Certificate::from_der(der)?.1))
        .collect::<Result<_>>()?;
    let root = match certs.len() {
        1 => None,
        _ => root_of(&[0], &certs),
    };
    Ok(sha256_hex(root.map_or(bundle, |root| &ders[root])))
}

/// The root of the first chain that begins with these certificates. A certificate behind the first
/// one is a root when it names no authority key, or its own.
fn root_of(chain: &[usize], certs: &[X509Certificate]) -> Option<usize> {
    let child = &certs[*chain.last()?];
    let is_root = |cert: &X509Certificate| {
        let authority = key_ids(cert).1;
        authority.is_none() || authority == key_ids(cert).0
    };
    let parents = (1..certs.len()).filter(|at| {
        let parent = &certs[*at];
        !chain.contains(at)
            && parent.is_ca()
            && parent.validity().is_valid()
            && parent.subject().as_raw() == child.issuer().as_raw()
            && child.verify_signature(Some(parent.public_key())).is_ok()
    });
    let (roots, others): (Vec<_>, Vec<_>) = parents.partition(|at| is_root(&certs[*at]));
    let further = |other: usize| root_of(&[chain, &[other]].concat(), certs);
    let valid = child.validity().is_valid();
    roots
        .first()
        .copied()
        .or_else(|| others.into_iter().find_map(further))
        .filter(|_| valid)
}

/// The identifiers of a certificate's own key and of its authority's.
fn key_ids<'a>(cert: &'a X509Certificate) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
    let (mut own, mut authority) = (None, None);
    for extension in cert.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => own = Some(id.0),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                authority = id.key_identifier.as_ref().map(|id| id.0);
            }
            _ => {}
        }
    }
    (own, authority)
}

/// Checks the bytes of `/cacerts` against a token's hash (`validateCAHash`).
pub fn check_hash(bundle: &[u8], expected: &str) -> Result<()> {
    let actual = hash_ca(bundle)?;
    if actual != expected {
        bail!(
            "token CA hash does not match the Cluster CA certificate hash: {expected} != {actual}"
        );
    }
    Ok(())
}

/// Returns a TLS configuration that trusts only these CAs. `identity` is a client certificate with
/// its key.
pub fn pinned(bundle: &[u8], identity: Option<&[u8]>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for cert in certificates(bundle)? {
        roots
            .add(cert)
            .context("invalid certificate in the answer of /cacerts")?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(roots);
    let Some(pem) = identity else {
        return Ok(builder.with_no_client_auth());
    };
    let key = PrivateKeyDer::from_pem_slice(pem).context("the server's answer has no key")?;
    Ok(builder.with_client_auth_cert(certificates(pem)?, key)?)
}

/// Returns a TLS configuration without certificate verification. It is for `/cacerts` only: that
/// answer is checked by its hash.
pub fn unverified() -> Result<ClientConfig> {
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        .with_no_client_auth())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .context("the certificates are not in PEM format")
}

#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer,
        _: &[CertificateDer],
        _: &ServerName,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
