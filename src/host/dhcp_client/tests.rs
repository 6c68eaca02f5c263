use super::*;
use crate::host::Mode;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Adds a process with this command line to the root folder of `host`. It runs the program at
/// `exe`, and `uid` is the real and effective user.
pub(crate) fn add_process(host: &Host, pid: u32, command: &str, exe: &str, uid: [u32; 2]) {
    let write = |path: String, text: String| {
        let path = host.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        format!("/proc/{pid}/cmdline"),
        command.replace(' ', "\0") + "\0",
    );
    let [real, effective] = uid;
    let status = format!("Name:\tudhcpc\nUid:\t{real}\t{effective}\t0\t0\nGid:\t0\t0\t0\t0\n");
    write(format!("/proc/{pid}/status"), status);
    let exe = host.path(exe);
    symlink(exe, host.path(format!("/proc/{pid}/exe"))).unwrap();
}

/// A root folder in which `PATH` leads to a udhcpc, which is a link to busybox as on Alpine.
fn host_with_udhcpc() -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Plan);
    let path = std::env::var_os("PATH").unwrap();
    let folder = std::env::split_paths(&path).next().unwrap();
    fs::create_dir_all(host.path(&folder)).unwrap();
    for program in ["/busybox", "/other"] {
        fs::write(host.path(program), "").unwrap();
    }
    symlink(host.path("/busybox"), host.path(folder.join("udhcpc"))).unwrap();
    assert!(host.metadata(Path::new(&folder).join("udhcpc")).is_some());
    (root, host)
}

#[test]
fn only_roots_process_of_the_program_that_muster_starts_counts() {
    const COMMAND: &str = "udhcpc -b -i eth0";
    for (exe, uid, counts) in [
        ("/busybox", [0, 0], true),
        ("/other", [0, 0], false),
        ("/missing", [0, 0], false),
        ("/busybox", [1000, 1000], false),
        ("/busybox", [1000, 0], false),
        ("/busybox", [0, 1000], false),
    ] {
        let (_root, host) = host_with_udhcpc();
        add_process(&host, 42, COMMAND, exe, uid);
        assert_eq!(is_client_running(&host, "eth0"), counts, "{exe} {uid:?}");
    }
    let (_root, host) = host_with_udhcpc();
    add_process(&host, 42, "udhcpc -q -i eth0", "/busybox", [0, 0]);
    assert!(!is_client_running(&host, "eth0"));
}

#[test]
fn only_a_client_that_renews_this_interface_counts() {
    let runs = |line: &str| is_renewing_client(&line.split(' ').collect::<Vec<_>>(), "eth0");
    assert!(runs(
        "udhcpc -b -t 3 -T 2 -i eth0 -p /run/udhcpc.eth0.pid -x hostname:worker-1"
    ));
    assert!(runs("/bin/busybox udhcpc -bi eth0"));
    assert!(runs("/sbin/udhcpc -ieth0 -x hostname:quinn"));
    assert!(!runs("udhcpc -i eth0 -f -q"));
    assert!(!runs("udhcpc -i eth0 -fn"));
    assert!(!runs("udhcpc -i eth1"));
    assert!(!runs("grep udhcpc -i eth0"));
    assert!(!runs("vi udhcpc"));
    // The values of options are no flags.
    assert!(!runs("udhcpc -i eth1 -p eth0"));
    assert!(runs("udhcpc -i eth0 -xhostname:n"));
}

#[test]
fn a_client_that_must_renew_its_lease_gets_the_signal() {
    let (root, _) = host_with_udhcpc();
    let host = Host::new(root.path(), Mode::Perform);
    renew_lease(&host, "eth0").unwrap();
    // Without a signal it ends when `wait` closes its input.
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    add_process(&host, child.id(), "udhcpc -i eth0", "/busybox", [0, 0]);
    renew_lease(&host, "eth0").unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGUSR1 as i32));
}
