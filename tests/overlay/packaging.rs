//! What `packaging/` installs.

use crate::release;
use crate::support::{Folder, project, succeed};
use std::fs;
use std::process::Command;

fn install(folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .arg(project().join("packaging/install.sh"))
        .args(arguments)
        .current_dir(folder.path(""));
    command
}

#[test]
fn install_puts_the_program_the_service_and_the_pages_below_a_folder() {
    let folder = Folder::new();
    let arguments = ["--binary", "muster", "root"];
    succeed(&mut install(&folder, &arguments));
    let tree = release::tree(&folder.path("root"));
    let files = tree.iter().filter(|(_, (_, content))| content.is_some());
    let files: Vec<(&str, u32)> = files
        .map(|(name, (mode, _))| (name.as_str(), *mode))
        .collect();
    let expected = [
        ("etc/conf.d/muster", 0o644),
        ("etc/init.d/muster", 0o755),
        ("etc/init.d/muster-health", 0o755),
        ("usr/libexec/muster-log", 0o755),
        ("usr/sbin/muster", 0o755),
        ("usr/share/bash-completion/completions/muster", 0o644),
        ("usr/share/fish/vendor_completions.d/muster.fish", 0o644),
        ("usr/share/licenses/muster/LICENSE-APACHE", 0o644),
        ("usr/share/licenses/muster/LICENSE-MIT", 0o644),
        ("usr/share/man/man8/muster.8", 0o644),
        ("usr/share/zsh/site-functions/_muster", 0o644),
    ];
    assert_eq!(files, expected);
    // The settings of a machine are kept.
    folder.write(
        "root/etc/conf.d/muster",
        "K3S_URL=https://k3s:6443\n",
        0o644,
    );
    succeed(&mut install(&folder, &arguments));
    let settings = fs::read_to_string(folder.path("root/etc/conf.d/muster")).unwrap();
    assert_eq!(settings, "K3S_URL=https://k3s:6443\n");
}

#[test]
fn install_says_what_to_do_when_nothing_was_built() {
    let folder = Folder::new();
    let output = install(&folder, &["--binary", "nothing", "root"])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("no program at nothing") && error.contains("make amd64"),
        "{error}"
    );
    assert!(!folder.path("root").exists());
}

#[test]
fn the_package_of_alpine_has_the_version_of_the_program() {
    let read = |file| fs::read_to_string(project().join(file)).unwrap();
    let (package, manifest) = (read("packaging/alpine/APKBUILD"), read("Cargo.toml"));
    let line = manifest.lines().find(|line| line.starts_with("version = "));
    let version = line.unwrap().split('"').nth(1).unwrap();
    assert!(
        package
            .lines()
            .any(|line| line == format!("pkgver={version}")),
        "{version}"
    );
}
