//! Parses k3s join tokens.

use crate::digest::Sha256;
use std::fmt;

/// A join token: the credential that this board sends, and the hash of the CA that must have signed
/// the server's certificate.
///
/// The forms are those that k3s parses (`parseToken` in `pkg/clientaccess/token.go`):
/// - `K10<sha256 of the CA>::<user>:<password>`, or without a hash `K10<user>:<password>`,
/// - `K10<sha256 of the CA>::<id>.<secret>` with a bootstrap token, or without a hash
///   `K10<id>.<secret>`,
/// - a bootstrap token or a password alone.
///
/// `Debug` does not print the token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
    ca: Option<Sha256>,
    user: String,
    credential: Credential,
}

/// The credential that is sent to the server.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A password for HTTP basic authentication. The user that is sent is always `node`, even if
    /// the token names another user, as in k3s's agent (`pkg/agent/run.go`).
    Password(String),
    /// A kubeadm bootstrap token, `<id>.<secret>`, sent as a bearer token.
    Bootstrap { id: String, secret: String },
}

/// The longest token that is accepted (bytes); tokens that k3s makes have about 150.
const TOKEN_MAX: usize = 4096;

/// The prefix of every token in k3s's full format.
const PREFIX: &str = "K10";

impl Token {
    /// Parses a token as k3s does. `text` must have no white space around the token. The error says
    /// what is wrong and never contains a part of the token.
    pub fn parse(text: &str) -> Result<Token, &'static str> {
        if text.is_empty() {
            return Err("is empty");
        }
        if text.len() > TOKEN_MAX {
            return Err("is not a k3s token: it has more than 4096 bytes");
        }
        let Some(rest) = text.strip_prefix(PREFIX) else {
            // Text without the prefix is a bootstrap token or a password. A colon is then a part of
            // the password.
            let credential =
                bootstrap(text).unwrap_or_else(|| Credential::Password(text.to_string()));
            return Ok(Token::new(text, None, "", credential));
        };
        let (hash, credentials) = rest.split_once("::").unwrap_or(("", rest));
        let ca = match hash {
            "" => None,
            hash => Some(ca_hash(hash)?),
        };
        if let Some(credential) = bootstrap(credentials) {
            return Ok(Token::new(text, ca, "", credential));
        }
        match credentials.split_once(':') {
            Some((user, password)) if !password.is_empty() => {
                let password = Credential::Password(password.into());
                Ok(Token::new(text, ca, user, password))
            }
            _ => Err("is cut short: after K10<hash>:: it needs <user>:<password> or <id>.<secret>"),
        }
    }

    fn new(text: &str, ca: Option<Sha256>, user: &str, credential: Credential) -> Token {
        Token {
            text: text.into(),
            ca,
            user: user.into(),
            credential,
        }
    }

    /// Whether this is the server's own token, whose user is `server`. Anyone who has this token
    /// can administer the cluster. A token for agents has the user `node`.
    pub fn is_server_token(&self) -> bool {
        self.user == "server"
    }

    /// The SHA-256 of the server's CA. It is `None` when the token has no hash; then the server
    /// cannot be verified.
    pub fn ca(&self) -> Option<Sha256> {
        self.ca
    }

    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The whole token, for the token file that k3s reads.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The secret part of the token: the password, or the secret of a bootstrap token.
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
    /// The user who runs muster may not read the token file (only in a dry run or `muster check`).
    Unreadable,
}

impl JoinToken {
    /// Returns one message for each weakness of the token.
    pub fn warnings(&self) -> Vec<&'static str> {
        let JoinToken::Read(token) = self else {
            return Vec::new();
        };
        let unpinned = token.ca().is_none().then_some(
            "the join token has no CA hash, so nothing proves that this is your server: use the \
             whole join token (K10<hash>::...)",
        );
        let servers_own = token.is_server_token().then_some(
            "the join token is the server's own token (its user is `server`), with which a board \
             could administer the cluster: start the server with --agent-token, and copy its \
             /var/lib/rancher/k3s/server/agent-token to the token file of each board",
        );
        unpinned.into_iter().chain(servers_own).collect()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(<redacted>)")
    }
}

/// The lengths of a bootstrap token's parts (bytes).
const BOOTSTRAP_ID: usize = 6;
const BOOTSTRAP_SECRET: usize = 16;

/// Parses the CA hash in a token. k3s compares the text of the hash with lower-case digits, so a
/// hash with upper-case digits never matches. Such a hash is an error here, because k3s's agent
/// would retry with it for ever.
fn ca_hash(text: &str) -> Result<Sha256, &'static str> {
    Sha256::parse(text)
        .filter(|hash| hash.to_string() == text)
        .ok_or("is damaged: between K10 and :: there must be 64 lower-case hex digits")
}

/// Reads a kubeadm bootstrap token, `[a-z0-9]{6}.[a-z0-9]{16}`. Returns `None` for any other text.
fn bootstrap(text: &str) -> Option<Credential> {
    let plain = |part: &str, length| {
        part.len() == length
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let (id, secret) = text.split_once('.')?;
    (plain(id, BOOTSTRAP_ID) && plain(secret, BOOTSTRAP_SECRET)).then(|| Credential::Bootstrap {
        id: id.into(),
        secret: secret.into(),
    })
}

#[cfg(test)]
mod tests;
