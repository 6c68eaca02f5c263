//! Parses join tokens: `K10<64 hex>::<user>:<password>`, `K10<64 hex>::<id>.<secret>` (a bootstrap
//! token) or a bare password.

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub struct Token {
    /// The hash of the cluster's CA, if the token has one.
    pub ca_hash: Option<String>,
    secret: Secret,
}

enum Secret {
    Password(String),
    Bootstrap(String),
}

impl Token {
    pub fn parse(text: &str) -> Result<Self> {
        let (ca_hash, rest) = match text.strip_prefix("K10") {
            None => (None, text),
            Some(rest) => match rest.split_once("::") {
                Some((hash, rest)) if hash.len() == 64 => (Some(hash.to_owned()), rest),
                _ => bail!("invalid token CA hash length"),
            },
        };
        if rest.is_empty() {
            bail!("token must not be empty");
        }
        let secret = match rest.split_once(':') {
            Some((_, password)) => Secret::Password(password.into()),
            None if is_bootstrap(rest) => Secret::Bootstrap(rest.into()),
            None if ca_hash.is_none() => Secret::Password(rest.into()),
            None => bail!("invalid token format"),
        };
        Ok(Self { ca_hash, secret })
    }

    /// Returns the secret. A server makes its own token from it.
    pub fn password(&self) -> &str {
        match &self.secret {
            Secret::Password(secret) | Secret::Bootstrap(secret) => secret,
        }
    }

    /// Returns the `Authorization` header of an agent.
    pub fn authorization(&self) -> String {
        match &self.secret {
            Secret::Password(password) => {
                format!("Basic {}", STANDARD.encode(format!("node:{password}")))
            }
            Secret::Bootstrap(token) => format!("Bearer {token}"),
        }
    }
}

/// Whether this is a bootstrap token: 6 and 16 lower-case letters or digits, with a dot between
/// them.
fn is_bootstrap(text: &str) -> bool {
    let fits = |part: &str, length| {
        part.len() == length
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.split_once('.')
        .is_some_and(|(id, secret)| fits(id, 6) && fits(secret, 16))
}

/// Decodes user and password of a Basic `Authorization` header.
pub fn decode_basic(header: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':')
        .map(|(user, password)| (user.into(), password.into()))
}
