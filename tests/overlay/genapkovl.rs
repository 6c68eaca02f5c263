//! `genapkovl-muster.sh`: the same input gives the same bytes, all files are root's, and an error names what is wrong.

use crate::support::{Entry, Folder, LONG_PATH, OVERLAY, SECRET, project, succeed};
use crate::{help_fits_80_columns_for, refused};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::SystemTime;

const TOOL: &str = "genapkovl-muster.sh";

fn command(folder: &Folder, arguments: &[&str]) -> Command {
    folder.tool(&["sh"], TOOL, arguments)
}

/// The entries of `worker.apkovl.tar.gz`, made with all of the folder's files.
fn overlay(folder: &Folder) -> Vec<Entry> {
    succeed(&mut command(folder, OVERLAY));
    folder.entries("worker.apkovl.tar.gz")
}

fn entry<'a>(entries: &'a [Entry], name: &str) -> &'a Entry {
    entries
        .iter()
        .find(|entry| entry.name == name)
        .unwrap_or_else(|| panic!("no {name}"))
}

fn text(entry: &Entry) -> &str {
    std::str::from_utf8(&entry.content).unwrap()
}

#[test]
fn made_twice_it_is_bit_identical() {
    let folder = Folder::new();
    let make = || {
        let arguments = [OVERLAY, &["once"]].concat();
        succeed(&mut command(&folder, &arguments));
        fs::read(folder.path("once.apkovl.tar.gz")).unwrap()
    };
    let first = make();
    let token = fs::File::options().append(true).open(folder.path("token"));
    token.unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert!(make() == first);
}

#[test]
fn all_files_are_roots_whoever_made_it() {
    for entry in overlay(&Folder::new()) {
        assert_eq!(
            entry.owner,
            (0, 0, "root".into(), "root".into()),
            "{}",
            entry.name
        );
    }
}

#[test]
fn modes() {
    let entries = overlay(&Folder::new());
    for (name, mode) in [
        ("usr/sbin/muster", 0o755),
        ("etc/init.d/muster", 0o755),
        ("etc/init.d/muster-health", 0o755),
        ("usr/libexec/muster-log", 0o755),
        ("etc/conf.d/muster", 0o644),
        ("etc/conf.d/ntpd", 0o644),
        ("etc/muster/token", 0o600),
        ("etc/muster/nodes/worker-64e59a.yaml", 0o600),
        ("etc/network/interfaces", 0o644),
        ("root", 0o700),
        ("root/.ssh", 0o700),
        ("root/.ssh/authorized_keys", 0o600),
        (LONG_PATH, 0o750),
    ] {
        assert_eq!(entry(&entries, name).mode, mode, "{name}");
    }
}

#[test]
fn contents() {
    let entries = overlay(&Folder::new());
    let conf = text(entry(&entries, "etc/conf.d/muster"));
    let settings: Vec<&str> = conf
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    assert_eq!(
        settings,
        [
            r#"K3S_URL="https://k3s.lan:6443""#,
            r#"MUSTER_NTP="10.0.0.1 10.0.0.2""#,
            r#"HTTPS_PROXY="http://proxy:3128""#,
        ]
    );
    assert!(!conf.contains(SECRET));
    assert_eq!(
        text(entry(&entries, "etc/network/interfaces")),
        "auto lo\niface lo inet loopback\n"
    );
    assert_eq!(
        text(entry(&entries, "etc/apk/world")),
        "alpine-base\nca-certificates-bundle\nhtop\nopenssh-server\n"
    );
    for (name, link) in [
        ("etc/runlevels/boot/muster", "/etc/init.d/muster"),
        (
            "etc/runlevels/default/muster-health",
            "/etc/init.d/muster-health",
        ),
        ("etc/runlevels/default/sshd", "/etc/init.d/sshd"),
        ("etc/link", "periodic"),
    ] {
        assert_eq!(entry(&entries, name).link.as_deref(), Some(link), "{name}");
    }
    assert_eq!(
        text(entry(&entries, "etc/init.d/muster")),
        fs::read_to_string(project().join("openrc/muster.initd")).unwrap()
    );
}

#[test]
fn source_date_epoch_dates_the_files() {
    let folder = Folder::new();
    succeed(command(&folder, OVERLAY).env("SOURCE_DATE_EPOCH", "1700000000"));
    for entry in folder.entries("worker.apkovl.tar.gz") {
        assert_eq!(entry.mtime, 1_700_000_000, "{}", entry.name);
    }
}

#[test]
fn errors_name_what_is_wrong_and_leave_nothing() {
    let folder = Folder::new();
    symlink("/nowhere", folder.path("dangling")).unwrap();
    folder.write("empty", "", 0o600);
    folder.write("world/etc/apk/world", "htop\nalpine-base-doc\n", 0o644);
    folder.write("private", "-----BEGIN OPENSSH PRIVATE KEY-----\n", 0o600);
    folder.write(
        "pc",
        "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0",
        0o755,
    );
    let good = [
        "--server",
        "https://k3s",
        "--token-file",
        "token",
        "--binary",
        "muster",
    ];
    let no_token = ["--server", "https://k3s", "--binary", "muster"];
    let token = format!(
        "K3S_TOKEN={}",
        fs::read_to_string(folder.path("token")).unwrap().trim_end()
    );
    let with = |more: &[&'static str]| [&good, more].concat();
    for (arguments, said) in [
        (vec![], "--server is required"),
        (
            vec!["--server", "http://k3s"],
            "'http://k3s' does not begin with https://",
        ),
        (no_token.to_vec(), "--token-file is required, or --no-token"),
        (vec!["--token-file", "dangling"], "no such file: dangling"),
        (vec!["--token-file", "empty"], "empty is empty"),
        (
            with(&["--set", "MUSTER_NPT=no"]),
            "no such setting: 'MUSTER_NPT'",
        ),
        (
            with(&["--set", "MUSTER_NTP"]),
            "'MUSTER_NTP' is not NAME=VALUE",
        ),
        (with(&["--set", "MUSTER_NTP=$(id)"]), "cannot hold"),
        (
            with(&["--set", "MUSTER_NTP=a", "--set", "MUSTER_NTP=b"]),
            "MUSTER_NTP is given twice",
        ),
        ([&good[..], &["--set", &token]].concat(), "use --token-file"),
        (
            with(&["--node", "Worker_1=node.yaml"]),
            "'Worker_1' is no hostname",
        ),
        (with(&["--ssh-key", "private"]), "is a private key"),
        (with(&["--add", "nowhere"]), "no such directory: nowhere"),
        (
            with(&["--add", "world"]),
            "world has an etc/apk/world without alpine-base, and boards may have no /sbin/init",
        ),
        (with(&["--arch", "mips"]), "none of aarch64, armv7, x86_64"),
        (with(&["--binary", "pc"]), "pc is not built for aarch64"),
        (
            with(&["--output", "nowhere/x.tar.gz"]),
            "no such directory: nowhere",
        ),
        (with(&["--colour"]), "unknown option --colour"),
        (with(&["one", "two"]), "one NAME only"),
    ] {
        refused(&command(&folder, &arguments).output().unwrap(), said);
    }
    for file in fs::read_dir(folder.path("")).unwrap() {
        let name = file.unwrap().file_name();
        assert!(!name.to_string_lossy().contains("apkovl"), "{name:?}");
    }
}

#[test]
fn help_fits_80_columns() {
    help_fits_80_columns_for(TOOL);
}
