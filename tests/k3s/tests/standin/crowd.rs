//! Boards that register at once with a server whose scrypts have their real cost.

use crate::support::{Folder, Server};
use muster::board::hostname::Hostname;
use muster::board::mac::Mac;
use muster::board::node::Node;
use muster::host::{Host, Mode};
use muster::http::Clients;
use muster::k3s::link::ServerLink;
use muster::k3s::token::{JoinToken, Token};
use std::thread;
use std::time::Duration;

/// More than the server admits at a time.
const BOARDS: u8 = 24;

#[test]
fn a_crowd_registers_though_each_try_costs_a_scrypt() {
    let data = Folder::new("crowd");
    let server = Server::start(&data.0, &[("STANDIN_SCRYPT", "1")]);
    let (url, token) = (server.url.clone(), server.token());
    let register = |number: u8| {
        let mac = Mac::parse(&format!("b8:27:eb:00:00:{number:02x}")).unwrap();
        let node = Node {
            mac,
            name: Hostname::parse(&format!("worker-{number}")).unwrap(),
            interface: "lo".into(),
            serial: None,
        };
        let (host, token) = (Host::new("/", Mode::Perform), Token::parse(&token).unwrap());
        let clients = Clients::new(None, None, None).unwrap();
        let (url, token) = (url.parse().unwrap(), JoinToken::Read(token));
        // All of them at once, as after a power cut and with a number that is too small.
        let link = ServerLink::new(url, token, &clients, Duration::from_secs(1));
        let server = link.connect(&host, mac.seed()).unwrap().unwrap();
        server.register(&host, &node, "password").unwrap();
    };
    thread::scope(|scope| {
        for number in 0..BOARDS {
            scope.spawn(move || register(number));
        }
    });
    let log = server.log();
    let answers = |status: &str| {
        let asked = log
            .lines()
            .filter(|line| line.contains("client-kubelet.crt"));
        asked.filter(|line| line.contains(status)).count()
    };
    // On a busy machine a board may have given up before the server answered.
    assert!(answers(" 200 ") >= usize::from(BOARDS), "{log}");
    // Nothing but 429 is in between.
    assert_eq!(answers(""), answers(" 200 ") + answers(" 429 "), "{log}");
}
