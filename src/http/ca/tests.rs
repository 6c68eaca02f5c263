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
