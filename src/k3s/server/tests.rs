use super::*;

#[test]
fn versions() {
    let tag = git_version(br#"{"major":"1","gitVersion":"v1.34.1+k3s1"}"#);
    assert_eq!(tag, Tag::parse("v1.34.1+k3s1"));
    for answer in [
        "",
        "{}",
        "[]",
        r#"{"gitVersion":1}"#,
        r#"{"gitVersion":"../../etc"}"#,
    ] {
        assert_eq!(git_version(answer.as_bytes()), None, "{answer}");
    }
}

#[test]
fn api_servers_are_hosts_with_ports() {
    let urls = api_servers(br#"["10.0.0.2:6443", "[fd00::2]:6443", 7, "a b"]"#);
    let urls: Vec<&str> = urls.iter().map(Url::as_str).collect();
    assert_eq!(urls, ["https://10.0.0.2:6443/", "https://[fd00::2]:6443/"]);
    for answer in ["", "null", "{}", "[]"] {
        assert_eq!(api_servers(answer.as_bytes()), [], "{answer}");
    }
}

#[test]
fn a_version_that_does_not_come_is_a_setting_in_the_end() {
    let text = |seconds| {
        let failure = Failure::transient(anyhow!("503"));
        with_remedy(failure, Duration::from_secs(seconds)).to_string()
    };
    assert_eq!(text(119), "503");
    assert!(text(120).contains("INSTALL_K3S_VERSION"));
}
