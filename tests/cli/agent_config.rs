//! What the configuration files of k3s change in a run of the built program.

use crate::root::{Root, assert_one_line, stderr, stdout};
use muster::digest::Sha256;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

const NAMES_THE_NODE: &str = "node-name: foo\n";

#[test]
fn muster_identity_does_not_read_them() {
    let root = Root::new();
    root.write("etc/rancher/k3s/config.yaml", NAMES_THE_NODE);
    let output = root.muster(&["--dry-run", "identity"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn the_link_to_the_nodes_own_file_moves_with_the_configuration_file() {
    let root = Root::new();
    root.write("etc/muster/nodes/worker-64e59a.yaml", "node-label: [a=b]\n");
    let link = |flags: &[&str]| {
        let plan = stdout(&root.muster(&[&["--dry-run"], flags].concat()));
        let line = plan.lines().find(|line| line.starts_with("join: link"));
        line.expect("a link").to_string()
    };
    let own = "to /etc/muster/nodes/worker-64e59a.yaml";
    let folder = "/etc/rancher/k3s/config.yaml.d";
    assert_eq!(link(&[]), format!("join: link {folder}/50-node.yaml {own}"));
    for moved in [
        "K3S_CONFIG_FILE=/etc/k3s.yaml",
        "INSTALL_K3S_EXEC=-c /etc/k3s.yaml",
    ] {
        let expected = format!("join: link /etc/k3s.yaml.d/50-node.yaml {own}");
        assert_eq!(link(&["--set", moved]), expected);
    }
}

/// Makes this script the k3s that this boot verified.
fn install(root: &Root, k3s: &str) {
    root.write("usr/local/bin/k3s", k3s);
    let mode = Permissions::from_mode(0o755);
    fs::set_permissions(root.path("usr/local/bin/k3s"), mode).unwrap();
    let digest = Sha256::of(k3s.as_bytes());
    root.write(
        "run/muster/boot.json",
        &format!(
            r#"{{"name": "worker-64e59a", "mac": "52:54:00:12:34:56", "interface": "eth0",
            "server": "https://10.0.0.2:6443", "program": "/usr/local/bin/k3s", "sha256": "{digest}",
            "arguments": ["agent"], "environment": {{}}}}"#
        ),
    );
}

#[test]
fn a_restart_of_k3s_reads_them_again() {
    let root = Root::new();
    install(&root, "#!/bin/sh\necho started\n");
    assert_eq!(stdout(&root.muster(&[])), "started\n");
    root.write("etc/rancher/k3s/config.yaml", NAMES_THE_NODE);
    let output = root.muster(&["--set", "MUSTER_LOG=error"]);
    assert_one_line(
        "a restart",
        &output,
        &["node-name=\"foo\"", "config.yaml line 1"],
    );
}

#[test]
fn check_runs_k3s_own_check_and_shows_what_fails_and_the_weakness_of_the_token() {
    let root = Root::new();
    let conf = "K3S_URL=https://127.0.0.1:1\nK3S_DATA_DIR=/srv/k3s\n";
    root.write("etc/conf.d/muster", conf);
    let script = "#!/bin/sh\necho \"- $1 in $K3S_DATA_DIR: missing (fail)\"\nexit 1\n";
    install(&root, script);
    let check = || stdout(&root.muster(&["check"]));
    let failure = "WARNING  k3s       k3s check-config: check-config in /srv/k3s: missing";
    assert!(!check().contains(failure), "k3s would unpack itself");
    root.write("srv/k3s/data/current/bin/k3s", "");
    let text = check();
    assert!(text.contains(failure), "{text}");
    let token = "WARNING  token     the join token is the server's own";
    assert!(text.contains(token), "{text}");
    root.write("usr/local/bin/k3s", "#!/bin/sh\necho planted\nexit 1\n");
    assert!(
        !check().contains("check-config"),
        "nobody verified this k3s"
    );
}

#[test]
fn a_file_that_no_board_reads_is_refused_before_a_boot_and_warned_of_on_a_board() {
    let root = Root::new();
    for name in ["worker-43dfae.yaml", "README"] {
        root.write(&format!("etc/muster/nodes/{name}"), "");
    }
    let check = || root.muster(&["check", "--settings"]);
    assert!(check().status.success(), "{}", stderr(&check()));
    let why = "no board reads this file";
    for name in [
        "worker-43DFAE.yaml",
        "worker-43dfa.yaml",
        "pi.yml",
        "worker-43dfae.YAML",
    ] {
        let file = format!("etc/muster/nodes/{name}");
        root.write(&file, "");
        let words = format!(
            "/{file}: {why}: give it the name of a board, such as worker-43dfae.yaml; a name is MUSTER_HOSTNAME_PREFIX and 6 hex digits"
        );
        assert_one_line(name, &check(), &[&words]);
        let text = stdout(&root.muster(&["check"]));
        assert!(
            text.contains(&format!("WARNING  config    /{file}: {why}")),
            "{text}"
        );
        std::fs::remove_file(root.path(&file)).unwrap();
    }
    assert!(!stdout(&root.muster(&["check"])).contains(why));
}

#[test]
fn check_settings_reads_the_configuration_of_every_node() {
    let root = Root::new();
    let check = || root.muster(&["check", "--settings"]);
    assert!(check().status.success(), "{}", stderr(&check()));
    root.write("etc/muster/nodes/worker-000001.yaml", "node-label: [a=b]\n");
    root.write("etc/muster/nodes/worker-000002.yaml", NAMES_THE_NODE);
    let words = ["node-name=\"foo\" (/etc/muster/nodes/worker-000002.yaml line 1)"];
    assert_one_line("a node's file", &check(), &words);
    root.write("etc/muster/nodes/worker-000002.yaml", "");
    root.write("etc/rancher/k3s/config.yaml", NAMES_THE_NODE);
    assert_one_line("k3s's file", &check(), &["config.yaml line 1"]);
}
