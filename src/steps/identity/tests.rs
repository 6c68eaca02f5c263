use super::*;
use crate::board::hostname::Naming;
use crate::host::Mode;
use crate::settings::{self, Sources};
use std::fs;

fn node(serial: Option<&str>) -> Node {
    let mac = Mac::parse("b8:27:eb:00:00:01").unwrap();
    let name = Naming::new("worker-", 6).unwrap().of(mac);
    Node {
        mac,
        name,
        interface: "eth0".into(),
        serial: serial.map(String::from),
    }
}

#[test]
fn only_the_marked_line_of_etc_hosts_changes() {
    let name = node(None).name;
    let first = hosts("127.0.0.1 localhost\n10.0.0.9 nas # muster it not\n", &name);
    assert_eq!(
        first,
        "127.0.0.1 localhost\n10.0.0.9 nas # muster it not\n127.0.1.1\tworker-b5b697 # muster\n"
    );
    assert_eq!(hosts(&first, &name), first);
    assert_eq!(
        hosts("", &name),
        "127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\tworker-b5b697 # muster\n"
    );
}

#[test]
fn machine_id_golden_vectors() {
    // The first 16 bytes of HMAC-SHA-256, with the key "muster machine-id", over the bytes of
    // the MAC address and then of the serial number.
    assert_eq!(derive_machine_id(&node(None)), GOLDEN);
    assert_eq!(
        derive_machine_id(&node(Some("10000000abcdef01"))),
        GOLDEN_WITH_SERIAL
    );
}

const GOLDEN: &str = "9286970a6a2fabea360c814e94a129ba";
const GOLDEN_WITH_SERIAL: &str = "0fc68e29e0ca7e71f9c07220c17f3183";

#[test]
fn the_serial_number_is_that_of_the_device_tree() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Plan);
    assert_eq!(serial(&host), None);
    fs::create_dir_all(host.path("/proc/device-tree")).unwrap();
    for (bytes, expected) in [
        ("10000000abcdef01\0", Some("10000000abcdef01")),
        ("\0", None),
    ] {
        fs::write(host.path("/proc/device-tree/serial-number"), bytes).unwrap();
        assert_eq!(serial(&host).as_deref(), expected);
    }
}

/// The wait ends here because a watched file has changed before.
#[test]
fn a_boot_waits_for_its_interface_and_a_dry_run_does_not() {
    for (mode, expected) in [
        (Mode::Perform, "stopped waiting"),
        (Mode::Plan, "there is no interface eth9"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), mode);
        let sources = Sources {
            flags: vec![("MUSTER_INTERFACE".into(), "eth9".into())],
            environment: Vec::new(),
            conf: paths::CONF.into(),
        };
        let settings = settings::load(&host, &sources).unwrap();
        host.watch(&["/changed".into()]);
        fs::write(host.path("/changed"), "").unwrap();
        let error = find(&host, &settings, Wait::Short).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
