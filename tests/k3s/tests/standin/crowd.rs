//! Boards that register at once with a server whose scrypts have their real cost.

use crate::support::{Folder, Server};
use muster::board::hostname::Hostname;
use muster::board::mac::Mac;
use muster::board::node::Node;
use muster::host::{Host, Mode};
use muster::http::Clients;
use muster::k3s::link::ServerLink;
use muster::k3s::token::{JoinToken, Token};
use std::fs;
use std::thread;
use std::time::Duration;

/// The boards, unless `CROWD` has another number: more than the server admits at a time. Each needs
/// 32 MiB for its scrypt, and a fifth of a second of a core for each try.
const BOARDS: u16 = 24;
/// The requests for certificates that the server admits at a time.
const ADMITTED: usize = 10;

#[test]
fn a_crowd_registers_though_each_try_costs_a_scrypt() {
    let boards = std::env::var("CROWD").map_or(BOARDS, |text| text.parse().unwrap());
    let data = Folder::new("crowd");
    let server = Server::start(&data.0, &[("STANDIN_SCRYPT", "1")]);
    let (url, token) = (server.url.clone(), server.token());
    let register = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let mac = Mac::parse(&format!("b8:27:eb:00:{high:02x}:{low:02x}")).unwrap();
        let node = Node {
            mac,
            name: Hostname::parse(&format!("worker-{number}")).unwrap(),
            interface: "lo".into(),
            serial: None,
        };
        let (host, token) = (Host::new("/", Mode::Perform), Token::parse(&token).unwrap());
        let clients = Clients::new(None, None, None);
        let (url, token) = (url.parse().unwrap(), JoinToken::Read(token));
        // All of them at once, as after a power cut and with a number that is too small.
        let link = ServerLink::new(url, token, &clients, Duration::from_secs(1));
        let server = link.connect(&host, mac.seed()).unwrap().unwrap();
        server.register(&host, &node, "password").unwrap();
    };
    thread::scope(|scope| {
        for number in 0..boards {
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
    assert!(answers(" 200 ") >= usize::from(boards), "{log}");
    // Nothing but 429 is in between.
    assert_eq!(answers(""), answers(" 200 ") + answers(" 429 "), "{log}");
    // No board is refused for good, and the server never held more than it admits.
    let most = fs::read_to_string(data.0.join("most-admitted")).unwrap();
    let most: usize = most.trim().parse().unwrap();
    assert!((1..=ADMITTED).contains(&most), "{most}");
    println!(
        "{boards} boards, {} answers, {} of them 429, {most} admitted at most",
        answers(""),
        answers(" 429 ")
    );
}
