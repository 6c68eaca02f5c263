//! The hash of a server's CA, against an independent reading of k3s's rules on 1,000 generated sets
//! of certificates.

use crate::random::Random;
use muster::digest::Sha256;
use muster::http::Ca;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, UnixTime};
use std::time::Duration;

const SETS: usize = 1_000;
/// The keys and names that certificates of one set share.
const KEYS: usize = 4;
/// 2026-01-01. Certificates are valid from 2020 on, to 2025 or to 2049.
const NOW: u64 = 1_767_225_600;

/// What a certificate was made from. The rules are read from here and not from its bytes.
struct Made {
    der: CertificateDer<'static>,
    pem: String,
    subject: usize,
    key: usize,
    issuer: usize,
    signed_by: usize,
    authority_key_id: Option<Vec<u8>>,
    subject_key_id: Option<Vec<u8>>,
    constraints: Option<(bool, Option<u8>)>,
    expired: bool,
    may_sign: bool,
    for_servers: bool,
}

/// Whether something happens that happens to one in so many.
fn seldom(random: &mut Random, one_in: usize) -> bool {
    random.below(one_in) == 0
}

fn name(number: usize) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, format!("k3s-{number}"));
    name
}

fn key_id(key: usize) -> Vec<u8> {
    vec![key as u8; 4]
}

/// A certificate for one name and key, by the name and key of another or by itself.
fn make(random: &mut Random, keys: &[KeyPair], subject: usize, issuer: usize) -> Made {
    let pick = |random: &mut Random, usual| match seldom(random, 25) {
        true => random.below(KEYS),
        false => usual,
    };
    let (key, signed_by) = (pick(random, subject), pick(random, issuer));
    let mut params = CertificateParams::default();
    params.distinguished_name = name(subject);
    params.not_before = date_time_ymd(2020, 1, 1);
    let expired = seldom(random, 30);
    params.not_after = date_time_ymd(if expired { 2025 } else { 2049 }, 1, 1);
    params.key_identifier_method = KeyIdMethod::PreSpecified(key_id(key));
    let constraints = match random.below(32) {
        0 => None,
        1 => Some((false, None)),
        2 => Some((true, Some(0))),
        3 => Some((true, Some(1))),
        _ => Some((true, None)),
    };
    params.is_ca = match constraints {
        None => IsCa::NoCa,
        Some((false, _)) => IsCa::ExplicitNoCa,
        Some((true, Some(most))) => IsCa::Ca(BasicConstraints::Constrained(most)),
        Some((true, None)) => IsCa::Ca(BasicConstraints::Unconstrained),
    };
    let (mut may_sign, mut for_servers) = (true, true);
    if seldom(random, 3) {
        may_sign = !seldom(random, 8);
        params.key_usages = vec![match may_sign {
            true => KeyUsagePurpose::KeyCertSign,
            false => KeyUsagePurpose::DigitalSignature,
        }];
    }
    if seldom(random, 4) {
        for_servers = !seldom(random, 8);
        params.extended_key_usages = vec![match for_servers {
            true => ExtendedKeyUsagePurpose::ServerAuth,
            false => ExtendedKeyUsagePurpose::ClientAuth,
        }];
    }
    // The certificate of the signer, as far as it shows in what it signs.
    let mut signer = CertificateParams::default();
    signer.distinguished_name = name(issuer);
    signer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let named_key = pick(random, signed_by);
    signer.key_identifier_method = KeyIdMethod::PreSpecified(key_id(named_key));
    params.use_authority_key_identifier_extension = !seldom(random, 4);
    let authority_key_id = params
        .use_authority_key_identifier_extension
        .then(|| key_id(named_key));
    let certificate = params
        .signed_by(&keys[key], &Issuer::from_params(&signer, &keys[signed_by]))
        .unwrap();
    Made {
        der: certificate.der().clone(),
        pem: certificate.pem(),
        subject,
        key,
        issuer,
        signed_by,
        authority_key_id,
        subject_key_id: constraints.map(|_| key_id(key)),
        constraints,
        expired,
        may_sign,
        for_servers,
    }
}

/// One to five certificates: mostly a CA, the one above it, and a root.
fn make_set(random: &mut Random, keys: &[KeyPair]) -> Vec<Made> {
    let length = 1 + random.below(4) + random.below(2);
    let mut set: Vec<Made> = (0..length)
        .map(|at| {
            let subject = if seldom(random, 12) {
                random.below(KEYS)
            } else {
                at.min(KEYS - 1)
            };
            let last = at + 1 == length || seldom(random, 4);
            let issuer = if last {
                subject
            } else {
                (subject + 1).min(KEYS - 1)
            };
            make(random, keys, subject, issuer)
        })
        .collect();
    if seldom(random, 6) {
        let (a, b) = (random.below(length), random.below(length));
        set.swap(a, b);
    }
    set
}

/// Every sequence of different certificates that begins with the first one, longest last.
fn sequences(length: usize) -> Vec<Vec<usize>> {
    let mut all = vec![vec![0]];
    let mut next = 0;
    while next < all.len() {
        for other in 1..length {
            if !all[next].contains(&other) {
                let longer = [&all[next][..], &[other]].concat();
                all.push(longer);
            }
        }
        next += 1;
    }
    all
}

/// The bytes that k3s hashes (`hashCA` in `pkg/clientaccess/token.go`): it lists what a valid chain
/// must fulfil, and of all valid chains takes the one that Go tries first.
fn hashed(set: &[Made]) -> Vec<u8> {
    let answer: String = set.iter().map(|made| made.pem.as_str()).collect();
    if set.len() == 1 {
        return answer.into_bytes();
    }
    let is_root = |made: &Made| {
        made.authority_key_id.is_none() || made.authority_key_id == made.subject_key_id
    };
    let is_chain = |chain: &Vec<usize>| {
        let parents = &chain[1..];
        let links = chain.iter().zip(parents).all(|(child, parent)| {
            let (child, parent) = (&set[*child], &set[*parent]);
            let may_sign = parent.may_sign && parent.constraints.is_some_and(|(ca, _)| ca);
            child.issuer == parent.subject && child.signed_by == parent.key && may_sign
        });
        let lengths = parents.iter().enumerate().all(|(before, parent)| {
            let most = set[*parent].constraints.and_then(|(_, most)| most);
            most.is_none_or(|most| before <= usize::from(most))
        });
        let roots = parents.split_last().is_some_and(|(root, others)| {
            is_root(&set[*root]) && !others.iter().any(|other| is_root(&set[*other]))
        });
        let fit = chain
            .iter()
            .all(|at| !set[*at].expired && set[*at].for_servers);
        let different = chain.iter().enumerate().all(|(at, one)| {
            let one = (set[*one].subject, set[*one].key);
            !chain[..at]
                .iter()
                .any(|other| (set[*other].subject, set[*other].key) == one)
        });
        links && lengths && roots && fit && different
    };
    let order = |chain: &Vec<usize>| -> Vec<(bool, usize, usize)> {
        let links = chain.iter().zip(&chain[1..]);
        let turn = |(child, parent): (&usize, &usize)| {
            let (child, other) = (&set[*child], &set[*parent]);
            let rank = match (&child.authority_key_id, &other.subject_key_id) {
                (wanted, own) if wanted == own => 0,
                (None, _) | (_, None) => 1,
                _ => 2,
            };
            (!is_root(other), rank, *parent)
        };
        links.map(turn).collect()
    };
    let chains = sequences(set.len()).into_iter().filter(is_chain);
    match chains
        .min_by_key(order)
        .and_then(|chain| chain.last().copied())
    {
        Some(root) => set[root].der.to_vec(),
        None => answer.into_bytes(),
    }
}

#[test]
fn muster_accepts_the_hash_that_k3s_computes_and_no_other() {
    let random = &mut Random::new(11);
    let keys: Vec<KeyPair> = (0..KEYS).map(|_| KeyPair::generate().unwrap()).collect();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    let mut chains = 0;
    for number in 0..SETS {
        let set = make_set(random, &keys);
        let answer: String = set.iter().map(|made| made.pem.as_str()).collect();
        let right = Sha256::of(&hashed(&set));
        chains += usize::from(right != Sha256::of(answer.as_bytes()));
        let ders = set.iter().map(|made| Sha256::of(&made.der));
        for pin in ders.chain([Sha256::of(answer.as_bytes()), right]) {
            let verdict = Ca::check(answer.as_bytes(), Some(pin), now);
            assert_eq!(verdict.is_ok(), pin == right, "set {number}: {verdict:?}");
            let Ok(ca) = verdict else { continue };
            // The hash covers what is trusted.
            let root_alone = ca
                .anchors()
                .iter()
                .all(|anchor| Sha256::of(anchor) == right);
            assert!(root_alone || right == Sha256::of(answer.as_bytes()));
        }
    }
    // Of both kinds there are enough for the comparison to mean something.
    assert!(
        (SETS / 4..SETS * 3 / 4).contains(&chains),
        "{chains} chains"
    );
}
