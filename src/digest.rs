//! Parses, prints and computes SHA-256 digests.

use std::fmt;

/// A SHA-256 digest. It is printed as 64 hex digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Parses 64 hex digits, in upper or lower case.
    pub fn parse(text: &str) -> Option<Sha256> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Sha256(bytes))
    }

    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Sha256 {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Computes the SHA-256 of bytes that arrive in pieces. The hasher uses ring, which needs about 0.7
/// times the time of the sha2 crate (`docs/design.md`).
#[derive(Clone)]
pub struct Hasher(ring::digest::Context);

impl Hasher {
    /// A hasher to which no bytes were added yet.
    pub fn new() -> Hasher {
        Hasher(ring::digest::Context::new(&ring::digest::SHA256))
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes that were added.
    pub fn finish(self) -> Sha256 {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.finish().as_ref());
        Sha256(bytes)
    }
}

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn hashes_as_sha256sum_does() {
        assert_eq!(Sha256::of(b"abc").to_string(), A);
        assert_eq!(format!("{:?}", Sha256::of(b"abc")), A);
        assert_eq!(Sha256::parse(&A.to_uppercase()), Some(Sha256::of(b"abc")));
        assert_eq!(Sha256::parse(&A[1..]), None);
    }
}
