//! Hashes of passwords. k3s takes scrypt with N = 2^15, r = 8, p = 1 for all of them
//! (`pkg/authenticator/hash/scrypt.go`): 32 MiB and about 70 ms of a PC's core. The stand-in does so
//! with `STANDIN_SCRYPT`; else node passwords cost about 40 ms of PBKDF2, and tokens nothing.

use anyhow::{Context, Result};
use ring::pbkdf2;
use ring::rand::{SecureRandom, SystemRandom};
use std::num::NonZeroU32;

const ROUNDS: NonZeroU32 = NonZeroU32::new(150_000).unwrap();

/// Whether passwords cost what they cost in k3s.
pub fn is_scrypt() -> bool {
    crate::env_var("STANDIN_SCRYPT").is_some()
}

fn derive(password: &str, salt: &[u8]) -> Result<[u8; 32]> {
    let mut out = [0; 32];
    if is_scrypt() {
        let params = scrypt::Params::new(15, 8, 1)?;
        scrypt::scrypt(password.as_bytes(), salt, &params, &mut out)?;
    } else {
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, ROUNDS, salt, password.as_bytes(), &mut out);
    }
    Ok(out)
}

/// A line with the salt and the hash of a password.
pub fn make(password: &str) -> Result<String> {
    let mut salt = [0; 16];
    SystemRandom::new()
        .fill(&mut salt)
        .map_err(|_| anyhow::anyhow!("no random bytes"))?;
    let hash = derive(password, &salt)?;
    Ok(format!("{} {}\n", hex::encode(salt), hex::encode(hash)))
}

/// Whether a line is the hash of this password.
pub fn verify(line: &str, password: &str) -> Result<bool> {
    let (salt, hash) = line
        .trim()
        .split_once(' ')
        .context("no hash of a password")?;
    Ok(derive(password, &hex::decode(salt)?)?[..] == hex::decode(hash)?)
}

/// The password of a user of the server: hashed in the file `passwd` (`pkg/passwd`).
pub enum Password {
    Plain(String),
    Hashed(String),
}

impl Password {
    pub fn new(password: &str) -> Result<Self> {
        Ok(match is_scrypt() {
            true => Self::Hashed(make(password)?),
            false => Self::Plain(password.into()),
        })
    }

    pub fn is(&self, password: &str) -> Result<bool> {
        match self {
            Self::Plain(own) => Ok(own == password),
            Self::Hashed(line) => verify(line, password),
        }
    }
}
