//! What `muster status` shows after failures, and after steps that an operator ran by hand.

use crate::log_server::LogServer;
use crate::root::{Root, stderr, stdout};
use crate::watching::Killed;
use muster::board::hostname::Naming;
use muster::board::mac::Mac;
use muster::board::node::Node;
use muster::digest::Sha256;
use muster::host::{Host, Mode};
use muster::life::record::Record;
use muster::report::format::JOINED_END;
use muster::status::Status;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

/// Writes the status of a boot whose steps are all done.
fn write_status_of_a_boot(root: &Root) -> String {
    let mut status = Status::default();
    let steps = ["identity", "network", "join"];
    status.begin(steps.into_iter());
    for step in steps {
        status.start(step, Duration::from_secs(1));
        status.end(step, Duration::from_secs(2), None);
    }
    status.join(Duration::from_secs(3));
    let text = status.to_json();
    root.write("run/muster/status.json", &text);
    text
}

fn status(root: &Root) -> String {
    let output = root.muster(&["status"]);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn a_failed_identity_step_is_shown() {
    let root = Root::new();
    root.write("sys/class/net/eth0/address", "no address\n");
    let output = root.muster(&["identity"]);
    assert!(!output.status.success());
    let text = status(&root);
    assert!(text.contains("identity  failed"), "{text}");
    assert!(
        text.contains("\nfailed    identity: MUSTER_INTERFACE=\"eth0\""),
        "{text}"
    );
}

#[test]
fn a_settings_error_leaves_no_step_of_an_earlier_attempt_done() {
    for error in ["MUSTER_DHCP=perhaps", "K3S_URL="] {
        let root = Root::new();
        write_status_of_a_boot(&root);
        let output = root.muster(&["--set", error]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let text = status(&root);
        assert!(text.contains("boot      attempt 2\n"), "{text}");
        assert!(!text.contains("done"), "{text}");
        assert!(text.contains("identity  pending"), "{text}");
        let (name, _) = error.split_once('=').unwrap();
        assert!(text.contains(&format!("\nfailed    {name}=")), "{text}");
    }
    // An error before the first attempt is shown too.
    let root = Root::new();
    root.muster(&["--set", "MUSTER_DHCP=perhaps", "identity"]);
    let text = status(&root);
    assert!(text.contains("\nfailed    MUSTER_DHCP="), "{text}");
    assert!(!text.contains("attempt"), "{text}");
}

#[test]
fn a_step_by_hand_leaves_the_status_of_the_boot() {
    let root = Root::new();
    let before = write_status_of_a_boot(&root);
    root.write("sys/class/net/eth0/address", "no address\n");
    for arguments in [
        &["identity"][..],
        &["--set", "MUSTER_DHCP=perhaps", "network"],
    ] {
        assert!(!root.muster(arguments).status.success());
        let after = fs::read_to_string(root.path("run/muster/status.json")).unwrap();
        assert_eq!(after, before, "{arguments:?}");
    }
}

/// Writes the record of a boot that has joined. Its k3s is not executable.
fn write_record(root: &Root) {
    root.write("usr/local/bin/k3s", "k3s");
    let mac = Mac::parse("52:54:00:12:34:56").unwrap();
    let record = Record {
        arguments: vec!["agent".into()],
        environment: Vec::new(),
        node: Node {
            mac,
            name: Naming::new("worker-", 6).unwrap().of(mac),
            interface: "lo".into(),
            serial: None,
        },
        address: None,
        server: "https://10.0.0.2:6443".into(),
        tag: Some("v1.34.1+k3s1".into()),
        program: "/usr/local/bin/k3s".into(),
        sha256: Sha256::of(b"k3s"),
        log_server: None,
    };
    record
        .write(&Host::new(root.folder(), Mode::Perform))
        .unwrap();
}

#[test]
fn a_k3s_that_cannot_be_started_is_a_failure_of_the_join_step() {
    let root = Root::new();
    write_status_of_a_boot(&root);
    write_record(&root);
    let log_server = LogServer::start();
    let output = root.muster(&["--set", &log_server.setting()]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    log_server.assert_next("<30>", " boot ", "", "restarting k3s without a network");
    log_server.assert_next(
        "<30>",
        " join ",
        "state=\"joined\"",
        &format!("starting /usr/local/bin/k3s {JOINED_END}"),
    );
    log_server.assert_next("<27>", " join ", "state=\"failed\"", "join: cannot run");
    let record = fs::read_to_string(root.path("run/muster/boot.json")).unwrap();
    assert!(record.contains("\"127.0.0.1\""), "{record}");
    assert!(
        stderr(&output).contains("ERROR: join: cannot run"),
        "{}",
        stderr(&output)
    );
    let text = status(&root);
    assert!(text.contains("k3s       v1.34.1+k3s1\n"), "{text}");
    assert!(text.contains("join      failed"), "{text}");
    assert!(text.contains("\nfailed    join: cannot run"), "{text}");
    let restarts = "\nrestarts  k3s was restarted once in this boot, the last time ";
    assert!(text.contains(restarts), "{text}");
}

#[test]
fn the_json_of_the_status_says_what_the_file_says_and_when() {
    let root = Root::new();
    let written: Value = serde_json::from_str(&write_status_of_a_boot(&root)).unwrap();
    let output = root.muster(&["status", "--json"]);
    let shown: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(shown["steps"], written["steps"]);
    assert!(shown["now"].as_f64() > Some(0.0), "{shown}");
}

#[test]
fn k3s_is_restarted_although_the_settings_cannot_be_read() {
    let root = Root::new();
    write_record(&root);
    let mut command = root.command(&["--supervised", "--set", "MUSTER_DHCP=perhaps"]);
    let mut muster = Killed(command.stderr(Stdio::piped()).spawn().unwrap());
    let errors = BufReader::new(muster.0.stderr.take().unwrap());
    let mut lines = errors.lines().map(Result::unwrap);
    for words in [
        "so muster restarts k3s with the settings that k3s had before",
        "join: starting /usr/local/bin/k3s agent in this process",
        "ERROR: join: cannot run",
    ] {
        let line = lines.next().unwrap();
        assert!(line.contains(words), "{words}: {line}");
    }
}
