//! What is down at power-on comes back later: the board recovers alone, with a console meanwhile.

use muster_labs::{Kind, scenarios};
use std::time::Duration;

#[test]
fn no_dhcp_server_for_30_s() {
    let outage = Duration::from_secs(30);
    scenarios::a_dhcp_server_that_is_down_is_waited_for(Kind::Machine, outage);
}

#[test]
fn mirror_down_for_30_s() {
    let outage = Duration::from_secs(30);
    scenarios::a_mirror_that_is_down_is_waited_for(Kind::Machine, outage);
}

#[test]
fn k3s_server_down_for_60_s() {
    let outage = Duration::from_secs(60);
    scenarios::a_k3s_server_that_is_down_is_waited_for(Kind::Machine, outage);
}
