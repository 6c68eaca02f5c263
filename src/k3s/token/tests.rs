use super::*;

fn hash() -> String {
    Sha256::of(b"ca").to_string()
}

fn parse(text: &str) -> Token {
    Token::parse(text).expect(text)
}

#[test]
fn a_full_token_pins_the_ca_and_has_a_password_or_a_bootstrap_secret() {
    let token = parse(&format!("K10{}::server:pass:word", hash()));
    assert_eq!(
        (token.ca(), token.secret(), token.is_server_token()),
        (Some(Sha256::of(b"ca")), "pass:word", true)
    );
    let token = parse(&format!("K10{}::node:pw", hash()));
    assert!(!token.is_server_token());
    let token = parse(&format!("K10{}::abcdef.0123456789abcdef", hash()));
    assert!(matches!(token.credential(), Credential::Bootstrap { id, .. } if id == "abcdef"));
    assert_eq!(token.secret(), "0123456789abcdef");
}

#[test]
fn text_without_the_prefix_is_one_password_unless_it_is_a_bootstrap_token() {
    for text in [
        "just-a-password",
        "server:pw",
        "::",
        "a::b:c",
        "two words",
        "é",
        "ABCDEF.0123456789abcdef",
        "abcdef.0123456789abcdef0",
    ] {
        let token = parse(text);
        assert_eq!((token.ca(), token.secret()), (None, text));
        assert!(!token.is_server_token(), "{text}");
    }
    let token = parse("abcdef.0123456789abcdef");
    assert!(matches!(token.credential(), Credential::Bootstrap { .. }));
}

#[test]
fn a_user_and_a_hash_may_be_left_out() {
    for (text, secret) in [
        (format!("K10{}:::pw", hash()), "pw"),
        ("K10:::a:b".into(), "a:b"),
        ("K10::node:pw".into(), "pw"),
        ("K10node:pw".into(), "pw"),
        ("K10:pw".into(), "pw"),
        ("K10abcdef.0123456789abcdef".into(), "0123456789abcdef"),
    ] {
        assert_eq!(parse(&text).secret(), secret, "{text}");
    }
}

#[test]
fn damaged_tokens_are_refused_without_being_shown() {
    let cut = format!("K10{}", hash());
    let short_hash = format!("K10{}::node:secretword", &hash()[1..]);
    let upper_case = format!("K10{}::node:secretword", hash().to_uppercase());
    let no_password = format!("K10{}::node:", hash());
    let nothing = format!("K10{}::secretword", hash());
    let long = "secretword".repeat(500);
    for text in [
        "",
        "K10",
        "K10secretword",
        &cut,
        &short_hash,
        &upper_case,
        &no_password,
        &nothing,
        &long,
    ] {
        let error = Token::parse(text).unwrap_err();
        assert!(!error.contains("secretword"), "{text}: {error}");
    }
    let token = parse("secretword");
    assert_eq!(format!("{token:?}"), "Token(<redacted>)");
}
