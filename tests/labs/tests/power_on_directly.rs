//! Power-on with kernel and initramfs given directly.

use muster_labs::{Kind, scenarios};

#[test]
fn three_times_off_and_on_with_nothing_kept_it_is_the_same_node() {
    scenarios::the_same_node_after_each_power_on(Kind::Machine, 3);
}

#[test]
fn another_board_is_another_node_beside_it() {
    scenarios::another_board_is_another_node_beside_it(Kind::Machine);
}
