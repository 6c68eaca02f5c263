use super::*;
use crate::board::hostname::Naming;
use crate::board::mac::Mac;
use crate::board::node::Node;
use crate::host::Host;
use crate::report::LogServer;
use crate::report::format::severity;
use std::net::ToSocketAddrs;

fn node() -> Node {
    let mac = Mac::parse("b8:27:eb:00:00:01").unwrap();
    Node {
        mac,
        name: Naming::new("worker-", 6).unwrap().of(mac),
        interface: "lo".into(),
        serial: None,
    }
}

fn line(text: &str) -> Line {
    Line {
        severity: severity::INFO,
        step: BOOT,
        text: text.into(),
        ..Line::default()
    }
}

/// A log server on this machine, which has the address of the interface lo.
fn server() -> (UdpSocket, LogServer) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let port = socket.local_addr().unwrap().port();
    let host = "127.0.0.1".into();
    (socket, LogServer::Named { host, port })
}

fn received(server: &UdpSocket) -> String {
    let mut buffer = [0; 2048];
    let n = server.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..n].to_vec()).unwrap()
}

#[test]
fn no_password_of_a_url_is_sent() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let (socket, server) = server();
    host.send_log(&server, "lo");
    host.send_log_as(&node());
    host.outbox()
        .add(line("https://user:pass@mirror: too slow"));
    let datagram = received(&socket);
    assert!(datagram.ends_with("@mirror: too slow") && !datagram.contains("pass"));
}

#[test]
fn what_was_logged_before_the_address_comes_first_and_without_a_time() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let (socket, server) = server();
    for n in 0..KEPT + 1 {
        host.outbox().add(line(&n.to_string()));
    }
    host.send_log(&server, "lo");
    host.send_log_as(&node());
    host.send_log_with_time();
    host.set_k3s_version("v1.34.1+k3s1");
    host.outbox().attach(State::Joined, None);
    host.outbox().add(line("last"));
    let start = "<30>1 - worker-b5b697 muster";
    let params = "boot [muster@32473 mac=\"b8:27:eb:00:00:01\" ip=\"127.0.0.1\" uptime=\"";
    // The oldest lines were dropped: one when there were too many, and one for the last line.
    for n in 2..KEPT + 1 {
        let datagram = received(&socket);
        assert!(
            datagram.starts_with(start) && datagram.contains(params),
            "{datagram}"
        );
        assert!(datagram.ends_with(&format!("\"] {n}")), "{datagram}");
    }
    let last = received(&socket);
    let end = "state=\"joined\" version=\"v1.34.1+k3s1\"] last";
    assert!(last.starts_with("<30>1 2") && last.ends_with(end), "{last}");
}

#[test]
fn a_dry_run_sends_nothing_and_neither_does_a_board_without_a_log_server() {
    let root = tempfile::tempdir().unwrap();
    let (socket, server) = server();
    socket.set_nonblocking(true).unwrap();
    let dry_run = Host::new(root.path(), Mode::Plan);
    dry_run.send_log(&server, "lo");
    let off = Host::new(root.path(), Mode::Perform);
    off.send_log(&LogServer::No, "lo");
    off.send_log(&server, "lo");
    // DHCP has named no log server.
    let none = Host::new(root.path(), Mode::Perform);
    none.send_log(&LogServer::Dhcp, "lo");
    for host in [dry_run, off, none] {
        host.send_log_as(&node());
        host.outbox().add(line("text"));
    }
    assert!(socket.recv(&mut [0; 2048]).is_err());
}

#[test]
fn a_restart_uses_the_address_that_the_boot_has_found() {
    let root = tempfile::tempdir().unwrap();
    let (socket, _) = server();
    let address = socket.local_addr().unwrap();
    let named = |host: &str| LogServer::Named {
        host: host.into(),
        port: address.port(),
    };
    for (setting, arrives) in [
        ("logs.invalid", true),
        ("other.invalid", false),
        ("127.0.0.1", true),
    ] {
        let host = Host::new(root.path(), Mode::Perform);
        host.send_log_as(&node());
        let found = ("logs.invalid".into(), address);
        host.send_log_without_lookup(&named(setting), "lo", Some(&found));
        host.outbox().add(line(setting));
        socket.set_nonblocking(!arrives).unwrap();
        assert_eq!(socket.recv(&mut [0; 2048]).is_ok(), arrives, "{setting}");
    }
}

#[test]
fn a_line_has_its_step_with_a_state_and_the_number_of_the_attempt() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let (socket, server) = server();
    host.send_log(&server, "lo");
    host.send_log_as(&node());
    host.outbox().add(line("before"));
    host.begin_attempt(["network"].into_iter());
    host.outbox().add(line("between"));
    host.begin_step("network");
    host.outbox().add(line("runs"));
    host.outbox().set_waiting(true);
    host.outbox().add(line("waits"));
    for (step, end) in [
        (" boot ", "\"] before"),
        (" boot ", " attempt=\"1\"] between"),
        (" network ", " state=\"running\" attempt=\"1\"] started"),
        (" network ", " state=\"running\" attempt=\"1\"] runs"),
        (" network ", " state=\"waiting\" attempt=\"1\"] waits"),
    ] {
        let datagram = received(&socket);
        assert!(
            datagram.contains(step) && datagram.ends_with(end),
            "{datagram}"
        );
        let has_state = datagram.contains("state=");
        assert_eq!(has_state, step == " network ", "{datagram}");
    }
}

#[test]
fn the_name_of_the_log_server_is_looked_up_once_and_kept() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let mut found = ("localhost", 0).to_socket_addrs().unwrap();
    let socket = UdpSocket::bind(found.next().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let server = LogServer::Named {
        host: "localhost".into(),
        port: address.port(),
    };
    assert!(!host.outbox().has_begun());
    assert_eq!(host.found_log_server(&server), None);
    host.send_log_as(&node());
    host.outbox().add(line("first"));
    host.send_log(&server, "lo");
    assert!(host.outbox().has_begun());
    assert!(received(&socket).ends_with("] first"));
    assert!(host.outbox().has_begun());
    let kept = Some(("localhost".into(), address));
    assert_eq!(host.found_log_server(&server), kept);
    // What a lookup has found is not kept for an address, which needs none.
    let by_address = LogServer::Named {
        host: address.ip().to_string(),
        port: address.port(),
    };
    assert_eq!(host.found_log_server(&by_address), None);
    assert!(Host::new(root.path(), Mode::Plan).outbox().has_begun());
}
