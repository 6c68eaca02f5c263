//! k3s join tokens.

use crate::digest::Sha256;
use std::fmt;

/// A join token: who we say we are, and the CA that the server must prove itself by.
///
/// Forms, as `k3s` writes and reads them (k3s documentation, "token"): `K10<sha256 of the CA>::<user>:<password>`,
/// `K10<sha256 of the CA>::<id>.<secret>` (a bootstrap token), or either without the part that pins the CA.
/// Neither `Debug` nor anything else here prints the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    ca: Option<Sha256>,
    credential: Credential,
}

/// What is sent to the server.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// HTTP basic authentication as user `node`, whatever user the token names: k3s's agent does so.
    Password(String),
    /// A kubeadm bootstrap token, `<id>.<secret>`, sent as a bearer token.
    Bootstrap { id: String, secret: String },
}

/// The longest token that is read (bytes); k3s's own have about 150.
const TOKEN_MAX: usize = 4096;

impl Token {
    /// Reads a token without white space around it. The error says what is wrong, and shows nothing of the token.
    pub fn parse(text: &str) -> Result<Token, &'static str> {
        if text.is_empty() {
            return Err("is empty");
        }
        if text.len() > TOKEN_MAX || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(
                "is not a k3s token (one line of printable characters, as in the server's node-token file)",
            );
        }
        let (ca, rest) = match text.strip_prefix("K10") {
            None if text.contains("::") => {
                return Err(
                    "is not a k3s token: there is `::` in it, but it does not begin with K10",
                );
            }
            None => (None, text),
            Some(pinned) => {
                let (hash, rest) = pinned
                    .split_once("::")
                    .ok_or("is cut short: K10<hash> is not followed by ::<credentials>")?;
                let ca = Sha256::parse(hash)
                    .ok_or("is damaged: between K10 and :: there must be 64 hex digits")?;
                (Some(ca), rest)
            }
        };
        let credential = match rest.split_once(':') {
            Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                Credential::Password(password.into())
            }
            Some(_) => return Err("is damaged: its user or its password is missing"),
            None if is_bootstrap(rest) => {
                let (id, secret) = rest.split_at(BOOTSTRAP_ID);
                Credential::Bootstrap {
                    id: id.into(),
                    secret: secret[1..].into(),
                }
            }
            None if ca.is_some() => {
                return Err(
                    "is cut short: no <user>:<password> and no <id>.<secret> behind K10<hash>::",
                );
            }
            None => Credential::Password(rest.into()),
        };
        Ok(Token {
            text: text.into(),
            ca,
            credential,
        })
    }

    /// The SHA-256 by which the server's CA is known; `None` for a short token, which cannot pin.
    pub fn ca(&self) -> Option<Sha256> {
        self.ca
    }

    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The whole token, for the file that k3s reads it from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The part that only holders of the token know.
    pub fn secret(&self) -> &str {
        match &self.credential {
            Credential::Password(secret) | Credential::Bootstrap { secret, .. } => secret,
        }
    }
}

/// The result of reading the join token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinToken {
    Read(Token),
    /// The user of a dry run may not read it.
    Unreadable,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(<redacted>)")
    }
}

/// Length of a bootstrap token's id (bytes).
const BOOTSTRAP_ID: usize = 6;

/// Whether a text has the form of a kubeadm bootstrap token: `[a-z0-9]{6}.[a-z0-9]{16}`.
fn is_bootstrap(text: &str) -> bool {
    let plain = |part: &str, length| {
        part.len() == length
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.split_once('.')
        .is_some_and(|(id, secret)| plain(id, BOOTSTRAP_ID) && plain(secret, 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash() -> String {
        Sha256::of(b"ca").to_string()
    }

    #[test]
    fn forms() {
        let token = Token::parse(&format!("K10{}::server:pass:word", hash())).unwrap();
        assert_eq!(
            (token.ca(), token.secret()),
            (Some(Sha256::of(b"ca")), "pass:word")
        );
        let token = Token::parse(&format!("K10{}::abcdef.0123456789abcdef", hash())).unwrap();
        assert!(matches!(token.credential(), Credential::Bootstrap { id, .. } if id == "abcdef"));
        assert_eq!(token.secret(), "0123456789abcdef");
        let token = Token::parse("just-a-password").unwrap();
        assert_eq!((token.ca(), token.secret()), (None, "just-a-password"));
        assert!(matches!(
            Token::parse("abcdef.0123456789abcdef")
                .unwrap()
                .credential(),
            Credential::Bootstrap { .. }
        ));
    }

    #[test]
    fn damaged_tokens_are_refused_without_being_shown() {
        let cut = format!("K10{}", hash());
        let short_hash = format!("K10{}::node:secretword", &hash()[1..]);
        let no_password = format!("K10{}::node:", hash());
        let nothing = format!("K10{}::secretword", hash());
        for text in [
            "",
            &cut,
            &short_hash,
            &no_password,
            &nothing,
            "two secretword",
            "K11abc::node:secretword",
            "é",
        ] {
            let error = Token::parse(text).unwrap_err();
            assert!(!error.contains("secretword"), "{text}: {error}");
        }
        assert_eq!(
            format!("{:?}", Token::parse("secretword").unwrap()),
            "Token(<redacted>)"
        );
    }
}
