//! Makes a private key for this board and a certificate signing request for this key, and reads the
//! client certificate that the server issues for the request.
//!
//! This module encodes the signing request itself, without a crate. The request always has the same
//! form, with an empty subject and no attributes, so only its key and its signature change. The
//! program contains `ring` anyway, which makes the key and the signature. The crate rcgen, which
//! the tests use, would be a new dependency of the program, and depends on the `time` crate.

use anyhow::{Context, Result, anyhow};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A client certificate with the CA certificates of its chain, and its private key.
#[derive(Debug)]
pub struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads the certificate in a server's answer. The private key is the key of `request`, unless
    /// the answer contains a key too: a server that does not support signing requests makes the key
    /// itself and sends it with the certificate.
    pub fn of_answer(answer: &[u8], request: &SigningRequest) -> Result<Identity> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(answer)
            .collect::<Result<_, _>>()
            .context("the answer holds a damaged certificate")?;
        if chain.is_empty() {
            return Err(anyhow!("the answer holds no certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(answer)
            .unwrap_or_else(|_| PrivatePkcs8KeyDer::from(request.key.clone()).into());
        Ok(Identity { chain, key })
    }
}

/// A new P-256 key and the signing request for this key (PKCS #10, RFC 2986). The key and the
/// request are never printed or written to a file.
pub struct SigningRequest {
    key: Vec<u8>,
    der: Vec<u8>,
}

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 3;
/// Version 0 and an empty subject: the server takes the node's name from the HTTP headers.
const VERSION_AND_SUBJECT: &[u8] = &[2, 1, 0, SEQUENCE, 0];
/// The algorithm of the key: `id-ecPublicKey` with the curve `prime256v1`.
const EC_KEY: &[u8] = &[
    SEQUENCE, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, // id-ecPublicKey
    6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7, // prime256v1
];
/// The algorithm of the signature: `ecdsa-with-SHA256`.
const SIGNATURE: &[u8] = &[SEQUENCE, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const NO_ATTRIBUTES: &[u8] = &[0xa0, 0];

impl SigningRequest {
    /// Makes a new key, and a signing request that is signed with this key.
    pub fn new() -> Result<SigningRequest> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random)
            .map_err(|_| anyhow!("a key cannot be made, because there are no random numbers"))?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random)
            .map_err(|error| anyhow!("the new key cannot be used: {error}"))?;
        let public = [EC_KEY, &bit_string(pair.public_key().as_ref())].concat();
        let public = value(SEQUENCE, &public);
        let info = [VERSION_AND_SUBJECT, &public, NO_ATTRIBUTES].concat();
        let info = value(SEQUENCE, &info);
        let signature = pair
            .sign(&random, &info)
            .map_err(|_| anyhow!("the certificate signing request cannot be signed"))?;
        let signature = bit_string(signature.as_ref());
        Ok(SigningRequest {
            key: key.as_ref().to_vec(),
            der: value(SEQUENCE, &[&info, SIGNATURE, &signature].concat()),
        })
    }

    /// The signing request in DER, as it is sent to the server.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

fn bit_string(bytes: &[u8]) -> Vec<u8> {
    // The first byte of a bit string says how many bits of its last byte are not used: 0.
    value(BIT_STRING, &[&[0], bytes].concat())
}

/// Encodes a value in DER: the tag, the length and the contents. All contents in this module have
/// fewer than 256 bytes.
fn value(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len() as u8;
    let head = match length {
        0..128 => vec![tag, length],
        _ => vec![tag, 0x81, length],
    };
    [&head, contents].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

    #[test]
    fn a_request_is_signed_by_its_own_key() {
        let request = SigningRequest::new().unwrap();
        let der = request.der();
        // 3 bytes for the outer head, then the signed part, whose length never changes.
        let (info, rest) = der[3..].split_at(100);
        assert_eq!(info[..2], [SEQUENCE, 98]);
        let public = &info[33..98];
        let signature = rest.strip_prefix(SIGNATURE).unwrap();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public);
        key.verify(info, &signature[3..]).unwrap();
        assert_ne!(SigningRequest::new().unwrap().der(), der);
    }

    #[test]
    fn a_key_in_the_answer_is_preferred() {
        let request = SigningRequest::new().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default()
            .self_signed(&key)
            .unwrap();
        let identity = Identity::of_answer(certificate.pem().as_bytes(), &request).unwrap();
        assert_eq!(identity.key.secret_der(), request.key);
        let answer = format!("{}{}", certificate.pem(), key.serialize_pem());
        let identity = Identity::of_answer(answer.as_bytes(), &request).unwrap();
        assert_eq!(identity.key.secret_der(), key.serialize_der());
        for answer in ["", &key.serialize_pem(), "-----BEGIN CERTIFICATE-----\nx"] {
            assert!(Identity::of_answer(answer.as_bytes(), &request).is_err());
        }
    }
}
