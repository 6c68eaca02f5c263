//! The two tools of `overlay/` where it takes root, or the shells and tools of more than one system. The rest of their tests is in
//! `tests/overlay`.

#[path = "../../overlay/release.rs"]
#[allow(dead_code, reason = "tests/overlay uses the rest")]
mod release;
#[path = "../../overlay/support.rs"]
#[allow(dead_code, reason = "tests/overlay uses the rest")]
mod support;

use muster_labs::{Kind, muster};
use release::{SITE, TOOL, UEFI, releases, tree};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use support::{Folder, OVERLAY, succeed};

/// The shells of Debian, of other Linux systems and of Alpine. BusyBox's uses its own sed, awk, tar and so on.
const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "ash"]];
const NOBODY: u32 = 65534;

#[test]
fn an_overlay_made_without_root_unpacks_to_files_of_root() {
    let folder = Folder::new();
    let mut chown = Command::new("chown");
    chown.args(["-R", "65534:65534"]).arg(folder.path(""));
    succeed(&mut chown);
    let umask = ["sh", "-c", r#"umask 077; exec sh "$0" "$@""#];
    let mut tool = folder.tool(&umask, "genapkovl-muster.sh", OVERLAY);
    succeed(tool.uid(NOBODY).gid(NOBODY));
    let archive = folder.path("worker.apkovl.tar.gz");
    assert_eq!(fs::metadata(archive).unwrap().uid(), NOBODY);
    for entry in folder.entries("worker.apkovl.tar.gz") {
        let root = (0, 0, "root".into(), "root".into());
        assert_eq!(entry.owner, root, "{}", entry.name);
    }

    // By the tar with which Alpine unpacks it.
    fs::create_dir(folder.path("root")).unwrap();
    let mut tar = Command::new("busybox");
    tar.args(["tar", "-C", "root", "-xzf", "worker.apkovl.tar.gz"]);
    succeed(tar.current_dir(folder.path("")));
    owned_by_root(&folder.path("root/etc"));
    let token = fs::metadata(folder.path("root/etc/muster/token")).unwrap();
    assert_eq!(token.mode() & 0o777, 0o600);
}

fn owned_by_root(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert_eq!(metadata.uid(), 0, "{}", path.display());
        if metadata.is_dir() {
            owned_by_root(&path);
        }
    }
}

#[test]
fn every_shell_makes_the_same_overlay() {
    let folder = Folder::new();
    let made = SHELLS.map(|shell| {
        succeed(&mut folder.tool(shell, "genapkovl-muster.sh", OVERLAY));
        folder.tar("worker.apkovl.tar.gz")
    });
    assert!(made[1] == made[0], "{:?}", SHELLS[1]);
    assert!(made[2] == made[0], "{:?}", SHELLS[2]);
}

/// The board's program runs by qemu-user, as on a PC that has no muster of its own.
#[test]
fn the_boards_own_program_checks_the_settings() {
    let folder = Folder::new();
    fs::copy(muster(Kind::Machine), folder.path("board")).unwrap();
    let wrong = ["--binary", "board", "--set", "MUSTER_DHCP=perhaps"];
    let mut tool = folder.tool(&["sh"], "genapkovl-muster.sh", &[OVERLAY, &wrong].concat());
    let output = tool.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("MUSTER_DHCP=\"perhaps\""), "{error}");
}

#[test]
fn a_full_disk_leaves_no_part_of_an_archive() {
    let folder = Folder::new();
    fs::create_dir(folder.path("full")).unwrap();
    // The file system has one page, and the archive is longer.
    let script = "mount -t tmpfs -o size=4k tmpfs full && ! sh \"$0\" \"$@\" && ls -A full";
    let unshare = ["unshare", "--mount", "sh", "-c", script];
    let arguments = [OVERLAY, &["--output", "full/archive"]].concat();
    let output = succeed(&mut folder.tool(&unshare, "genapkovl-muster.sh", &arguments));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("No space left on device"), "{error}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn every_shell_makes_the_same_tree() {
    let folder = releases();
    let mut tar = Command::new("tar");
    tar.args(["-czf", "rpi.tar.gz", "-C", "rpi", "."]);
    succeed(tar.current_dir(folder.path("")));
    let words = ["--cmdline", "a={MAC}* b"];
    for arguments in [["--alpine", "rpi.tar.gz"].as_slice(), UEFI] {
        let arguments = [SITE, arguments, &words, &["--output", "out"]].concat();
        let made = SHELLS.map(|shell| {
            succeed(&mut folder.tool(shell, TOOL, &arguments));
            tree(&folder.path("out"))
        });
        assert!(made[1] == made[0], "{:?}", SHELLS[1]);
        assert!(made[2] == made[0], "{:?}", SHELLS[2]);
    }
}

#[test]
fn dnsmasq_takes_the_configuration() {
    let folder = releases();
    for arguments in [
        &[][..],
        &["--server-name", "k3s.lan=10.11.0.2"],
        &["--proxy-dhcp"],
    ] {
        let arguments = [SITE, &["--alpine", "rpi", "--output", "out"], arguments].concat();
        succeed(&mut folder.tool(&["sh"], TOOL, &arguments));
        let mut dnsmasq = Command::new("dnsmasq");
        let conf = folder.path("out/dnsmasq.conf");
        succeed(
            dnsmasq
                .arg("--test")
                .arg(format!("--conf-file={}", conf.display())),
        );
    }
}
