use super::*;
use crate::host::Mode;
use crate::host::dhcp_client::tests::add_process;
use crate::host::process::tests::{again, own_root, passes_again};
use crate::life::record::tests::record;
use crate::paths;
use crate::settings::{self, Sources};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

fn addresses(words: &str) -> Vec<IpAddr> {
    let words = words.split_whitespace();
    words.map(|word| word.parse().unwrap()).collect()
}

#[test]
fn an_address_counts_when_it_has_replaced_the_recorded_one() {
    let record = record(b"k3s"); // 10.0.0.7
    for (present, expected) in [
        ("10.0.0.7", None),
        ("10.0.0.9 10.0.0.7", None),
        ("", None),
        ("fd00::1", None),
        ("10.0.0.9 fd00::1", Some("10.0.0.9")),
    ] {
        let expected = expected.map(|address| address.parse().unwrap());
        assert_eq!(
            replacement(&record, &addresses(present)),
            expected,
            "{present}"
        );
    }
    let unknown = Record {
        address: None,
        ..record
    };
    assert_eq!(replacement(&unknown, &addresses("10.0.0.9")), None);
}

#[test]
fn a_new_address_must_stay() {
    let record = record(b"k3s");
    let mut watch = Watch::default();
    let mut look = |present| watch.new_address(&record, &addresses(present)).is_some();
    let looks = [
        "10.0.0.8", "", "10.0.0.8", "10.0.0.7", "10.0.0.8", "10.0.0.9", "10.0.0.9",
    ];
    let seen: Vec<bool> = looks.into_iter().map(&mut look).collect();
    assert_eq!(seen, [false, false, false, false, false, false, true]);
}

/// In the other process, a shell takes the place of this program, as k3s takes the place of muster.
/// It takes a moment to end after SIGTERM.
#[test]
fn k3s_gets_the_time_to_end_and_its_lock_is_free_then() {
    if let Some(host) = own_root() {
        host.lock_agent().unwrap();
        let script = "trap '/bin/true; exit 7' TERM; echo ready; while read line; do :; done";
        let arguments = ["-c".to_string(), script.into()];
        panic!("{:?}", host.exec(Path::new("/shell"), &arguments, &[]));
    }
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    symlink("/bin/sh", host.path("/shell")).unwrap();
    assert_eq!(k3s_pid(&host), None, "nobody holds the lock");
    let name = "life::health::tests::k3s_gets_the_time_to_end_and_its_lock_is_free_then";
    let mut command = again(name, root.path(), &[]);
    let mut k3s = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let printed = BufReader::new(k3s.stdout.take().unwrap()).lines();
    assert!(printed.map_while(Result::ok).any(|line| line == "ready"));
    let pid = k3s.id().cast_signed();
    assert_eq!(host.agent_pid(), Some(pid));
    // At first the process runs the same program as this one, then another.
    for process in ["self", &pid.to_string()] {
        fs::create_dir_all(host.path(format!("/proc/{process}"))).unwrap();
        fs::write(host.path(format!("/{process}")), "").unwrap();
        symlink(
            host.path("/self"),
            host.path(format!("/proc/{process}/exe")),
        )
        .unwrap();
    }
    assert_eq!(k3s_pid(&host), None, "it is still muster");
    let exe = host.path(format!("/proc/{pid}/exe"));
    fs::remove_file(&exe).unwrap();
    symlink(host.path(format!("/{pid}")), exe).unwrap();
    assert_eq!(k3s_pid(&host), Some(pid));
    restart_k3s(&host, pid, &record(b"k3s"), [10, 0, 0, 9].into());
    assert_eq!(host.agent_pid(), None);
    assert_eq!(k3s.wait().unwrap().code(), Some(7));
}

#[test]
fn a_dhcp_client_that_has_died_is_started_again() {
    let Some(host) = own_root() else {
        let script = ("udhcpc", "echo \"$@\" >>\"$MUSTER_TEST_ROOT/started\"");
        let name = "life::health::tests::a_dhcp_client_that_has_died_is_started_again";
        passes_again(name, &[script]);
        return;
    };
    let check = |dhcp: &str| {
        let sources = Sources {
            flags: vec![("MUSTER_DHCP".into(), dhcp.into())],
            environment: Vec::new(),
            conf: paths::CONF.into(),
        };
        let settings = settings::load(&host, &sources).unwrap();
        check_client(&host, &settings, &record(b"k3s"));
        host.read_text("/started").unwrap()
    };
    assert_eq!(check("no"), "");
    let started = check("yes");
    assert!(
        started.contains("-i eth0") && started.lines().count() == 1,
        "{started}"
    );
    assert!(host.metadata(paths::DHCP_KEEP.path).is_some());
    add_process(&host, 42, "udhcpc -i eth0", "/programs/udhcpc", [0, 0]);
    assert_eq!(check("yes"), started);
}
