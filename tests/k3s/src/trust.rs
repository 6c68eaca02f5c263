//! How an agent verifies its server: by the CA hash in the token, as in k3s
//! (pkg/clientaccess/token.go).

use crate::pki::sha256_hex;
use anyhow::{Context, Result, bail, ensure};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring::default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;

/// Checks the answer of `/cacerts` against the hash in a token. The hash of a single certificate is
/// that of the bytes as sent. The hash of a chain is that of its root, which comes last.
pub fn check_hash(bundle: &[u8], expected: &str) -> Result<()> {
    let certs = certificates(bundle)?;
    let actual = match certs.as_slice() {
        [] => bail!("the answer of /cacerts has no certificate"),
        [_] => sha256_hex(bundle),
        [.., root] => sha256_hex(root),
    };
    ensure!(
        actual == expected || sha256_hex(bundle) == expected,
        "token CA hash does not match the Cluster CA certificate hash: {expected} != {actual}"
    );
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
