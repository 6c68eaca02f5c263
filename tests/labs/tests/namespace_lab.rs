//! The shell of `make lab`: its own commands, as somebody would type them.

use std::io::Write;
use std::process::{Command, Stdio};

/// `ready NUMBER` waits until so many nodes are Ready, for a minute at most.
const SCRIPT: &str = r#"
ready() {
    tries=300
    until [ "$($K3S kubectl get nodes | grep -c ' Ready')" -ge "$1" ] || [ $((tries -= 1)) = 0 ]; do sleep 0.2; done
}
board sh -c 'cat /sys/class/net/eth0/address; touch /root-of-before'
reboot-board
board sh -c 'cat /sys/class/net/eth0/address; ls /root-of-before 2>/dev/null || echo a new root'
replace-board
board sh -c 'cat /sys/class/net/eth0/address'
ready 2
board muster status | grep -c '^join .*done'
"#;

#[test]
fn its_board_can_be_rebooted_and_replaced() {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the lab");
    let mut input = lab.stdin.take().expect("its input");
    input.write_all(SCRIPT.as_bytes()).expect("a shell");
    drop(input);
    let output = lab.wait_with_output().expect("the lab");
    let text = String::from_utf8_lossy(&output.stdout);
    let (greeting, said) = text.split_once("ends everything\n").expect("a greeting");
    for command in ["board ", "reboot-board ", "replace-board "] {
        assert!(greeting.contains(&format!("\n{command}")), "{greeting}");
    }
    let expected = "52:54:00:12:34:56\nThe board worker-64e59a is on.\n52:54:00:12:34:56\na new root\n\
                    The board worker-491ddb is on.\n52:54:00:12:34:57\n1\n";
    assert_eq!(said, expected);
    assert!(output.status.success());
}
