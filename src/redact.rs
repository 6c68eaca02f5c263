//! Takes secrets out of texts that people read: messages, plans and the status.
//!
//! muster never puts a known secret into such a text. This module removes secrets that stand in
//! unexpected places, such as a password in a mirror's URL or a token in the wrong setting.

/// What is shown in place of a secret.
const REDACTED: &str = "<redacted>";
/// What a full join token begins with (k3s, `pkg/clientaccess/token.go`).
const TOKEN: &str = "K10";

/// The text without the user and password of URLs, and without the join tokens that have a CA hash.
/// A token without a CA hash cannot be told from other words.
pub fn redacted(text: &str) -> String {
    // Nearly every text has no such URL and no token, and need not be searched word by word.
    if !text.contains('@') && !text.contains(TOKEN) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(ends_word).unwrap_or(rest.len());
        add_word(&mut shown, &rest[..end]);
        rest = &rest[end..];
        let next = rest.find(|c| !ends_word(c)).unwrap_or(rest.len());
        shown.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    shown
}

/// Whether a word ends before this character. Messages put spaces or double quotes around a URL or
/// a token. A single quote ends no word, because a password in a URL may contain it.
fn ends_word(c: char) -> bool {
    c.is_whitespace() || c == '"'
}

/// Adds a word, without the secret in it, to the text that is shown.
fn add_word(shown: &mut String, word: &str) {
    if let Some(start) = word.find(TOKEN)
        && is_token(&word[start..])
    {
        shown.push_str(&word[..start + TOKEN.len()]);
        shown.push_str(REDACTED);
        return;
    }
    if let Some((scheme, rest)) = word.split_once("://")
        // The last @ is used. A password in a valid URL contains neither a slash nor an @, but a
        // password in an invalid URL is a secret too.
        && let Some((_, after)) = rest.rsplit_once('@')
    {
        for part in [scheme, "://", REDACTED, "@", after] {
            shown.push_str(part);
        }
        return;
    }
    shown.push_str(word);
}

/// Whether a word that begins with [`TOKEN`] is a join token: hex digits and two colons follow.
fn is_token(word: &str) -> bool {
    let hash = word[TOKEN.len()..].trim_start_matches(|c: char| c.is_ascii_hexdigit());
    hash.len() + TOKEN.len() < word.len() && hash.starts_with("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_of_a_url_are_not_shown() {
        for (text, shown) in [
            ("https://u:p@host/x y", "https://<redacted>@host/x y"),
            ("a \"http://u@host\" b", "a \"http://<redacted>@host\" b"),
            ("https://u:p/q@r@host", "https://<redacted>@host"),
            ("x=https://u:p@host,", "x=https://<redacted>@host,"),
            ("'https://u'x:p@host'", "'https://<redacted>@host'"),
        ] {
            assert_eq!(redacted(text), shown);
        }
    }

    #[test]
    fn a_join_token_is_not_shown() {
        let token = format!("K10{}::node:pass", "ab".repeat(32));
        assert_eq!(redacted(&token), "K10<redacted>");
        let text = format!("--set {token}: no\nx=K10ab::y \t");
        assert_eq!(
            redacted(&text),
            "--set K10<redacted> no\nx=K10<redacted> \t"
        );
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in [
            "",
            " it needs <user>:<password> after K10<hash>::, between K10 and ::",
            "ask https://10.0.0.2:6443/cacerts é",
            "user@host K10",
            "K10abc is no token, and K10::x has no hash",
        ] {
            assert_eq!(redacted(text), text);
        }
    }
}
