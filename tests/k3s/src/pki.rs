//! The server's CAs and the certificates that it issues, all with EC P-256 keys as in k3s. The CAs
//! are kept in the data folder, so that they survive a restart. The serving certificate is new at
//! each start.

use crate::log::unix_now;
use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::path::Path;
use std::time::Duration;
use x509_parser::certificate::X509Certificate;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

/// The default validity of all certificates (Unix time). It starts far in the past, because a
/// board's clock may show the build time of its image.
pub const NOT_BEFORE: u64 = 1_577_836_800; // 2020-01-01
pub const NOT_AFTER: u64 = 2_524_521_600; // 2049-12-31

/// A CA with its key.
pub struct Authority {
    pub pem: String,
    pub der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Loads the CA in `<name>.crt` and `<name>.key` of `folder`. If there is none, makes one,
    /// signed by `parent` if given.
    pub fn load_or_make(folder: &Path, name: &str, parent: Option<&Authority>) -> Result<Self> {
        let (cert_file, key_file) = (
            folder.join(format!("{name}.crt")),
            folder.join(format!("{name}.key")),
        );
        if !cert_file.exists() {
            let key = KeyPair::generate()?;
            let mut params = ca_params(&format!("k3s-{name}@{}", unix_now().as_secs()));
            if parent.is_some() {
                let until = crate::env_number("STANDIN_INTERMEDIATE_NOT_AFTER")?;
                params.not_after = date(until.unwrap_or(NOT_AFTER));
            }
            let cert = match parent {
                Some(parent) => params.signed_by(&key, &parent.issuer)?,
                None => params.self_signed(&key)?,
            };
            fs::write(&key_file, key.serialize_pem())?;
            // The certificate is written last: if it exists, the key exists too.
            fs::write(&cert_file, cert.pem())?;
        }
        let pem =
            fs::read_to_string(&cert_file).with_context(|| format!("{}", cert_file.display()))?;
        let key =
            fs::read_to_string(&key_file).with_context(|| format!("{}", key_file.display()))?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .with_context(|| format!("{}", cert_file.display()))?;
        let name = common_name(&der)
            .with_context(|| format!("{}: no common name", cert_file.display()))?;
        Ok(Self {
            issuer: Issuer::new(ca_params(&name), KeyPair::from_pem(&key)?),
            pem,
            der,
        })
    }

    /// A certificate with a new key.
    pub fn issue(&self, leaf: Leaf) -> Result<Issued> {
        let key = KeyPair::generate()?;
        let cert = params(leaf)?.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            pem: cert.pem(),
            der: cert.der().clone(),
            key,
        })
    }

    /// A certificate in PEM for the key of a signing request.
    pub fn sign(&self, leaf: Leaf, request: &SigningRequest) -> Result<String> {
        Ok(params(leaf)?.signed_by(request, &self.issuer)?.pem())
    }
}

/// The public key of a signing request. What else the request says is not read, as in k3s.
pub struct SigningRequest(Vec<u8>);

impl SigningRequest {
    /// Reads a signing request for a P-256 key, and checks that this key signed it.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (_, request) = X509CertificationRequest::from_der(der).ok()?;
        request.verify_signature().ok()?;
        let key = &request.certification_request_info.subject_pki;
        Some(Self(key.subject_public_key.data.to_vec()))
    }
}

impl PublicKeyData for SigningRequest {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

fn params(leaf: Leaf) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(leaf.names)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, leaf.organization);
    params
        .distinguished_name
        .push(DnType::CommonName, leaf.common_name);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    params.extended_key_usages = vec![leaf.usage];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (date(leaf.not_before), date(leaf.not_after));
    Ok(params)
}

/// The content of a certificate to issue.
pub struct Leaf<'a> {
    pub common_name: &'a str,
    pub organization: &'a str,
    pub names: Vec<String>,
    pub usage: ExtendedKeyUsagePurpose,
    pub not_before: u64,
    pub not_after: u64,
}

impl<'a> Leaf<'a> {
    pub fn client(common_name: &'a str, organization: &'a str) -> Self {
        let usage = ExtendedKeyUsagePurpose::ClientAuth;
        Self {
            common_name,
            organization,
            names: Vec::new(),
            usage,
            not_before: NOT_BEFORE,
            not_after: NOT_AFTER,
        }
    }

    pub fn server(common_name: &'a str, organization: &'a str, names: Vec<String>) -> Self {
        Self {
            names,
            usage: ExtendedKeyUsagePurpose::ServerAuth,
            ..Self::client(common_name, organization)
        }
    }
}

/// An issued certificate with its key.
pub struct Issued {
    pub pem: String,
    pub der: CertificateDer<'static>,
    key: KeyPair,
}

impl Issued {
    pub fn key_der(&self) -> Result<PrivateKeyDer<'static>> {
        PrivateKeyDer::try_from(self.key.serialize_der()).map_err(anyhow::Error::msg)
    }

    /// Returns the key in the form that k3s (Go) sends: SEC 1 with the name of the curve, "EC
    /// PRIVATE KEY".
    pub fn key_pem(&self) -> Result<String> {
        let pkcs8 = self.key.serialize_der();
        // ring's PKCS#8 for P-256 has a fixed layout, with the private key at a fixed offset.
        let private = pkcs8
            .get(36..68)
            .context("unexpected layout of a private key")?;
        let mut sec1 = hex::decode("30770201010420")?;
        sec1.extend(private);
        sec1.extend(hex::decode("a00a06082a8648ce3d030107a144034200")?);
        sec1.extend(self.key.public_key_raw());
        Ok(pem("EC PRIVATE KEY", &sec1))
    }
}

pub fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| &text[at..text.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// Returns the common name of the subject.
pub fn common_name(der: &[u8]) -> Option<String> {
    let (_, cert) = X509Certificate::from_der(der).ok()?;
    let name = cert.subject().iter_common_name().next()?;
    Some(name.as_str().ok()?.into())
}

pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, bytes))
}

fn ca_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = (date(NOT_BEFORE), date(NOT_AFTER));
    params
}

/// Converts Unix time to the type that rcgen needs.
fn date(unix: u64) -> time::OffsetDateTime {
    rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(unix)
}
