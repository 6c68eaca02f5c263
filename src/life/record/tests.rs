use super::*;
use crate::board::hostname::Naming;
use crate::host::Mode;

/// A record of a node whose k3s has these bytes.
pub(crate) fn record(k3s: &[u8]) -> Record {
    let mac = Mac::parse("b8:27:eb:00:00:01").unwrap();
    Record {
        node: Node {
            mac,
            name: Naming::new("worker-", 6).unwrap().of(mac),
            interface: "eth0".into(),
            serial: None,
        },
        address: Some("10.0.0.7".into()),
        server: "https://k3s.example:6443".into(),
        tag: Some("v1.34.1+k3s1".into()),
        program: "/usr/local/bin/k3s".into(),
        sha256: Sha256::of(k3s),
        arguments: vec!["agent".into(), "--node-label=a=b".into()],
        environment: vec![Variable {
            name: "K3S_URL".into(),
            value: "https://k3s.example:6443".into(),
            shown: false,
        }],
        log_server: Some(("logs.lan".into(), ([10, 0, 0, 5], 514).into())),
    }
}

#[test]
fn a_record_reads_back_and_only_root_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    assert!(Record::read(&host).is_none());
    let written = record(b"k3s");
    written.write(&host).unwrap();
    let read = Record::read(&host).unwrap();
    assert_eq!(format!("{read:?}"), format!("{written:?}"));
    let mode = host
        .metadata(paths::RECORD.path)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_damaged_record_is_none() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    for text in ["", "{}", "{\"name\": \"w\"}", "[1]"] {
        host.write_note(paths::RECORD, text).unwrap();
        assert!(Record::read(&host).is_none(), "{text}");
    }
}
