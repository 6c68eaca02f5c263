use super::*;
use crate::host::Mode;
use crate::host::routers;
use std::fs;

fn host(path: &str, text: &str) -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let path = host.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    (root, host)
}

#[test]
fn advertisements_are_kept_where_they_are_accepted() {
    let path = "/proc/sys/net/ipv6/conf/eth0/accept_ra";
    for (before, after) in [("0\n", "0\n"), ("1\n", "2\n"), ("2\n", "2\n")] {
        let (_root, host) = host(path, before);
        keep_advertisements(&host, "eth0");
        assert_eq!(host.read_text(path).unwrap().trim(), after.trim());
    }
}

#[test]
fn a_default_route_goes_over_one_interface() {
    let (zeros, router) = ("0".repeat(32), format!("fe80{}1", "0".repeat(27)));
    let rest = "00000400 00000001 00000000 00450003";
    let line = format!("{zeros} 00 {zeros} 00 {router} {rest} eth0\n");
    let (_root, host) = host("/proc/net/ipv6_route", &line);
    assert!(routers::is_default_route(&host, "eth0").unwrap());
    assert!(!routers::is_default_route(&host, "eth1").unwrap());
}

#[test]
fn solicitations_get_rarer_and_the_first_one_is_answered_soon() {
    let second = Duration::from_secs;
    let mut routers = Routers::new("eth0");
    assert!(!routers.may_answer(second(50)), "nothing was sent");
    let mut sent = Vec::new();
    for now in (50..300).map(second) {
        if now >= routers.times.next {
            sent.push(now.as_secs());
            routers.times.sent(now);
        }
        assert_eq!(routers.may_answer(now), now < second(53), "{now:?}");
    }
    assert_eq!(sent, [50, 54, 62, 78, 110, 170, 230, 290]);
}
