//! Join tokens, in k3s's grammar (`parseToken` in `pkg/clientaccess/token.go`).

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub struct Token {
    /// The hash that the cluster's CA must have; `None` where any CA will do.
    pub ca_hash: Option<String>,
    secret: Secret,
}

enum Secret {
    Password(String),
    Bootstrap(String),
}

impl Token {
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            bail!("token must not be empty");
        }
        // A bare password or bootstrap token is a full token without a hash.
        let full = match text.strip_prefix("K10") {
            Some(rest) => rest.to_owned(),
            None if is_bootstrap(text) => format!("::{text}"),
            None => format!(":::{text}"),
        };
        let (hash, credentials) = full.split_once("::").unwrap_or(("", &full));
        if !matches!(hash.len(), 0 | 64) {
            bail!("invalid token CA hash length");
        }
        let secret = if is_bootstrap(credentials) {
            Secret::Bootstrap(credentials.into())
        } else {
            match credentials.split_once(':') {
                Some((_, password)) if !password.is_empty() => Secret::Password(password.into()),
                _ => bail!("invalid token format"),
            }
        };
        Ok(Self {
            ca_hash: (!hash.is_empty()).then(|| hash.into()),
            secret,
        })
    }

    /// Returns the secret. A server makes its own token from it.
    pub fn password(&self) -> &str {
        match &self.secret {
            Secret::Password(secret) | Secret::Bootstrap(secret) => secret,
        }
    }

    /// The `Authorization` header of an agent. Its user is `node`, whatever the token says
    /// (`WithUser` in `pkg/agent/run.go`).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_of_k3s() {
        let hash = "0".repeat(64);
        for (text, password) in [
            ("a:b::c", "a:b::c"),
            ("abcdef.0123456789abcdef", "abcdef.0123456789abcdef"),
            ("K10:::pw", "pw"),
            ("K10user:pw", "pw"),
            (&*format!("K10{hash}::server:p:w"), "p:w"),
        ] {
            assert_eq!(Token::parse(text).unwrap().password(), password, "{text}");
        }
        for text in ["", "K10", "K10abc", "K10abc::node:pw", "K10::node:"] {
            assert!(Token::parse(text).is_err(), "{text}");
        }
    }
}
