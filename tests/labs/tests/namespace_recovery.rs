//! What is down at power-on comes back later: the board recovers alone. (How long an outage lasts is up to the power-on lab.)

use muster_labs::{Kind, scenarios};
use std::time::Duration;

#[test]
fn a_dhcp_server_that_comes_late_is_waited_for() {
    scenarios::a_dhcp_server_that_is_down_is_waited_for(Kind::Namespace, Duration::ZERO);
}

#[test]
fn a_dhcp_server_that_refuses_is_waited_for() {
    scenarios::a_dhcp_server_that_refuses_is_waited_for(Kind::Namespace);
}

#[test]
fn a_mirror_that_is_down_is_waited_for() {
    scenarios::a_mirror_that_is_down_is_waited_for(Kind::Namespace, Duration::ZERO);
}

#[test]
fn a_k3s_server_that_is_down_is_waited_for() {
    scenarios::a_k3s_server_that_is_down_is_waited_for(Kind::Namespace, Duration::ZERO);
}
