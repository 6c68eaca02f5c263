use super::*;
use crate::host::Mode;
use std::fs;

/// A board whose default route is on eth1, and the messages for its node on `interface`.
fn messages(interface: &str, flags: &[(&str, &str)]) -> (Option<String>, Option<String>) {
    let root = tempfile::tempdir().unwrap();
    for name in ["sys/class/net/eth0", "sys/class/net/eth1", "proc/net"] {
        fs::create_dir_all(root.path().join(name)).unwrap();
    }
    let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                  eth1\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                  eth0\t00000000\t0102000A\t0003\t0\t0\t9\t00000000\t0\t0\t0\n";
    fs::write(root.path().join("proc/net/route"), routes).unwrap();
    let host = Host::new(root.path(), Mode::Plan);
    let config = AgentConfig::of(flags);
    let other = config.other_interface(&host, &Node::on(interface));
    (config.interface_problem(&host), other.unwrap())
}

#[test]
fn the_interface_that_k3s_takes_is_named_when_it_is_not_the_nodes() {
    let other = |interface, flags: &[(&str, &str)]| messages(interface, flags).1;
    assert_eq!(other("eth1", &[]), None);
    let why = other("eth0", &[]).unwrap();
    assert!(why.starts_with("k3s joins with the address of eth1, because the default"));
    assert!(why.ends_with("`flannel-iface: eth0` in /etc/muster/nodes/worker-1.yaml"));
    assert_eq!(other("eth0", &[("flannel-iface", "eth0")]), None);
    let why = other("eth1", &[("flannel-iface", "eth0")]).unwrap();
    assert!(
        why.contains("eth0, because flannel-iface names this interface"),
        "{why}"
    );
    assert_eq!(other("eth0", &[("node-ip", "10.0.0.7")]), None);
}

#[test]
fn an_interface_that_does_not_exist_is_a_problem() {
    let problem = |flags: &[(&str, &str)]| messages("eth1", flags).0;
    assert_eq!(problem(&[]), None);
    assert_eq!(problem(&[("flannel-iface", "eth0")]), None);
    let why = problem(&[("flannel-iface", "wg0"), ("node-ip", "10.0.0.7")]).unwrap();
    assert!(
        why.starts_with("flannel-iface=\"wg0\": there is no"),
        "{why}"
    );
}
