//! The archives of a release, as `make dist` makes them.

#[path = "../../overlay/support.rs"]
#[allow(dead_code, reason = "tests/overlay uses the rest")]
mod support;

use muster_labs::{Kind, muster};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Folder, project, succeed};

/// Makes the archive for boards in this folder, and returns its path.
fn dist(folder: &Path) -> PathBuf {
    let mut script = Command::new(project().join("packaging/dist.sh"));
    script
        .arg("aarch64")
        .arg(muster(Kind::Machine))
        .arg(folder)
        .env("SOURCE_DATE_EPOCH", "1700000000");
    succeed(&mut script);
    let made = fs::read_dir(folder).unwrap().next().unwrap();
    made.unwrap().path()
}

/// An archive, and the folder that it unpacks to.
fn unpacked(folder: &Folder) -> (PathBuf, PathBuf) {
    let archive = dist(&folder.path("dist"));
    let mut tar = Command::new("tar");
    succeed(tar.arg("-xzf").arg(&archive).arg("-C").arg(folder.path("")));
    let name = archive.file_name().unwrap().to_str().unwrap();
    let top = folder.path(name.strip_suffix(".tar.gz").unwrap());
    (archive, top)
}

#[test]
fn the_same_program_gives_the_same_archive_and_it_is_the_one_that_the_labs_boot() {
    let (folder, other) = (Folder::new(), Folder::new());
    let (archive, top) = unpacked(&folder);
    let again = dist(&other.path("dist"));
    assert!(fs::read(archive).unwrap() == fs::read(again).unwrap());
    let program = fs::read(muster(Kind::Machine)).unwrap();
    assert!(fs::read(top.join("muster")).unwrap() == program);
}

#[test]
fn it_has_the_licence_and_the_checksum_of_each_crate_that_is_linked() {
    let folder = Folder::new();
    let (_, top) = unpacked(&folder);
    let list = fs::read_to_string(top.join("muster.spdx")).unwrap();
    let field = |package: &str, name: &str| {
        let value = package.lines().find_map(|line| line.strip_prefix(name));
        value.map(str::to_string)
    };
    let mut crates = BTreeSet::new();
    for package in list.split("\n\n").skip(1) {
        let name = field(package, "PackageName: ").unwrap();
        let version = field(package, "PackageVersion: ").unwrap();
        if ["muster", "musl", "rust-library"].contains(&name.as_str()) {
            continue;
        }
        let checksum = field(package, "PackageChecksum: SHA256: ").unwrap();
        assert_eq!(checksum.len(), 64, "{name}: {checksum}");
        let texts = fs::read_dir(top.join(format!("licences/{name}-{version}")));
        assert!(texts.unwrap().count() > 0, "{name}");
        crates.insert(name);
    }
    for known in ["anyhow", "dlmalloc", "ring", "rustls", "webpki-roots"] {
        assert!(crates.contains(known), "{known} is not in {crates:?}");
    }
    // These build muster or test it, and are not in it.
    for other in ["cc", "rcgen", "tempfile"] {
        assert!(!crates.contains(other), "{other}");
    }
    for file in ["musl.txt", "rust-library.html"] {
        assert!(top.join("licences").join(file).exists(), "{file}");
    }
}

#[test]
fn its_tool_makes_an_overlay_with_its_program_and_it_installs() {
    let folder = Folder::new();
    let (_, top) = unpacked(&folder);
    let mut tool = Command::new(top.join("overlay/genapkovl-muster.sh"));
    tool.args(["--server", "https://k3s.lan:6443", "--token-file", "token"]);
    // No build of the project is near.
    tool.current_dir(folder.path(""))
        .env("CARGO_TARGET_DIR", folder.path("nowhere"));
    succeed(&mut tool);
    let entries = folder.entries("worker.apkovl.tar.gz");
    let packed = entries.iter().find(|entry| entry.name == "usr/sbin/muster");
    let program = fs::read(top.join("muster")).unwrap();
    assert!(packed.unwrap().content == program);
    succeed(Command::new(top.join("install.sh")).arg(folder.path("root")));
    assert!(fs::read(folder.path("root/usr/sbin/muster")).unwrap() == program);
}
