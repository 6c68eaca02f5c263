use super::*;
use crate::host::Mode;

fn value(name: &'static str, text: &str) -> Value {
    Value {
        name,
        text: text.into(),
        source: Source::Environment,
    }
}

#[test]
fn an_error_names_setting_value_and_source_and_no_secret() {
    let bad = |name| value(name, "x").bad("is wrong").to_string();
    assert_eq!(
        bad("MUSTER_NTP"),
        "MUSTER_NTP=\"x\" (environment): is wrong"
    );
    for name in ["K3S_TOKEN", "HTTPS_PROXY"] {
        let redacted = format!("{name}=\"<redacted>\" (environment): is wrong");
        assert_eq!(bad(name), redacted);
    }
}

#[test]
fn a_path_is_no_secret_and_what_may_be_a_token_is_not_shown() {
    let error = |text| value("K3S_TOKEN_FILE", text).absolute_path().unwrap_err();
    for path in ["./agent-token", "../Site 2/token", "~/token"] {
        let shown = format!("K3S_TOKEN_FILE={path:?} (environment): must be an absolute path");
        assert_eq!(error(path).to_string(), shown);
    }
    for text in [
        "agent-token",
        "s3cr/et",
        "correct/horse.battery",
        "SEC/RET",
        "sec+ret/=",
        "K10ab::node:secret",
        "https://site/token",
    ] {
        let hidden = "K3S_TOKEN_FILE=\"<redacted>\" (environment): must be an absolute path; the \
                      value is hidden, because it may be the secret itself";
        assert_eq!(error(text).to_string(), hidden);
    }
    let file = value("K3S_TOKEN_FILE", "/etc/muster/token");
    assert!(file.bad("no").to_string().contains("/etc/muster/token"));
    let base64 = value("K3S_TOKEN_FILE", "/k9Xab+/cd=");
    assert!(!base64.bad("no").to_string().contains("k9X"));
}

#[test]
fn truth_values() {
    for text in ["yes", "TRUE", "1", "on"] {
        assert!(value("MUSTER_DHCP", text).yes_or_no().unwrap());
    }
    for text in ["no", "False", "0", "off"] {
        assert!(!value("MUSTER_DHCP", text).yes_or_no().unwrap());
    }
    assert!(value("MUSTER_DHCP", "maybe").yes_or_no().is_err());
}

#[test]
fn urls_have_the_scheme_and_nothing_secret() {
    let url = |text: &str| value("K3S_URL", text).url(text, &["https"]);
    assert_eq!(
        url("https://k3s:6443").unwrap().as_str(),
        "https://k3s:6443/"
    );
    for text in [
        "http://k3s",
        "k3s",
        "https://u:p@k3s",
        "https://k3s?x",
        "https://k3s#x",
    ] {
        assert!(url(text).is_err(), "{text}");
    }
}

#[test]
fn a_secret_file_must_exist_and_hold_text() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let read = |text: &str| value("K3S_TOKEN_FILE", text).read_secret(&host);
    let error = read("/none").unwrap_err().to_string();
    assert!(error.contains("there is no such file below /"), "{error}");
    let file = crate::paths::NodeFile {
        path: "/empty",
        mode: 0o600,
    };
    let blank = crate::host::files::Content::Secret(" \n");
    host.ensure_file(file, blank).unwrap();
    let error = read("/empty").unwrap_err().to_string();
    assert!(error.ends_with("the file is empty"), "{error}");
}

#[test]
fn a_missing_file_is_named_with_the_root_folder_if_that_is_another() {
    let error = |root: &str| {
        let host = Host::new(root, Mode::Plan);
        value("SSL_CERT_FILE", "/none")
            .no_such_file(&host)
            .to_string()
    };
    assert!(error("/").ends_with("there is no such file"));
    assert!(error("/a/b/").ends_with("there is no such file below /a/b"));
}

#[test]
fn only_a_dry_run_goes_on_without_a_file_that_its_user_may_not_read() {
    let denied = io::ErrorKind::PermissionDenied;
    for (mode, kind, goes_on) in [
        (Mode::Plan, denied, true),
        (Mode::Plan, io::ErrorKind::IsADirectory, false),
        (Mode::Perform, denied, false),
    ] {
        let host = Host::new("/", mode);
        let error = anyhow::Error::from(io::Error::from(kind)).context("cannot read /x");
        assert_eq!(is_unreadable_in_plan(&host, &error), goes_on, "{kind}");
    }
}
