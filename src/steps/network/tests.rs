use super::*;
use crate::host::Mode;
use crate::host::dhcp_client::tests::add_process;
use crate::host::process::tests::{own_root, passes_again};
use crate::settings::{self, Sources};
use std::fs;
use std::process::{Command, Stdio};

#[test]
fn an_interface_is_up_when_its_flags_say_so() {
    assert!(is_up("0x1003\n"));
    assert!(!is_up("0x1002\n"));
    assert!(!is_up(""));
}

#[test]
fn what_is_missing_is_listed_in_the_order_in_which_it_comes() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let missing = |interface: &str| all_missing(&host, interface).unwrap();
    let rest = [Missing::Route, Missing::Resolver];
    // The loopback interface has an address.
    assert_eq!(missing("lo"), rest);
    assert_eq!(missing("none0"), [&[Missing::Address][..], &rest].concat());
    host.write_note(paths::DHCP_REFUSAL, "no").unwrap();
    assert_eq!(missing("lo"), rest);
    assert_eq!(missing("none0"), [&[Missing::Lease][..], &rest].concat());
    let carrier = host.path("/sys/class/net/lo/carrier");
    fs::create_dir_all(carrier.parent().unwrap()).unwrap();
    fs::write(carrier, "0\n").unwrap();
    assert_eq!(missing("lo"), [&[Missing::Carrier][..], &rest].concat());
}

#[test]
fn what_a_router_announces_becomes_the_resolver_or_a_reason() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let heard = |resolvers: &[&str], has_link_local_resolver, by_dhcp| Advertisement {
        resolvers: resolvers.iter().map(|text| text.parse().unwrap()).collect(),
        has_link_local_resolver,
        by_dhcp,
    };
    write_resolvers(&host, &heard(&["fd00::53"], false, false));
    let text = host.read_text(paths::RESOLV_CONF.path).unwrap();
    assert_eq!(text, "nameserver fd00::53\n");
    for (link_local, by_dhcp, words) in [
        (false, false, ""),
        (true, false, "advertises only a link-local DNS server"),
        (true, true, "leaves addresses or DNS servers to DHCPv6"),
    ] {
        let why = why_not_by_ipv6(&heard(&[], link_local, by_dhcp));
        assert!(
            why.contains(words) && words.is_empty() == why.is_empty(),
            "{why}"
        );
    }
}

/// The wait ends here because a watched file has changed before.
#[test]
fn at_first_the_dhcp_client_is_neither_started_nor_asked_again() {
    let Some(host) = own_root() else {
        let script = ("udhcpc", "touch \"$MUSTER_TEST_ROOT/started\"");
        let name = "steps::network::tests::\
                    at_first_the_dhcp_client_is_neither_started_nor_asked_again";
        passes_again(name, &[script]);
        return;
    };
    let sources = Sources {
        flags: Vec::new(),
        environment: Vec::new(),
        conf: paths::CONF.into(),
    };
    let settings = settings::load(&host, &sources).unwrap();
    host.watch(&["/changed".into()]);
    fs::write(host.path("/changed"), "").unwrap();
    let wait = || wait_until_usable(&host, &settings, &Node::on("lo")).unwrap_err();
    assert_eq!(wait().to_string(), "stopped waiting");
    assert!(host.metadata("/started").is_none());
    // Without a signal it ends when `wait` closes its input.
    let mut client = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    add_process(
        &host,
        client.id(),
        "udhcpc -i lo",
        "/programs/udhcpc",
        [0, 0],
    );
    assert!(is_client_running(&host, "lo"));
    wait();
    assert!(client.wait().unwrap().success());
}
