//! Runs a row, and holds what is there afterwards against it.

use crate::pki::Pki;
use crate::row::{Ends, How, Pin, Row, row};
use crate::script::{RIGHT, SIZE, WRONG, mirror};
use crate::server::{Path as Asked, Server};
use crate::{log, program};
use muster::board::mac::Mac;
use muster::board::node::Node;
use muster::digest::Sha256;
use muster::download::LONGEST;
use muster::host::{Host, Mode};
use muster::http::{Clients, MinimumRate, Timeouts};
use muster::k3s::server::ServerLink;
use muster::k3s::token::Token;
use muster::steps::fetch;
use muster::{
    k3s::token::JoinToken,
    settings::{self, Sources},
};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The target folder, below the row's root.
pub const BIN: &str = "usr/local/bin";
pub const TAG: &str = "v1.34.1+k3s1";

/// What a socket's buffers take in beyond what was read of it, at most (bytes).
pub const BUFFERS: u64 = 8 << 20;

/// What a run came to.
pub struct Outcome {
    /// The error's text.
    pub result: Result<(), String>,
    pub log: String,
    /// What is in the target folder: name, permissions, bytes; `None` is a folder's.
    pub there: Vec<(String, u32, Option<Vec<u8>>)>,
}

/// A board whose place among two or three mirrors is the first, so that a row's order is the order of its requests.
pub fn mac() -> Mac {
    let board = |n: u8| Mac::parse(&format!("52:54:00:12:34:{n:02x}")).unwrap();
    (0..=255)
        .map(board)
        .find(|mac| mac.seed() % 6 == 0)
        .unwrap()
}

/// Runs a row; the error says what did not hold.
pub fn run(row: &Row, pki: &Arc<Pki>, muster: &Path) -> Result<(), String> {
    let root = tempfile::tempdir().unwrap();
    let bin = root.path().join(BIN);
    fs::create_dir_all(&bin).unwrap();
    for (name, mode, bytes) in &row.before {
        match name.strip_suffix('/') {
            Some(folder) => fs::create_dir(bin.join(folder)).unwrap(),
            None => fs::write(bin.join(name), bytes).unwrap(),
        }
        fs::set_permissions(bin.join(name), Permissions::from_mode(*mode)).unwrap();
    }
    let start = |script: &crate::script::Script| Server::start("127.0.0.1:0", script.clone(), pki);
    let mut servers: Vec<Server> = row.server.iter().map(|(script, _)| start(script)).collect();
    let mut mirrors: Vec<Server> = row.mirrors.iter().take(1).map(start).collect();
    for script in row.mirrors.iter().skip(1) {
        mirrors.push(match &row.how {
            How::NameMoves(_) => Server::start(
                &format!("127.0.0.2:{}", mirrors[0].port),
                script.clone(),
                pki,
            ),
            _ => start(script),
        });
    }
    let urls: Vec<String> = mirrors.iter().map(Server::url).collect();
    servers.extend(mirrors);

    let started = Instant::now();
    let outcome = match &row.how {
        How::Inside => inside(row, root.path(), &urls, servers.first(), pki),
        _ => program::run(row, root.path(), &servers, pki, muster),
    };
    check(row, &outcome, started.elapsed(), &servers)?;
    match row.leaves_a_part {
        true => again(&outcome, pki, muster),
        false => Ok(()),
    }
}

/// What a failed run left is taken up by the next, wherever it goes on: it brings what is missing, and no more.
fn again(left: &Outcome, pki: &Arc<Pki>, muster: &Path) -> Result<(), String> {
    let mut row = row("the run after it", [mirror()]);
    let names = [".k3s.part", ".k3s.part.json"];
    for (name, (_, mode, bytes)) in names.into_iter().zip(&left.there) {
        row = row.before(name, *mode, bytes.clone().unwrap_or_default());
    }
    let there = left.there[0].2.as_ref().map_or(0, Vec::len) as u64;
    run(&row.installs(SIZE - there), pki, muster)
}

fn inside(row: &Row, root: &Path, urls: &[String], server: Option<&Server>, pki: &Pki) -> Outcome {
    let host = Host::new(root, Mode::Perform);
    let mirrors = row
        .server
        .iter()
        .map(|_| "server")
        .chain(urls.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(" ");
    let mut flags = vec![
        ("MUSTER_MIRRORS".to_string(), mirrors),
        ("INSTALL_K3S_VERSION".into(), TAG.into()),
    ];
    flags.extend(
        row.settings
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone())),
    );
    let raw = Sources {
        flags,
        environment: Vec::new(),
        conf: "/etc/conf.d/muster".into(),
    };
    let settings = settings::load(&host, &raw).unwrap();
    let mut net = Clients::new(None, None, Some(pki.ca.clone().into_bytes())).unwrap();
    net.timeouts = Timeouts {
        connect: Duration::from_secs(2),
        stall: Duration::from_secs(3),
        minimum_rate: MinimumRate {
            bytes: 2000,
            window: Duration::from_secs(4),
        },
    };
    let link = row.server.as_ref().zip(server).map(|((_, pin), server)| {
        let token = match pin {
            Pin::Right => format!("K10{}::server:password", Sha256::of(pki.ca.as_bytes())),
            Pin::Other => format!("K10{}::server:password", Sha256::of(b"another CA")),
            Pin::Missing => "password".into(),
        };
        ServerLink::new(
            server.url().parse().unwrap(),
            JoinToken::Read(Token::parse(&token).unwrap()),
            &net,
        )
    });
    let node = Node {
        mac: mac(),
        name: settings.naming.of(mac()),
        interface: "eth0".into(),
        serial: None,
    };
    log::clear();
    let result = fetch::run(&host, &settings, &net, &node, link.as_ref())
        .map_err(|error| format!("{error:#}"));
    Outcome {
        result,
        log: log::take(),
        there: list(&root.join(BIN)),
    }
}

/// What is in a folder, sorted by name.
pub fn list(folder: &Path) -> Vec<(String, u32, Option<Vec<u8>>)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let entry = |path: &PathBuf| {
        let mode = fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
        let bytes = (!path.is_dir()).then(|| fs::read(path).unwrap());
        (
            path.file_name().unwrap().to_string_lossy().into_owned(),
            mode,
            bytes,
        )
    };
    paths.iter().map(entry).collect()
}

fn check(row: &Row, outcome: &Outcome, took: Duration, servers: &[Server]) -> Result<(), String> {
    let seen: Vec<_> = servers
        .iter()
        .map(|server| server.seen(Asked::Binary))
        .collect();
    let sent: u64 = seen.iter().map(|seen| seen.sent).sum();
    let sums: usize = servers
        .iter()
        .map(|server| server.seen(Asked::Sums).ranges.len())
        .sum();
    let names: Vec<&str> = outcome
        .there
        .iter()
        .map(|(name, ..)| name.as_str())
        .collect();
    let mut wrong = Vec::new();
    let mut must = |holds: bool, text: String| {
        if !holds {
            wrong.push(text);
        }
    };
    match (&row.ends, &outcome.result) {
        (Ends::Installed(at_most), Ok(())) => {
            must(
                sent <= *at_most,
                format!("{sent} bytes came over the wire, and {at_most} is the most"),
            );
            let right = |(name, mode, bytes): &(String, u32, Option<Vec<u8>>)| {
                name == "k3s" && *mode == 0o755 && bytes.as_deref() == Some(&RIGHT)
            };
            must(
                outcome.there.iter().any(right),
                "the right k3s is not in place".into(),
            );
            must(names == ["k3s"], format!("left behind: {names:?}"));
        }
        (Ends::Fails(text), Err(error)) => {
            must(
                error.contains(text),
                format!("the error is {error:?}, without {text:?}"),
            );
            must(
                sent <= LONGEST + BUFFERS,
                format!("{sent} bytes came over the wire"),
            );
            must(
                !error.contains('\n'),
                format!("the error is more than a line: {error:?}"),
            );
            let before: Vec<&str> = match row.leaves_a_part {
                true => vec![".k3s.part", ".k3s.part.json"],
                false => row
                    .before
                    .iter()
                    .map(|(name, ..)| name.trim_end_matches('/'))
                    .collect(),
            };
            must(
                names == before,
                format!("the target folder has {names:?}, and had {before:?}"),
            );
        }
        (expected, result) => must(
            false,
            format!("it must end as {expected:?}, and is {result:?}"),
        ),
    }
    // What holds whatever the row says: nothing is executable that was not verified, and no part is of no use.
    for (name, mode, bytes) in outcome.there.iter().filter(|(_, _, bytes)| bytes.is_some()) {
        let bytes = bytes.as_deref().unwrap_or_default();
        let old = row
            .before
            .iter()
            .any(|(old, _, was)| old == name && was == bytes && name == "k3s");
        must(
            mode & 0o111 == 0 || bytes == *RIGHT || old,
            format!("{name} is executable ({mode:o}), and wrong"),
        );
        must(
            bytes != *WRONG || old,
            format!("{name} is what a lying mirror sent"),
        );
        if name == ".k3s.part" {
            must(*mode == 0o600, format!("{name} has permissions {mode:o}"));
            must(
                names.contains(&".k3s.part.json"),
                format!("{name} has no note, so nothing can resume it"),
            );
        }
    }
    must(
        outcome.log.lines().all(|line| line.len() < 2000),
        "a line of the log is as long as a server wanted it".into(),
    );
    for (text, times) in &row.says_at_most {
        let said = outcome.log.matches(text).count();
        must(
            said <= *times,
            format!("the log says {text:?} {said} times, and {times} is the most"),
        );
    }
    for text in &row.says {
        must(
            outcome.log.contains(text),
            format!("the log does not say {text:?}"),
        );
    }
    must(
        sums <= row.sums_asked,
        format!("sums were asked for {sums} times"),
    );
    if let Some(expected) = &row.ranges {
        let ranges: Vec<String> = seen.into_iter().flat_map(|seen| seen.ranges).collect();
        must(
            ranges == *expected,
            format!("asked for {ranges:?}, and must ask for {expected:?}"),
        );
    }
    must(
        took >= row.takes.0 && took <= row.takes.1,
        format!("it took {took:?}"),
    );
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("{}\n  its log:\n{}", wrong.join("; "), outcome.log)),
    }
}
