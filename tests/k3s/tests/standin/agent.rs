//! Tests `k3s agent` against `k3s server`: its settings, how it joins, and what it does when the
//! server refuses it.

use crate::support::{Folder, Server, eventually, k3s};

#[test]
fn a_node_joins_sends_heartbeats_and_becomes_not_ready() {
    let (data, root) = (Folder::new("join"), Folder::new("join-root"));
    let server = Server::start(&data.0, &[]);
    // The file overrides the environment, and its drop-in overrides the file.
    root.write(
        "etc/rancher/k3s/config.yaml",
        "node-name: from-file\nnode-label:\n  - \"rack=a\"\n",
    );
    root.write(
        "etc/rancher/k3s/config.yaml.d/50-node.yaml",
        "node-name: \"worker-1\"\nnode-label+:\n  - gpu=no\n",
    );
    root.write("etc/rancher/node/password", "secret\n");
    let agent = server.agent(
        &root,
        &["--node-ip=192.0.2.7"],
        &[("K3S_NODE_NAME", "from-env"), ("STANDIN_LOG_MB", "1")],
    );
    assert_eq!(agent.wait_for("joined as"), "joined as worker-1");
    agent.wait_for("log line 8191 ");
    let nodes = server.kubectl("get nodes --show-labels");
    let words: Vec<Vec<&str>> = nodes
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        words[0],
        ["NAME", "STATUS", "ROLES", "AGE", "VERSION", "LABELS"]
    );
    assert_eq!(
        (words[1][..3].to_vec(), &words[1][4..]),
        (
            vec!["worker-1", "Ready", "<none>"],
            &["v1.34.1+k3s1", "gpu=no,rack=a"][..]
        )
    );
    assert_eq!(server.kubelet("worker-1", "secret").status().0, 200);
    assert!(agent.terminate().success());
    eventually("the node becomes NotReady", || {
        server.kubectl("get nodes").contains(" NotReady ")
    });
}

#[test]
fn another_password_is_rejected_until_the_secret_is_deleted() {
    let (data, first, second) = (
        Folder::new("rejected"),
        Folder::new("first-boot"),
        Folder::new("second-boot"),
    );
    let server = Server::start(&data.0, &[]);
    let boot = |root| server.agent(root, &["--node-name", "n1"], &[]);
    boot(&first).wait_for("joined as n1");
    let stored = std::fs::read_to_string(first.0.join("etc/rancher/node/password")).unwrap();
    assert_eq!(stored.trim().len(), 32);
    // The same board after a reboot without a disk: k3s makes a new random password.
    let again = boot(&second);
    again.wait_for(
        "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match",
    );
    assert_eq!(
        server.kubectl("-n kube-system delete secret n1.node-password.k3s"),
        "secret \"n1.node-password.k3s\" deleted\n"
    );
    again.wait_for("joined as n1");
}

#[test]
fn a_wrong_token_is_retried_for_ever() {
    let (data, root) = (Folder::new("token"), Folder::new("token-root"));
    let server = Server::start(&data.0, &[]);
    let wrong_password = format!(
        "{}::server:wrong",
        server.token().split("::").next().unwrap()
    );
    root.write("wrong-password", &wrong_password);
    root.write(
        "wrong-ca",
        &format!("K10{}::server:{}", "0".repeat(64), server.password()),
    );
    let file = |name: &str| format!("--token-file={}", root.0.join(name).display());
    let agent = server.agent(&root, &[&file("wrong-password")], &[]);
    agent.wait_for("401 Unauthorized");
    agent.wait_for("401 Unauthorized");
    let requests = server.log().lines().count();
    let agent = server.agent(&root, &[&file("wrong-ca")], &[]);
    agent.wait_for("token CA hash does not match the Cluster CA certificate hash");
    agent.wait_for("token CA hash does not match");
    assert!(
        server
            .log()
            .lines()
            .skip(requests)
            .filter(|line| !line.contains("/v1-k3s/serving-kubelet.crt 401 "))
            .all(|line| line.contains(" GET /cacerts 200 "))
    );
}

#[test]
fn a_node_joins_with_a_certificate_chain_and_a_bootstrap_token() {
    let (data, root) = (Folder::new("chain-join"), Folder::new("chain-root"));
    let server = Server::start(&data.0, &[("STANDIN_CHAIN", "1")]);
    server
        .agent(&root, &["--node-name=n1"], &[])
        .wait_for("joined as n1");
    let bootstrap = std::fs::read_to_string(data.0.join("server/bootstrap-token")).unwrap();
    root.write("bootstrap", &bootstrap);
    let file = root.0.join("bootstrap");
    server
        .agent(
            &root,
            &["--node-name=n2", "--token-file", file.to_str().unwrap()],
            &[],
        )
        .wait_for("joined as n2");
}

#[test]
fn missing_settings_and_unknown_flags_are_fatal() {
    let cases = [
        (
            "agent",
            ("K3S_URL", "https://192.0.2.1:6443"),
            "--token is required",
        ),
        ("agent", ("K3S_TOKEN", "x"), "--server is required"),
        (
            "agent --no-such-flag",
            ("K3S_TOKEN", "x"),
            "flag provided but not defined: -no-such-flag",
        ),
        (
            "agent",
            ("K3S_TOKEN_FILE", "/no/such/token"),
            "/no/such/token: No such file",
        ),
        (
            "agent",
            ("STANDIN_LOG_MB", "many"),
            "STANDIN_LOG_MB=many is not a number",
        ),
    ];
    for (words, env, expected) in cases {
        let output = k3s(&words.split(' ').collect::<Vec<_>>(), &[env])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_key_that_is_no_flag_ends_an_agent_but_not_a_server() {
    let (data, root) = (Folder::new("key"), Folder::new("key-root"));
    root.write("etc/rancher/k3s/config.yaml", "no-such-key: 1\n");
    let file = root.0.join("etc/rancher/k3s/config.yaml");
    let server = Server::start(&data.0, &[("K3S_CONFIG_FILE", file.to_str().unwrap())]);
    let agent = server.agent(&root, &[], &[]);
    agent.wait_for("flag provided but not defined: -no-such-key");
}
