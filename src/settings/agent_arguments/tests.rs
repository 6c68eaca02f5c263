use super::*;
use crate::settings::sources::Source;

fn parse(text: &str) -> Result<Vec<String>, String> {
    let value = Value {
        name: "INSTALL_K3S_EXEC",
        text: text.into(),
        source: Source::Environment,
    };
    super::parse(&value).map_err(|error| error.to_string())
}

#[test]
fn a_flag_that_holds_a_secret_is_refused_and_not_shown() {
    let file = "put the join token in /etc/muster/token";
    for (flag, remedy) in [
        ("--token=secret", file),
        ("-t secret", file),
        ("--agent-token secret", file),
        ("-cluster-secret=secret", file),
        (
            "--vpn-auth name=tailscale,joinKey=secret",
            "--vpn-auth-file",
        ),
        ("'--token=secret", file),
    ] {
        let error = parse(flag).unwrap_err();
        assert!(error.contains("refused"), "{error}");
        assert!(error.contains(remedy), "{error}");
        assert!(
            !error.contains("secret,") && !error.contains("=secret"),
            "{error}"
        );
    }
}

#[test]
fn what_names_or_redirects_the_node_is_refused() {
    for (text, flag) in [
        ("--node-name foo", "node-name: "),
        ("agent --v=2 -node-name=foo", "node-name: "),
        ("--with-node-id", "with-node-id: "),
        ("-s https://other:6443", "server: "),
        ("--token-file /x", "token-file: "),
        ("--rootless --v 2", "rootless: "),
        ("--tls-san x", "tls-san: "),
        ("-d relative", "data-dir: "),
        ("--docker false --v 2", "false is not a flag"),
        ("agent x", "x is not a flag"),
        ("--", "-- is not a flag"),
    ] {
        let error = parse(text).unwrap_err();
        let shown = match flag {
            "tls-san: " => "INSTALL_K3S_EXEC (environment): ".into(),
            _ => format!("INSTALL_K3S_EXEC={text:?} (environment): "),
        };
        let start = format!("{shown}{flag}");
        assert!(error.starts_with(&start), "{text}: {error}");
    }
}

#[test]
fn a_value_is_not_taken_for_a_flag() {
    for text in [
        "--node-label --server=x",
        "--with-node-id=false -d /mnt/k3s --docker",
        "--kubelet-arg=v=2 --selinux",
    ] {
        assert!(parse(text).is_ok(), "{text}");
    }
    let words = parse("-i 10.0.0.1 --docker").unwrap();
    let flag = |name, value| Ok(Flag { name, value });
    let read: Vec<_> = flags(&words).collect();
    assert_eq!(read, [flag("node-ip", "10.0.0.1"), flag("docker", "true")]);
}

#[test]
fn words_are_split_as_a_shell_does_and_a_leading_agent_is_dropped() {
    assert_eq!(
        parse("agent --node-label 't=a b'").unwrap(),
        ["--node-label", "t=a b"]
    );
    let error = parse("server").unwrap_err();
    assert!(error.contains("remove the word server"), "{error}");
    assert!(parse("'open").is_err());
}
