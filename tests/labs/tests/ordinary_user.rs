//! What a user who is not root and may not read the token file sees. The tests start the program as
//! `nobody`, so they need root.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const NOBODY: [&str; 4] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
];

#[test]
fn dry_run_goes_on_without_an_unreadable_token() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let allow = |path: &str, mode| {
        fs::set_permissions(root.path().join(path), Permissions::from_mode(mode)).unwrap();
    };
    write("sys/class/net/eth0/address", "52:54:00:12:34:56\n");
    write("etc/conf.d/muster", "K3S_URL=\"https://10.0.0.2:6443\"\n");
    let hash = "0".repeat(64);
    write(
        "etc/muster/token",
        &format!("K10{hash}::server:sekret-password\n"),
    );
    allow("etc/muster/token", 0o600);
    let program = copied(root.path());
    let as_root = dry_run(&[], &program, root.path());
    let as_nobody = dry_run(&NOBODY, &program, root.path());
    assert!(as_root.status.success(), "{}", stderr(&as_root));
    assert!(as_nobody.status.success(), "{}", stderr(&as_nobody));
    assert_eq!(as_nobody.stdout, as_root.stdout);
    assert!(stderr(&as_nobody).contains(
        "K3S_TOKEN_FILE=\"/etc/muster/token\" (default): this user may not read the file"
    ));
}

#[test]
fn a_boot_says_that_it_needs_root() {
    // A machine with a NIC and another name, in namespaces of its own.
    let script = format!(
        "mount -t sysfs sysfs /sys
         ip link add eth0 address 52:54:00:12:34:56 type veth peer name other
         hostname unnamed
         exec {} \"$0\" identity",
        NOBODY.join(" ")
    );
    let folder = tempfile::tempdir().unwrap();
    let program = copied(folder.path());
    let mut command = Command::new("unshare");
    command
        .args(["--uts", "--net", "--mount", "sh", "-euc", &script])
        .arg(&program)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = "cannot set the hostname to worker-64e59a: a boot needs root";
    assert!(stderr(&output).contains(said), "{}", stderr(&output));
}

/// A copy of the program in this folder, which `nobody` can run: the build's folder may be closed.
fn copied(folder: &Path) -> PathBuf {
    let program = folder.join("muster");
    fs::copy(muster_labs::muster(muster_labs::Kind::Namespace), &program).unwrap();
    for path in [folder, &program] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    program
}

fn dry_run(prefix: &[&str], program: &Path, root: &Path) -> Output {
    let mut command = Command::new("env");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .args(prefix)
        .arg(program)
        .arg("--root")
        .arg(root)
        .arg("--dry-run");
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
