//! What muster does about each answer of each kind of server, row by row (`muster_rows.rs`).
//!
//! The code of the boot's `register` and `fetch` steps is asked here once, without its retries: a row
//! says whether it would retry or stop, and with which message.

use crate::muster_rows::{ROWS, Row};
use crate::support::{Folder, Server};
use muster::digest::Sha256;
use muster::http::{Clients, Failure};
use muster::k3s::link::ServerLink;
use muster::k3s::token::{JoinToken, Token};
use std::net::{IpAddr, Ipv4Addr};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

/// The token on the board.
#[derive(Clone, Copy, Debug)]
pub enum On {
    /// A file of the server's.
    File(&'static str),
    /// The server's password alone.
    Bare,
    /// The server's password with an empty user and no hash.
    EmptyUser,
    /// Another password, with the right hash.
    WrongPassword,
    /// A bootstrap token that the server does not know, with the right hash.
    UnknownBootstrap,
    /// The right password with the hash of something else.
    Hash(Hash),
}

/// What a token's hash is of.
#[derive(Clone, Copy, Debug)]
pub enum Hash {
    Nothing,
    WholeAnswer,
    /// The DER of the certificate at this place.
    Certificate(usize),
}

/// What muster asks, in order. The node's name is `n1`.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    /// For the server's CA.
    Reach,
    /// Whether it accepts a node of this name with this password.
    Accept(&'static str, &'static str),
    Version,
}

/// What muster must do.
#[derive(Clone, Copy, Debug)]
pub enum Must {
    GoOn,
    Learn(&'static str),
    /// Retry, and show this.
    Retry(&'static str),
    /// Stop, and show this.
    Stop(&'static str),
}

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn token(server: &Server, on: On) -> String {
    let file = |name: &str| {
        let file = server.data.join("server").join(name);
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    };
    let hash = || file("node-token")[..67].to_owned();
    let answer = server.cacerts();
    match on {
        On::File(name) => file(name),
        On::Bare => server.password(),
        On::EmptyUser => format!("K10:::{}", server.password()),
        On::WrongPassword => format!("{}::node:wrong", hash()),
        On::UnknownBootstrap => format!("{}::abcdef.0123456789abcdef", hash()),
        On::Hash(of) => {
            let hash = match of {
                Hash::Nothing => Sha256::of(b""),
                Hash::WholeAnswer => Sha256::of(answer.as_bytes()),
                Hash::Certificate(at) => Sha256::of(&crate::support::ders(&answer)[at]),
            };
            format!("K10{hash}::node:{}", server.password())
        }
    }
}

/// Asks in order until something is refused. The last answer to a question for the version comes back.
fn ask(server: &Server, row: &Row) -> Result<Option<String>, Failure> {
    let token = Token::parse(&token(server, row.on)).unwrap();
    let mut clients = Clients::new(None, None, None);
    // The machine may be busy with other tests.
    clients.timeouts.stall = Duration::from_secs(60);
    let url = server.url.parse().unwrap();
    let link = ServerLink::new(url, JoinToken::Read(token), &clients, Duration::ZERO);
    let reached = link.reach()?;
    let mut version = None;
    for question in row.asks {
        match question {
            Ask::Reach => {}
            Ask::Accept(name, password) => reached.ask_acceptance(name, password, ADDRESS)?,
            Ask::Version => version = Some(reached.ask_version()?.to_string()),
        }
    }
    Ok(version)
}

/// Checks one row. Returns what is wrong.
fn check(row: &Row) -> Option<String> {
    let name = row.what.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let data = Folder::new(&format!("row-{name}"));
    let mut args = vec!["--https-listen-port", "0", "--disable-agent"];
    args.extend(row.args);
    let mut env = row.env.to_vec();
    // Another server of the same cluster, which an etcd-only one names.
    let other = row.other.then(|| Server::start(&data.0, &[]));
    let address = other.as_ref().map(|other| &other.url["https://".len()..]);
    env.extend(address.map(|address| ("STANDIN_APISERVERS", address)));
    let server = Server::start_with(&data.0, &env, &args);

    let result = ask(&server, row);
    let text = match &result {
        Ok(_) => String::new(),
        Err(failure) => failure.to_string(),
    };
    let as_it_must = match (row.must, &result) {
        (Must::GoOn, Ok(_)) => true,
        (Must::Learn(tag), Ok(version)) => version.as_deref() == Some(tag),
        (Must::Retry(part), Err(Failure::Transient { .. })) => text.contains(part),
        (Must::Stop(part), Err(Failure::Permanent { .. })) => text.contains(part),
        _ => false,
    };
    let remedy = matches!(row.must, Must::Stop(part) if part.contains("delete secret"));
    // Each request for a certificate carries a password, for which a server computes one scrypt.
    let log = server.log();
    let certificates = log.lines().filter(|line| line.contains(".crt ")).count();
    let registers = row.asks.iter().any(|ask| matches!(ask, Ask::Accept(..)));
    let stored = std::fs::read_dir(data.0.join("server/node-passwords")).unwrap();
    let wrong = [
        (!as_it_must, "muster does something else"),
        (text.contains("delete secret") != remedy, "the remedy"),
        (
            text.contains(&server.password()),
            "the message has the token",
        ),
        (
            certificates != row.certificates,
            "requests for certificates",
        ),
        (!registers && stored.count() > 0, "a password was stored"),
    ];
    let wrong: Vec<&str> = wrong.iter().filter(|w| w.0).map(|w| w.1).collect();
    let result = result.map_err(|failure| format!("{failure} ({:?})", failure.status()));
    let (what, must, wrong_text) = (row.what, row.must, wrong.join(", "));
    (!wrong.is_empty()).then(|| {
        format!("{what}: {wrong_text}: must {must:?}, but {result:?}, {certificates} requests\n")
    })
}

#[test]
fn muster_does_about_each_answer_what_its_row_says() {
    assert!(ROWS.len() >= 40, "only {} rows", ROWS.len());
    // A row mostly waits for connections, so several are checked at a time.
    let groups = ROWS.chunks(ROWS.len().div_ceil(8));
    let wrong: String = thread::scope(|scope| {
        let groups = groups.map(|rows| scope.spawn(|| rows.iter().filter_map(check).collect()));
        let groups: Vec<ScopedJoinHandle<'_, String>> = groups.collect();
        let ended = groups.into_iter().map(|group| group.join().unwrap());
        ended.collect()
    });
    assert!(wrong.is_empty(), "{wrong}");
}
