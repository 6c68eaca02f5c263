//! k3s's rules for tokens, read independently of `src/k3s/token.rs`.

/// What k3s's agent makes of a token.
#[derive(Debug, PartialEq, Eq)]
pub struct Token {
    /// The hash that the CA must have; empty where any CA will do.
    pub hash: String,
    /// What the agent sends, as user `node`.
    pub sent: String,
    /// Whether the token names the user `server`.
    pub server: bool,
}

/// Reads a token by the steps of `parseToken` (k3s, `pkg/clientaccess/token.go`): it first completes
/// a token without the prefix, and then takes every token apart in one way.
///
/// Two rules are added. A hash that is not in lower-case hex digits equals no hash of a CA, so that
/// k3s's agent would never come past it. And no token is as long as 4 KiB.
pub fn token(text: &str) -> Option<Token> {
    if text.is_empty() || text.len() > 4096 {
        return None;
    }
    let whole = if text.starts_with("K10") {
        text.to_string()
    } else if is_bootstrap(text) {
        format!("K10::{text}")
    } else {
        format!("K10:::{text}")
    };
    let parts: Vec<&str> = whole["K10".len()..].splitn(2, "::").collect();
    let (hash, credentials) = match parts[..] {
        [credentials] => ("", credentials),
        [hash, credentials] => (hash, credentials),
        _ => unreachable!("splitn gives one part or two"),
    };
    let digits = hash.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    if !(hash.is_empty() || hash.len() == 64 && digits) {
        return None;
    }
    let (sent, server) = if is_bootstrap(credentials) {
        (format!("Bearer {credentials}"), false)
    } else {
        match credentials.splitn(2, ':').collect::<Vec<_>>()[..] {
            [user, password] if !password.is_empty() => {
                (format!("Basic node:{password}"), user == "server")
            }
            _ => return None,
        }
    };
    Some(Token {
        hash: hash.into(),
        sent,
        server,
    })
}

/// kubeadm's `\A([a-z0-9]{6})\.([a-z0-9]{16})\z`.
fn is_bootstrap(text: &str) -> bool {
    text.len() == 23
        && text.chars().enumerate().all(|(at, c)| match at {
            6 => c == '.',
            _ => c.is_ascii_lowercase() || c.is_ascii_digit(),
        })
}
