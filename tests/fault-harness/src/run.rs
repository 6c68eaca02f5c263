//! Runs one row: starts its mirrors, runs muster, and checks the outcome.

use crate::check::check;
use crate::mirror::Mirror;
use crate::pki::Pki;
use crate::row::{Pin, Row, Runner, row};
use crate::script::{SIZE, Script, mirror};
use crate::{log, program};
use muster::board::mac::Mac;
use muster::board::node::Node;
use muster::digest::Sha256;
use muster::host::{Host, Mode};
use muster::http::{Clients, MinimumRate, Timeouts};
use muster::k3s::link::ServerLink;
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

/// The target folder below the row's root folder.
pub const BIN: &str = "usr/local/bin";
pub const TAG: &str = "v1.34.1+k3s1";

/// The most bytes that the buffers of both ends of a connection hold beyond what the client read
/// (tcp(7): the last number of each file).
pub fn buffers() -> u64 {
    let most = |file| -> u64 {
        let text = fs::read_to_string(format!("/proc/sys/net/ipv4/{file}")).unwrap();
        text.split_whitespace().last().unwrap().parse().unwrap()
    };
    most("tcp_rmem") + most("tcp_wmem")
}

/// The outcome of a run.
pub struct Outcome {
    /// The text of muster's error.
    pub result: Result<(), String>,
    pub log: String,
    /// The files in the target folder: name, permissions, bytes. A folder has no bytes.
    pub files: Vec<(String, u32, Option<Vec<u8>>)>,
}

/// The MAC address of the board. It is one that makes muster start with the first of two or three
/// mirrors, so that muster asks the mirrors in the order of the row.
pub fn mac() -> Mac {
    let board = |n: u8| Mac::parse(&format!("52:54:00:12:34:{n:02x}")).unwrap();
    (0..=255)
        .map(board)
        .find(|mac| mac.seed() % 6 == 0)
        .unwrap()
}

/// Runs a row. The error names everything that did not hold.
pub fn run(row: &Row, pki: &Arc<Pki>, muster: &Path) -> Result<(), String> {
    let root = tempfile::tempdir().unwrap();
    let bin = root.path().join(BIN);
    fs::create_dir_all(&bin).unwrap();
    for (name, mode, bytes) in &row.existing_files {
        match name.strip_suffix('/') {
            Some(folder) => fs::create_dir(bin.join(folder)).unwrap(),
            None => fs::write(bin.join(name), bytes).unwrap(),
        }
        fs::set_permissions(bin.join(name), Permissions::from_mode(*mode)).unwrap();
    }
    if let Some(megabytes) = row.available_memory {
        let memory = format!("MemAvailable: {} kB\n", megabytes * 1000);
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        fs::write(root.path().join("proc/meminfo"), memory).unwrap();
        let mounts = "22 1 0:21 / / rw - tmpfs tmpfs rw\n";
        fs::write(root.path().join("proc/self/mountinfo"), mounts).unwrap();
    }
    let start = |script: &Script| Mirror::start("127.0.0.1:0", script.clone(), pki);
    let mut all: Vec<Mirror> = row.server.iter().map(|(script, _)| start(script)).collect();
    let mut mirrors: Vec<Mirror> = row.mirrors.iter().take(1).map(start).collect();
    for script in row.mirrors.iter().skip(1) {
        mirrors.push(match &row.runner {
            Runner::AddressChanges(_) => Mirror::start(
                &format!("127.0.0.2:{}", mirrors[0].port),
                script.clone(),
                pki,
            ),
            _ => start(script),
        });
    }
    let urls: Vec<String> = mirrors.iter().map(Mirror::url).collect();
    all.extend(mirrors);

    let started = Instant::now();
    let outcome = match &row.runner {
        Runner::InProcess => in_process(row, root.path(), &urls, all.first(), pki),
        _ => program::run(row, root.path(), &all, pki, muster),
    };
    check(row, &outcome, started.elapsed(), &all)?;
    match row.leaves_partial_file {
        true => run_again(&outcome, pki, muster),
        false => Ok(()),
    }
}

/// Runs again with the partial file of a failed run: the second run must resume it, and download
/// only the missing bytes.
fn run_again(left: &Outcome, pki: &Arc<Pki>, muster: &Path) -> Result<(), String> {
    let mut row = row("the run after the failed one", [mirror()]);
    let names = [".k3s.part", ".k3s.part.json"];
    for (name, (_, mode, bytes)) in names.into_iter().zip(&left.files) {
        row = row.existing_file(name, *mode, bytes.clone().unwrap_or_default());
    }
    let present = left.files[0].2.as_ref().map_or(0, Vec::len) as u64;
    run(&row.installs(SIZE - present), pki, muster)
}

/// Calls the fetch step inside this process, with short timeouts.
fn in_process(
    row: &Row,
    root: &Path,
    urls: &[String],
    server: Option<&Mirror>,
    pki: &Pki,
) -> Outcome {
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
        // The target folder then has only what the download leaves there.
        ("INSTALL_K3S_SYMLINK".into(), "skip".into()),
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
    let mut net = Clients::new(None, None, Some(pki.ca.clone().into_bytes()));
    net.timeouts = Timeouts {
        connect: Duration::from_secs(2),
        stall: Duration::from_secs(3),
        minimum_rate: MinimumRate {
            bytes: 2000,
            slow: 200_000,
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
            settings.spread,
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
        .map(|_| ())
        .map_err(|error| format!("{error:#}"));
    Outcome {
        result,
        log: log::take(),
        files: list(&root.join(BIN)),
    }
}

/// Lists a folder: name, permissions and bytes of each file, sorted by name.
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
