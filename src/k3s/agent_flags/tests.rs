use super::*;

#[test]
fn what_names_or_redirects_the_node_is_refused() {
    for (name, value) in [
        ("node-name", "x"),
        ("with-node-id", "true"),
        ("with-node-id", ""),
        ("server", "https://x:6443"),
        ("token", "x"),
        ("token-file", "/x"),
        ("rootless", "true"),
        ("kubelet-arg", "[v=2, hostname-override=x]"),
        ("data-dir", "relative"),
    ] {
        assert!(refusal(name, value).is_some(), "{name}");
    }
    for (name, value) in [
        ("with-node-id", "false"),
        ("rootless", "False"),
        ("data-dir", "/mnt"),
        ("node-label", "a=b"),
        ("kubelet-arg", "v=2"),
        ("docker", "true"),
    ] {
        assert_eq!(refusal(name, value), None, "{name}");
    }
}

#[test]
fn a_key_of_servers_and_one_that_does_not_exist_are_refused() {
    for name in ["tls-san", "cluster-init", "node-lable", "no-flannel", ""] {
        let why = refusal(name, "x").unwrap();
        assert!(why.contains("does not have this flag"), "{name}: {why}");
    }
}

#[test]
fn short_names_and_secrets() {
    assert_eq!(full_name("t"), "token");
    assert_eq!(full_name("v"), "v");
    for name in ["token", "agent-token", "cluster-secret", "vpn-auth"] {
        assert!(is_secret(name), "{name}");
    }
    assert!(!is_secret("token-file") && !is_secret("vpn-auth-file"));
}
