use super::*;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, date_time_ymd,
};
use rustls::pki_types::CertificateDer;

type Der = CertificateDer<'static>;

/// 2026-01-01.
const NOW: i64 = 1_767_225_600;

fn extension(number: u64, contents: &[u8], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, number], contents.into());
    extension.set_criticality(critical);
    extension
}

/// A CA with this name and this subject key identifier, or without that extension.
fn ca(name: &str, id: Option<u8>) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    match id {
        Some(id) => {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_identifier_method = KeyIdMethod::PreSpecified(vec![id]);
        }
        // rcgen gives every CA a key identifier, so these are the basic constraints of a CA.
        None => params.custom_extensions = vec![extension(19, &[0x30, 3, 1, 1, 0xff], true)],
    }
    params
}

/// A CA below `signer`, whose key is `key`. Its authority key identifier is that of `signer`.
fn below(signer: &CertificateParams, key: &KeyPair, name: &str, own: &KeyPair) -> Der {
    let mut params = ca(name, Some(9));
    params.use_authority_key_identifier_extension =
        matches!(signer.key_identifier_method, KeyIdMethod::PreSpecified(_));
    let issuer = Issuer::from_params(signer, key);
    params.signed_by(own, &issuer).unwrap().der().clone()
}

fn root(params: &CertificateParams, key: &KeyPair) -> Der {
    params.self_signed(key).unwrap().der().clone()
}

/// The place of the root of the first certificate.
fn root_of(ders: &[&Der]) -> Option<usize> {
    let all = ders.iter().map(|der| Certificate::read(der).unwrap());
    let all: Vec<Certificate> = all.collect();
    let root = root_of_first(&all, Some(NOW))?;
    all.iter().position(|other| other.der == root.der)
}

#[test]
fn of_roots_with_one_key_the_named_one_comes_first_then_one_without_an_identifier() {
    let (key, own) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let [one, two, none] = [Some(1), Some(2), None].map(|id| root(&ca("root", id), &key));
    let child = below(&ca("root", Some(1)), &key, "child", &own);
    assert_eq!(root_of(&[&child, &two, &none, &one]), Some(3));
    assert_eq!(root_of(&[&child, &two, &none]), Some(2));
    assert_eq!(root_of(&[&child, &two]), Some(1));
    let child = below(&ca("root", None), &key, "child", &own);
    assert_eq!(root_of(&[&child, &one, &none]), Some(2));
}

#[test]
fn a_root_with_another_key_is_no_root_and_100_signatures_are_tried() {
    let [key, own, other] = [(); 3].map(|()| KeyPair::generate().unwrap());
    let params = ca("root", Some(1));
    let (right, liar) = (root(&params, &key), root(&params, &other));
    let child = below(&params, &key, "child", &own);
    for (liars, expected) in [(1, Some(2)), (99, Some(100)), (100, None)] {
        let all = [&[&child][..], &vec![&liar; liars], &[&right]].concat();
        assert_eq!(root_of(&all), expected, "{liars}");
    }
}

#[test]
fn a_root_must_be_valid_now_allow_the_length_and_have_no_unknown_rule() {
    type Change = fn(&mut CertificateParams);
    let changes: [(Change, [bool; 2]); 6] = [
        (|_| {}, [true, true]),
        (
            |root| root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
            [true, false],
        ),
        (
            |root| root.not_after = date_time_ymd(2025, 1, 1),
            [false, false],
        ),
        // Name constraints, and an extension that does not exist.
        (
            |root| root.custom_extensions = vec![extension(30, &[0x30, 0], true)],
            [true, true],
        ),
        (
            |root| root.custom_extensions = vec![extension(99, &[5, 0], false)],
            [true, true],
        ),
        (
            |root| root.custom_extensions = vec![extension(99, &[5, 0], true)],
            [false, false],
        ),
    ];
    let [key, middle_key, own] = [(); 3].map(|()| KeyPair::generate().unwrap());
    for (number, (change, valid)) in changes.into_iter().enumerate() {
        let mut params = ca("root", Some(1));
        change(&mut params);
        let root = root(&params, &key);
        let direct = below(&params, &key, "child", &own);
        let middle = below(&params, &key, "middle", &middle_key);
        let child = below(&ca("middle", Some(9)), &middle_key, "child", &own);
        let found = [&[&direct, &root][..], &[&child, &middle, &root]]
            .map(|chain| root_of(chain) == Some(chain.len() - 1));
        assert_eq!(found, valid, "change {number}");
    }
}
