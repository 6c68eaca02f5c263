//! The chain from a certificate to a root, found in the order in which Go finds it.
//!
//! k3s hashes the root of the first chain that Go's `x509.Certificate.Verify` returns. Constraints on
//! names are not read here: they restrict the names of a server, and the CAs of k3s have none.

use super::certificate::Certificate;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::SignatureVerificationAlgorithm;
use std::cell::Cell;

/// The most signatures that one search verifies; Go has the same limit.
const SIGNATURES: usize = 100;

struct Search<'a> {
    roots: Vec<&'a Certificate<'a>>,
    intermediates: Vec<&'a Certificate<'a>>,
    /// Seconds since 1970; `None` where the dates are not looked at.
    now: Option<i64>,
    algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
    signatures_left: Cell<usize>,
}

/// The root that the first chain from the first certificate ends in; `None` where no chain is valid.
///
/// As in k3s (`hashCA` in `pkg/clientaccess/token.go`), of the other certificates those are roots
/// that name no authority key, or their own one.
pub(super) fn root_of_first<'a>(
    certificates: &'a [Certificate<'a>],
    now: Option<i64>,
) -> Option<&'a Certificate<'a>> {
    let (first, others) = certificates.split_first()?;
    let (roots, intermediates) = others.iter().partition(|certificate| {
        let authority = certificate.authority_key_id;
        authority.is_empty() || authority == certificate.subject_key_id
    });
    let search = Search {
        roots,
        intermediates,
        now,
        algorithms: default_provider().signature_verification_algorithms.all,
        signatures_left: Cell::new(SIGNATURES),
    };
    if !search.is_valid(first, 0) {
        return None;
    }
    if search.roots.iter().any(|root| root.der == first.der) {
        return first.for_servers.then_some(first);
    }
    search.extend(&[first])
}

impl<'a> Search<'a> {
    /// The root of the first valid chain that begins with `chain`. A valid chain is one that a server
    /// may use, because Go asks for that usage when it is asked for none.
    fn extend(&self, chain: &[&'a Certificate<'a>]) -> Option<&'a Certificate<'a>> {
        for parent in self.parents(&self.roots, chain) {
            let usable = chain.iter().chain([&parent]).all(|c| c.for_servers);
            if self.is_valid(parent, chain.len()) && usable {
                return Some(parent);
            }
        }
        self.parents(&self.intermediates, chain)
            .into_iter()
            .filter(|parent| matches!(parent.constraints, Some((true, _))))
            .filter(|parent| self.is_valid(parent, chain.len()))
            .find_map(|parent| self.extend(&[chain, &[parent]].concat()))
    }

    /// The certificates that signed the last one of `chain`, in the order in which Go tries them:
    /// first those whose key identifier matches, then those where one identifier is missing.
    fn parents(
        &self,
        among: &[&'a Certificate<'a>],
        chain: &[&'a Certificate<'a>],
    ) -> Vec<&'a Certificate<'a>> {
        let Some(child) = chain.last() else {
            return Vec::new();
        };
        let mut named: Vec<_> = among.to_vec();
        named.retain(|parent| parent.subject == child.issuer);
        named.sort_by_key(|parent| {
            let (wanted, own) = (child.authority_key_id, parent.subject_key_id);
            match own == wanted {
                true => 0,
                false if own.is_empty() != wanted.is_empty() => 1,
                false => 2,
            }
        });
        named.retain(|parent| {
            let again =
                |other: &&Certificate| (other.subject, other.key) == (parent.subject, parent.key);
            !chain.iter().any(again) && self.signed(child, parent)
        });
        named
    }

    /// Whether `parent` may sign certificates and signed `child`.
    fn signed(&self, child: &Certificate, parent: &Certificate) -> bool {
        let is_ca = match parent.constraints {
            Some((is_ca, _)) => is_ca,
            None => !parent.version_3,
        };
        let left = self.signatures_left.get();
        if !is_ca || !parent.may_sign || left == 0 {
            return false;
        }
        self.signatures_left.set(left - 1);
        self.algorithms.iter().any(|algorithm| {
            algorithm.public_key_alg_id().as_ref() == parent.key_algorithm
                && algorithm.signature_alg_id().as_ref() == child.signature_algorithm
                && algorithm
                    .verify_signature(parent.key, child.signed, child.signature)
                    .is_ok()
        })
    }

    /// Whether a certificate may be the one at `position` in a chain, where 0 is its beginning.
    fn is_valid(&self, certificate: &Certificate, position: usize) -> bool {
        let cas_before = position.saturating_sub(1);
        let too_long = match certificate.constraints {
            Some((_, Some(most))) => cas_before > usize::from(most),
            _ => false,
        };
        !certificate.unknown_critical
            && !too_long
            && self.now.is_none_or(|now| certificate.valid.contains(&now))
    }
}
