//! `genapkovl-muster.sh` keeps secrets from other users, and packs nothing that a board would refuse.

use crate::refused;
use crate::support::{Entry, Folder, OVERLAY, SECRET, succeed};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

const TOOL: &str = "genapkovl-muster.sh";
/// The program that these tests were built with, for this machine.
const MUSTER: &str = env!("CARGO_BIN_EXE_muster");

/// Arguments without a setting that must be checked.
const SMALL: [&str; 6] = [
    "--server",
    "https://k3s.lan:6443",
    "--token-file",
    "token",
    "--binary",
    "muster",
];

fn command(folder: &Folder, arguments: &[&str]) -> Command {
    folder.tool(&["sh"], TOOL, arguments)
}

/// Runs the tool with a `gzip` of the test's own, which is this shell script.
fn with_gzip(folder: &Folder, script: &str, arguments: &[&str]) -> Output {
    folder.write("bin/gzip", &format!("#!/bin/sh\n{script}\n"), 0o755);
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", folder.path("bin").display());
    let mut command = command(folder, arguments);
    command.env("PATH", path).output().unwrap()
}

/// The names in the folder that are of the archive or of a part of it.
fn archives(folder: &Folder) -> Vec<String> {
    let names = fs::read_dir(folder.path("")).unwrap();
    let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("apkovl")).collect()
}

fn entries(folder: &Folder, more: &[&str]) -> Vec<Entry> {
    succeed(&mut command(folder, &[OVERLAY, more].concat()));
    folder.entries("worker.apkovl.tar.gz")
}

#[test]
fn an_archive_with_a_token_is_private_from_its_first_byte() {
    let folder = Folder::new();
    // It notes the permissions of its standard output before it writes a byte.
    let script = "exec 3>&1; stat -L -c %a /proc/self/fd/3 >mode; echo bytes";
    let output = with_gzip(&folder, script, &SMALL);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_to_string(folder.path("mode")).unwrap(), "600\n");
    let mode = |name| {
        fs::metadata(folder.path(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("worker.apkovl.tar.gz"), 0o600);
    // Without a token, everybody may read the archive, as a web server must.
    let no_token = [
        "--server",
        "https://k3s",
        "--no-token",
        "--binary",
        "muster",
    ];
    succeed(&mut command(&folder, &no_token));
    assert_eq!(mode("worker.apkovl.tar.gz"), 0o644);
}

#[test]
fn no_part_of_an_archive_stays_after_a_failure_or_a_signal() {
    let folder = Folder::new();
    for script in [
        "echo bytes; exit 1",
        "echo bytes; kill -TERM $PPID",
        "echo bytes; kill -INT $PPID",
        "echo bytes; kill -HUP $PPID",
    ] {
        let output = with_gzip(&folder, script, &SMALL);
        assert!(!output.status.success(), "{script}");
        assert_eq!(archives(&folder), Vec::<String>::new(), "{script}");
    }
}

#[test]
fn the_cas_of_mirrors_can_be_named() {
    let folder = Folder::new();
    folder.write("tree/etc/muster/ca.pem", "", 0o644);
    let set = ["--set", "SSL_CERT_FILE=/etc/muster/ca.pem"];
    let entries = entries(&folder, &set);
    let conf = entries
        .iter()
        .find(|entry| entry.name == "etc/conf.d/muster");
    let conf = String::from_utf8(conf.unwrap().content.clone()).unwrap();
    let lines: Vec<&str> = conf.lines().collect();
    assert!(
        lines.contains(&r#"SSL_CERT_FILE="/etc/muster/ca.pem""#),
        "{conf}"
    );
}

#[test]
fn each_key_has_a_line_of_its_own() {
    let folder = Folder::new();
    folder.write("one.pub", "ssh-ed25519 AAAA one", 0o644);
    folder.write("two.pub", "ssh-ed25519 BBBB two\nssh-rsa CCCC three", 0o644);
    let keys = ["--ssh-key", "one.pub", "--ssh-key", "two.pub"];
    let entries = entries(&folder, &keys);
    let keys = entries
        .iter()
        .find(|entry| entry.name == "root/.ssh/authorized_keys");
    assert_eq!(
        String::from_utf8_lossy(&keys.unwrap().content),
        "ssh-ed25519 AAAA someone\nssh-ed25519 AAAA one\nssh-ed25519 BBBB two\nssh-rsa CCCC three\n"
    );
}

#[test]
fn an_added_tree_does_not_close_the_systems_folders() {
    let folder = Folder::new();
    for path in [
        "etc/conf.d/x",
        "etc/own/x",
        "usr/local/lib/x",
        "var/lib/x",
        "tmp/x",
        "opt/x",
    ] {
        folder.write(&format!("private/{path}"), "", 0o600);
    }
    let mut find = Command::new("find");
    let close = ["-type", "d", "-exec", "chmod", "0700", "{}", "+"];
    succeed(find.arg(folder.path("private")).args(close));
    let entries = entries(&folder, &["--add", "private"]);
    for (name, mode) in [
        ("etc", 0o755),
        ("etc/conf.d", 0o755),
        ("usr", 0o755),
        ("usr/local", 0o755),
        ("usr/local/lib", 0o755),
        ("var/lib", 0o755),
        ("tmp", 0o1777),
        ("opt", 0o755),
        // A folder and a file that only the added tree has keep their modes.
        ("etc/own", 0o700),
        ("etc/own/x", 0o600),
        ("root", 0o700),
        ("root/.ssh", 0o700),
    ] {
        let entry = entries.iter().find(|entry| entry.name == name).unwrap();
        assert_eq!(entry.mode, mode, "{name}");
    }
}

#[test]
fn a_weak_token_is_packed_with_a_warning() {
    let folder = Folder::new();
    let arguments = [OVERLAY, &["--check-with", MUSTER]].concat();
    let output = command(&folder, &arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("WARNING  token     the join token is the server's own"),
        "{said}"
    );
}

#[test]
fn an_overlay_without_a_token_is_packed_with_all_other_warnings() {
    let folder = Folder::new();
    let arguments = [
        "--server",
        "https://k3s",
        "--no-token",
        "--binary",
        "muster",
        "--check-with",
        MUSTER,
    ];
    let output = succeed(&mut command(&folder, &arguments));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("has no port"), "{said}");
    assert!(!said.contains("MISSING"), "{said}");
}

#[test]
fn a_token_that_the_settings_name_elsewhere_must_be_packed() {
    let folder = Folder::new();
    let arguments = [
        "--server",
        "https://k3s",
        "--no-token",
        "--binary",
        "muster",
        "--check-with",
        MUSTER,
        "--set",
        "K3S_TOKEN_FILE=/srv/token",
    ];
    let said = "K3S_TOKEN_FILE=\"/srv/token\"";
    refused(&command(&folder, &arguments).output().unwrap(), said);
    assert_eq!(archives(&folder), Vec::<String>::new());
}

#[test]
fn what_muster_refuses_is_not_packed() {
    let folder = Folder::new();
    folder.write("short", "K10abc\n", 0o600);
    folder.write(
        "bad/etc/conf.d/muster",
        "K3S_URL=https://k3s\nMUSTER_DHCP=perhaps\n",
        0o644,
    );
    folder.write("tab.yaml", "node-label:\n\t- room=1\n", 0o644);
    folder.write("word.yaml", "node-label: [room=1]\nlabels\n", 0o644);
    folder.write("open.yaml", "v: 1\nnode-label: [room=1\n", 0o644);
    folder.write("yml/etc/muster/nodes/worker-64e59a.yml", "v: 1\n", 0o644);
    let no_token = [
        "--server",
        "https://k3s",
        "--no-token",
        "--binary",
        "muster",
    ];
    let with = |more: &[&'static str]| [&SMALL, more].concat();
    for (arguments, said) in [
        (
            with(&["--set", "MUSTER_DHCP=perhaps"]),
            "MUSTER_DHCP=\"perhaps\"",
        ),
        (
            with(&["--set", "MUSTER_MIRRORS=mirror"]),
            "neither server, github nor a URL",
        ),
        (
            with(&["--set", "SSL_CERT_FILE=/etc/none.pem"]),
            "/etc/none.pem",
        ),
        (with(&["--add", "bad"]), "MUSTER_DHCP=\"perhaps\""),
        (with(&["--token-file", "short"]), "the join token"),
        (
            with(&["--node", "kitchen=node.yaml"]),
            "/etc/muster/nodes/kitchen.yaml: no board reads this file: give it the name of a board, such as worker-43dfae.yaml; \
             a name is MUSTER_HOSTNAME_PREFIX and 6 hex digits",
        ),
        (
            with(&["--node", "worker-64e59a1=node.yaml"]),
            "/etc/muster/nodes/worker-64e59a1.yaml: no board",
        ),
        (
            with(&[
                "--node",
                "worker-64e59a=node.yaml",
                "--set",
                "MUSTER_HOSTNAME_PREFIX=pi-",
            ]),
            "such as pi-43dfae.yaml",
        ),
        (with(&["--add", "yml"]), "nodes/worker-64e59a.yml: no board"),
        (
            with(&["--node", "worker-64e59a=tab.yaml"]),
            "/etc/muster/nodes/worker-64e59a.yaml line 2: is indented with a tab",
        ),
        (
            with(&["--node", "worker-64e59a=word.yaml"]),
            "/etc/muster/nodes/worker-64e59a.yaml line 2: this line is not of the form",
        ),
        (
            with(&["--node", "worker-64e59a=open.yaml"]),
            "/etc/muster/nodes/worker-64e59a.yaml line 2: has a quote or a bracket that is not closed",
        ),
        (
            [&no_token[..], &["--set", "MUSTER_LOG=a=b=c"]].concat(),
            "MUSTER_LOG",
        ),
    ] {
        let arguments = [&arguments[..], &["--check-with", MUSTER]].concat();
        refused(&command(&folder, &arguments).output().unwrap(), said);
        assert_eq!(archives(&folder), Vec::<String>::new(), "{said}");
    }
    // What this machine's environment sets is not the board's.
    for arguments in [&SMALL[..], &no_token] {
        let arguments = [arguments, &["--check-with", MUSTER]].concat();
        let mut command = command(&folder, &arguments);
        succeed(command.env("MUSTER_DHCP", "perhaps").env("K3S_URL", "x"));
    }
}

#[test]
fn without_a_muster_for_this_machine_the_settings_are_packed_with_a_warning() {
    let folder = Folder::new();
    // The header of a program for ARM64, and nothing behind it.
    folder.write(
        "board",
        "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\u{b7}\0",
        0o755,
    );
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    bytes.extend([0xb7, 0]);
    fs::write(folder.path("board"), bytes).unwrap();
    fs::set_permissions(folder.path("board"), Permissions::from_mode(0o755)).unwrap();
    let no_qemu = ["--server", "https://k3s", "--no-token", "--binary", "board"];
    let mut command = command(&folder, &no_qemu);
    command.env("CARGO_TARGET_DIR", folder.path("none"));
    let output = succeed(&mut command);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("were not checked"), "{error}");
    assert!(error.contains("--check-with"), "{error}");
    assert!(!error.contains(SECRET), "{error}");
}
