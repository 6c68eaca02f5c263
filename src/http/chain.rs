//! Finds the chain from a certificate to a root. The search tries certificates in the same order as
//! Go.
//!
//! k3s hashes the root of the first chain that Go's `x509.Certificate.Verify` returns, so muster
//! must find the same root. Name constraints are not checked here: they restrict the host names in
//! a server's certificate, and k3s's CA certificates contain no host names.

use super::certificate::Certificate;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::SignatureVerificationAlgorithm;
use std::cell::Cell;

/// The largest number of signatures that one search verifies; Go has the same limit.
const SIGNATURES: usize = 100;

struct Search<'a> {
    roots: Vec<&'a Certificate<'a>>,
    intermediates: Vec<&'a Certificate<'a>>,
    /// The current time in seconds since 1970; `None` when the validity dates are not checked.
    now: Option<i64>,
    algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
    signatures_left: Cell<usize>,
}

/// Returns the root of the first valid chain that begins with the first of `certificates`; `None`
/// when no chain is valid.
///
/// As in k3s (`hashCA` in `pkg/clientaccess/token.go`), every certificate except the first is a
/// root when it has no authority key identifier, or when its authority key identifier equals its
/// subject key identifier. Otherwise it is an intermediate.
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
    /// Returns the root of the first valid chain that begins with `chain`. All certificates of a
    /// valid chain must be allowed for TLS servers ([`Certificate::for_servers`]), because Go's
    /// `Verify` requires this when its caller names no key usage.
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

    /// The certificates in `among` that signed the last certificate of `chain` and are not in
    /// `chain` themselves. They are in the order in which Go tries them. First come those whose
    /// subject key identifier equals the authority key identifier of the signed certificate, or
    /// where both identifiers are missing. Then come those where only one of the two is missing,
    /// and at last the others.
    fn parents(
        &self,
        among: &[&'a Certificate<'a>],
        chain: &[&'a Certificate<'a>],
    ) -> Vec<&'a Certificate<'a>> {
        let Some(child) = chain.last() else {
            return Vec::new();
        };
        let mut candidates: Vec<_> = among.to_vec();
        candidates.retain(|parent| parent.subject == child.issuer);
        candidates.sort_by_key(|parent| {
            let (wanted, own) = (child.authority_key_id, parent.subject_key_id);
            match own == wanted {
                true => 0,
                false if own.is_empty() != wanted.is_empty() => 1,
                false => 2,
            }
        });
        candidates.retain(|parent| {
            let is_same =
                |other: &&Certificate| (other.subject, other.key) == (parent.subject, parent.key);
            !chain.iter().any(is_same) && self.signed(child, parent)
        });
        candidates
    }

    /// Whether `parent` may sign certificates and has signed `child`. Returns `false` when the
    /// search has no signature verifications left ([`SIGNATURES`]).
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

    /// Whether a certificate is valid at `position` in a chain; the first certificate of a chain
    /// has position 0. Signatures are not checked here.
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

#[cfg(test)]
mod tests;
