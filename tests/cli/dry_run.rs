//! The dry run, and what the program says before any boot.

use crate::root::{Root, SECRET, snapshot, stderr, stdout};
use std::process::Command;

#[test]
fn dry_run_prints_the_boot_and_changes_nothing() {
    let root = Root::new();
    let before = snapshot(root.folder());
    let output = root.muster(&["--dry-run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let (asset, sums) = match std::env::consts::ARCH {
        "x86_64" => ("k3s", "sha256sum-amd64.txt"),
        "aarch64" => ("k3s-arm64", "sha256sum-arm64.txt"),
        "arm" => ("k3s-armhf", "sha256sum-arm.txt"),
        other => panic!("k3s has no release for {other}"),
    };
    let plan = include_str!("plan.txt")
        .replace("{root}", root.folder().to_str().unwrap())
        .replace("{asset}", asset)
        .replace("{sums}", sums);
    assert_eq!(stdout(&output), plan);
    assert_eq!(snapshot(root.folder()), before);
    assert!(!stdout(&output).contains(SECRET) && !stderr(&output).contains(SECRET));
}

#[test]
fn the_plan_names_the_image_archive_where_it_is_asked_for() {
    let root = Root::new();
    let line = |flags: &[&str]| {
        let plan = stdout(&root.muster(&[&["--dry-run"], flags].concat()));
        let mut lines = plan.lines().filter(|line| line.contains("airgap"));
        let line = lines.next().map(String::from);
        assert_eq!(lines.next(), None, "{plan}");
        line
    };
    assert_eq!(line(&[]), None);
    let images = ["--set", "MUSTER_AIRGAP_IMAGES=yes"];
    let folder = "fetch: install /var/lib/rancher/k3s/agent/images/k3s-airgap-images-";
    let planned = line(&images).unwrap();
    assert!(planned.starts_with(folder), "{planned}");
    for words in [".tar.zst (0644) from ", "does not fit into the memory"] {
        assert!(planned.contains(words), "{planned}");
    }
    // The pinned digest is that of k3s alone.
    let digest = format!("MUSTER_K3S_SHA256={}", "0".repeat(64));
    let planned = line(&[&images[..], &["--set", &digest]].concat()).unwrap();
    assert!(planned.contains("of the server or the mirror"), "{planned}");
    root.write("etc/rancher/k3s/config.yaml", "data-dir: /srv/k3s\n");
    let planned = line(&images).unwrap();
    assert!(
        planned.starts_with("fetch: install /srv/k3s/agent/images/"),
        "{planned}"
    );
    let image = ["--set", "INSTALL_K3S_SKIP_DOWNLOAD=true"];
    assert_eq!(line(&[&images[..], &image].concat()), None);
}

#[test]
fn the_watch_over_a_node_has_no_plan() {
    let output = Root::new().muster(&["--dry-run", "health"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("muster health does not accept --dry-run"));
}

#[test]
fn status_before_any_boot_fails_and_says_so() {
    let root = Root::new();
    let output = root.muster(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("muster has not run in this boot"));
}

#[test]
fn the_version_has_the_day_of_the_build() {
    let epoch = muster::steps::clock::BUILD.as_secs();
    let mut date = Command::new("date");
    let day = date.args(["-u", "-d", &format!("@{epoch}"), "+%Y-%m-%d"]);
    let day = stdout(&day.output().unwrap());
    let version = stdout(&Root::new().muster(&["--version"]));
    let expected = concat!("muster ", env!("CARGO_PKG_VERSION"), " (");
    assert!(version.starts_with(expected), "{version}");
    assert!(
        version.ends_with(&format!("built {})\n", day.trim())),
        "{version}"
    );
}
