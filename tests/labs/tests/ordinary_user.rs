//! What a user who is not root and may not read the token file sees. The tests start the program as
//! `nobody`, so they need root.

use muster_labs::{Board, NamespaceBoard, Options, Site};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
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
    // The build's folder may be closed to nobody: they run a copy.
    let program = root.path().join("muster");
    fs::copy(muster_labs::muster(muster_labs::Kind::Namespace), &program).unwrap();
    allow("", 0o755);
    allow("muster", 0o755);

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
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, "52:54:00:12:34:56");
    board.power_on_without_muster();
    board.shell("hostname unnamed");
    let command = format!("{} muster identity 2>&1 || true", NOBODY.join(" "));
    let said = board.shell(&command);
    assert!(
        said.contains("cannot set the hostname to worker-64e59a: a boot needs root"),
        "{said}"
    );
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
