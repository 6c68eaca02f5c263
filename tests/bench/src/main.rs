//! Measures muster beside the tools that it replaces, and writes the table into
//! `docs/performance.md`. `make bench` runs it.
//!
//! Usage: `muster-bench [table | check-counts | write-counts]`, in the project's folder.

mod counts;
mod measure;
mod site;
mod subjects;
mod table;

use site::Site;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

fn main() -> ExitCode {
    let muster = program("x86_64");
    let site = Site::start();
    match std::env::args().nth(1).as_deref() {
        None | Some("table") => table::write(&site, &muster),
        Some("write-counts") => counts::write(&counts::count(&site, &muster)),
        Some("check-counts") => {
            if !counts::check(&counts::count(&site, &muster)) {
                return ExitCode::FAILURE;
            }
        }
        Some(other) => panic!("unknown argument: {other}"),
    }
    ExitCode::SUCCESS
}

/// The program as it is shipped.
fn program(arch: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
    let path = Path::new(&target).join(format!("{arch}-unknown-linux-musl/release/muster"));
    std::path::absolute(path).unwrap()
}

/// Runs a shell command that must succeed.
fn run(command: &str) {
    let status = Command::new("sh").args(["-eu", "-c", command]).status();
    assert!(status.is_ok_and(|status| status.success()), "{command}");
}

/// What a command prints.
fn output(argv: &[&str]) -> String {
    let output = Command::new(argv[0])
        .args(&argv[1..])
        .stderr(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", argv[0]));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
