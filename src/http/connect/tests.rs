use super::*;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen, socket,
};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::AsRawFd;

/// The addresses of an open port and of a closed one, and the listener of the open port.
fn open_and_closed() -> (SocketAddr, SocketAddr, TcpListener) {
    let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (listener, closed) = (bind(), bind());
    let address = |listener: &TcpListener| listener.local_addr().unwrap();
    (address(&listener), address(&closed), listener)
}

#[test]
fn the_next_address_is_tried_when_one_refuses() {
    let (open_port, closed_port, _kept_open) = open_and_closed();
    let try_all = |addresses: &[SocketAddr]| {
        open(addresses, Deadline::to_connect(Duration::from_secs(10)))
            .map(|tcp| tcp.peer_addr().unwrap())
    };
    for addresses in [[open_port, closed_port], [closed_port, open_port]] {
        assert_eq!(try_all(&addresses).unwrap(), open_port);
    }
    let refused = try_all(&[closed_port; 2]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(try_all(&[]).is_err());
}

/// A port that does not answer: its listener holds as many connections as it may, so the kernel
/// ignores others. Returned with what keeps it so.
fn silent() -> (SocketAddr, impl Sized) {
    let (kind, flags) = (SockType::Stream, SockFlag::SOCK_CLOEXEC);
    let listener = socket(AddressFamily::Inet, kind, flags, None).unwrap();
    let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    bind(listener.as_raw_fd(), &SockaddrIn::from(any)).unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().unwrap();
    let first = TcpStream::connect(address).unwrap();
    (address, (listener, first))
}

#[test]
fn addresses_that_do_not_answer_are_tried_again_after_the_others() {
    let (silent, _kept) = silent();
    let (open_port, closed_port, _kept_open) = open_and_closed();
    let try_all = |addresses: &[SocketAddr]| {
        let deadline = Deadline::to_connect(FIRST_TRY * 2);
        open(addresses, deadline).map(|tcp| tcp.peer_addr().unwrap())
    };
    assert_eq!(try_all(&[silent, open_port]).unwrap(), open_port);
    let passed = Deadline::to_connect(FIRST_TRY).passed().to_string();
    let error = try_all(&[silent, closed_port]).unwrap_err();
    assert_eq!(error.to_string(), passed);
}

#[test]
fn an_unknown_name_is_told_with_what_to_look_at() {
    // No DNS server is asked for a label of more than 63 characters.
    let name = "a".repeat(64);
    let url = Url::parse(&format!("https://{name}:6443")).unwrap();
    let error = addresses(&url).unwrap_err().to_string();
    let remedy = format!(
        ": check that the DNS servers in /etc/resolv.conf answer, and know the name {name}"
    );
    assert!(error.starts_with("failed to lookup address"), "{error}");
    assert!(error.ends_with(&remedy), "{error}");
}
