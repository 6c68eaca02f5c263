//! What a board sends to its log server, which is this test. The interface of the board is lo, so
//! that it has an address.

use crate::root::{Root, stderr};
use std::net::UdpSocket;
use std::time::Duration;

/// A log server on this machine.
pub struct LogServer(UdpSocket);

impl LogServer {
    pub fn start() -> LogServer {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let patience = Some(Duration::from_secs(60));
        socket.set_read_timeout(patience).unwrap();
        LogServer(socket)
    }

    /// The setting that names this server.
    pub fn setting(&self) -> String {
        format!("MUSTER_SYSLOG={}", self.0.local_addr().unwrap())
    }

    /// Asserts that the next line has this severity, step, state and text.
    #[track_caller]
    pub fn assert_next(&self, severity: &str, step: &str, state: &str, text: &str) {
        let mut buffer = [0; 2048];
        let length = self.0.recv(&mut buffer).unwrap();
        let line = std::str::from_utf8(&buffer[..length]).unwrap();
        assert!(line.starts_with(severity), "{severity}: {line}");
        for words in [step, state, text] {
            assert!(line.contains(words), "{words}: {line}");
        }
    }
}

#[test]
fn the_log_server_hears_of_each_step_whatever_the_console_shows() {
    let root = Root::new();
    root.write("sys/class/net/lo/address", "52:54:00:12:34:56\n");
    let server = LogServer::start();
    let mut command = root.command(&["identity", "clock", "join"]);
    for setting in [
        "MUSTER_INTERFACE=lo",
        "MUSTER_NTP=no",
        "MUSTER_LOG=off",
        &server.setting(),
    ] {
        command.args(["--set", setting]);
    }
    let output = command.output().unwrap();
    let missing = "join: there is no /usr/local/bin/k3s: to install k3s, run: muster fetch";
    assert_eq!(stderr(&output), format!("muster: ERROR: {missing}\n"));
    for (severity, step, state, text) in [
        ("<31>", " identity ", "state=\"running\"", "] started"),
        (
            "<30>",
            " identity ",
            "state=\"done\"",
            "] the hostname is worker-64e59a, from",
        ),
        ("<31>", " clock ", "state=\"running\"", "] started"),
        (
            "<30>",
            " clock ",
            "state=\"done\"",
            "] no time server is asked (MUSTER_NTP=no) (",
        ),
        ("<31>", " join ", "state=\"running\"", "] started"),
        (
            "<30>",
            " join ",
            "state=\"done\"",
            "] wrote the files that k3s reads (",
        ),
        ("<27>", " join ", "state=\"failed\"", missing),
    ] {
        server.assert_next(severity, step, state, text);
    }
}
