//! Running the machine's tools, and finding the programs under test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs a command line to its end and returns what it printed; panics, with all it said, when it fails.
pub fn run(argv: &[&str]) -> String {
    let output = Command::new(argv[0])
        .args(&argv[1..])
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|error| {
        panic!(
            "{}: {error}; `tests/setup.sh` installs what the lab needs",
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

/// The agent under test: `MUSTER`, else what `make amd64` builds.
pub fn muster() -> PathBuf {
    program("MUSTER", "muster", "make amd64")
}

/// `K3S`, else the stand-in that `make standin` builds.
pub fn k3s() -> PathBuf {
    program("K3S", "k3s", "make standin")
}

fn program(variable: &str, name: &str, how: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or(workspace.join("target"), PathBuf::from);
    let built = target.join("x86_64-unknown-linux-musl/release").join(name);
    let path = std::env::var_os(variable).map_or(built, PathBuf::from);
    path.canonicalize().unwrap_or_else(|error| {
        panic!(
            "{}: {error}: run `{how}`, or set {variable}",
            path.display()
        )
    })
}
