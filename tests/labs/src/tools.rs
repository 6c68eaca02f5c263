//! Runs this machine's tools, and finds the programs under test.

use crate::Kind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs a command line to its end and returns what it printed; panics, with all its output, when it fails.
pub fn run(argv: &[&str]) -> String {
    let output = Command::new(argv[0])
        .args(&argv[1..])
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|error| {
        panic!(
            "{}: {error}; `tests/setup.sh` installs what the labs need",
            argv[0]
        )
    });
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}: {}: {stderr}",
        argv.join(" "),
        output.status
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Asks until the answer is there; panics when it does not come in time.
pub fn wait_for<T>(what: &str, time: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + time;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            Instant::now() < until,
            "{what}: not within {} s",
            time.as_secs()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Spreads numbers that lie close together over all 64 bits (the finalizer of splitmix64).
pub fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The top of the source tree.
pub(crate) fn top() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    top.canonicalize().expect("the source tree")
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or(top().join("target"), PathBuf::from)
}

/// Where Alpine, the programs of the power-on lab and the logs are: `LABS_CACHE`, else `target/labs`.
pub fn cache() -> PathBuf {
    std::env::var_os("LABS_CACHE").map_or(target().join("labs"), PathBuf::from)
}

/// A file of the cache; panics when it is missing.
pub(crate) fn cached(path: &str) -> PathBuf {
    let file = cache().join(path);
    assert!(
        file.exists(),
        "{}: missing: run `make image`",
        file.display()
    );
    file
}

/// The command line's start for a program that does not come with this machine: QEMU or chronyd.
pub fn host_program(name: &str) -> Vec<String> {
    let run_host = cached("host/run-host");
    vec![text(&run_host).into(), name.into()]
}

/// The agent under test: `MUSTER` or `MUSTER_ARM64`, else what make builds for this kind of board.
pub fn muster(kind: Kind) -> PathBuf {
    match kind {
        Kind::Namespace => program("MUSTER", "x86_64-unknown-linux-musl", "muster"),
        Kind::Machine => program("MUSTER_ARM64", "aarch64-unknown-linux-musl", "muster"),
    }
}

/// The k3s of a board: the stand-in that make builds for this kind.
pub(crate) fn board_k3s(kind: Kind) -> PathBuf {
    match kind {
        Kind::Namespace => built("x86_64-unknown-linux-musl", "k3s"),
        Kind::Machine => built("aarch64-unknown-linux-musl", "k3s"),
    }
}

fn program(variable: &str, architecture: &str, name: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(path) => existing(path.into()),
        None => built(architecture, name),
    }
}

fn built(architecture: &str, name: &str) -> PathBuf {
    existing(target().join(architecture).join("release").join(name))
}

fn existing(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or_else(|error| {
        panic!(
            "{}: {error}: run `make amd64 standin standin-arm64`, or set MUSTER or MUSTER_ARM64",
            path.display()
        )
    })
}
