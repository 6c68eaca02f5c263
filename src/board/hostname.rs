//! Derives the hostname of a node. All other modules get the node's name from this module.

use crate::board::mac::Mac;
use sha1::{Digest, Sha1};
use std::fmt;

/// The greatest length of a DNS label, in bytes (RFC 1035, 2.3.4).
const LABEL_MAX: usize = 63;
/// The number of hex digits of a SHA-1 hash.
const SHA1_HEX: usize = 40;

/// A node's hostname: one DNS label in lower case, which is also its Kubernetes node name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hostname(String);

impl Hostname {
    /// Parses a hostname. muster wrote this text, for example in the record of this boot; or it is
    /// the name of a file in `/etc/muster/nodes`, without `.yaml`. Returns `None` when it is empty
    /// or too long, or has other characters than lower-case letters, digits and hyphens.
    pub fn parse(text: &str) -> Option<Hostname> {
        let in_label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_label = !text.is_empty() && text.len() <= LABEL_MAX && text.bytes().all(in_label);
        is_label.then(|| Hostname(text.into()))
    }

    /// The hostname as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The settings from which hostnames are derived: `MUSTER_HOSTNAME_PREFIX` and
/// `MUSTER_HOSTNAME_LENGTH`. Every hostname that is derived with them is a valid DNS label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    prefix: String,
    length: usize,
}

impl Naming {
    /// Checks both settings. `length` is the number of hex digits. The error tells which of the two
    /// settings is wrong.
    pub fn new(prefix: &str, length: usize) -> Result<Naming, BadNaming> {
        if !prefix
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return Err(BadNaming::Prefix(
                "may contain only lower-case letters, digits and hyphens (a DNS label)",
            ));
        }
        if prefix.starts_with('-') {
            return Err(BadNaming::Prefix(
                "a hostname (a DNS label) cannot begin with a hyphen",
            ));
        }
        if length == 0 || length > SHA1_HEX {
            return Err(BadNaming::Length(
                "must be the number of hex digits in a hostname, from 1 to 40".into(),
            ));
        }
        if prefix.len() + length > LABEL_MAX {
            let total = prefix.len() + length;
            return Err(BadNaming::Length(format!(
                "with MUSTER_HOSTNAME_PREFIX, a hostname has {total} characters; a hostname is a DNS \
                 label, and a DNS label has at most 63"
            )));
        }
        Ok(Naming {
            prefix: prefix.into(),
            length,
        })
    }

    /// The hostname of the board whose file `/sys/class/net/<interface>/address` contains
    /// `address`. The hash covers all bytes of the file, also the newline at its end. With a length
    /// of 6 the hostname is the prefix followed by the output of `sha1sum <file> | head -c 6`.
    pub fn of_address_file(&self, address: &[u8]) -> Hostname {
        self.of_hash(&Sha1::digest(address).into())
    }

    /// The hostname of the board with this MAC address.
    pub fn of(&self, mac: Mac) -> Hostname {
        self.of_hash(&hash_of(mac))
    }

    /// The hostname of the board whose MAC address has this hash ([`hash_of`]).
    pub fn of_hash(&self, hash: &Hash) -> Hostname {
        let digits = hex::encode(hash);
        Hostname(format!("{}{}", self.prefix, &digits[..self.length]))
    }

    /// Whether a board can have this hostname.
    pub fn can_be(&self, name: &str) -> bool {
        let digits = name.strip_prefix(self.prefix.as_str());
        digits.is_some_and(|digits| {
            let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            digits.len() == self.length && digits.bytes().all(is_digit)
        })
    }

    /// The number of hex digits of the hash that are in a hostname.
    pub fn length(&self) -> usize {
        self.length
    }
}

/// The SHA-1 of a MAC address.
pub type Hash = [u8; SHA1_HEX / 2];

/// The hash of a MAC address. The hostname of the board contains the first hex digits of this hash.
/// The kernel's address file ends with a newline, so a newline is added before hashing.
pub fn hash_of(mac: Mac) -> Hash {
    Sha1::digest(format!("{mac}\n")).into()
}

/// The number of hex digits that two hashes have in common at their start.
pub fn common_digits(a: &Hash, b: &Hash) -> usize {
    let bytes = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let half = a.get(bytes).zip(b.get(bytes));
    2 * bytes + usize::from(half.is_some_and(|(a, b)| a >> 4 == b >> 4))
}

/// Why the prefix and the length do not make a valid hostname.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadNaming {
    /// `MUSTER_HOSTNAME_PREFIX` is wrong. The text is the reason.
    Prefix(&'static str),
    /// `MUSTER_HOSTNAME_LENGTH` is wrong. The text is the reason.
    Length(String),
}

#[cfg(test)]
mod tests;
