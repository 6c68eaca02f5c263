//! A stand-in for k3s, for tests only.
//!
//! It implements the part of k3s's protocol that a joining agent and a release mirror use, with
//! k3s's flags, environment variables and files. It runs no containers. `tests/k3s/README.md` lists
//! its settings and its differences from k3s.

mod admission;
mod agent;
mod agents;
mod args;
mod client;
mod config;
mod handler;
mod hash;
mod http;
mod kind;
mod kubectl;
mod kubelet;
mod log;
mod nodes;
mod objects;
mod pki;
mod server;
mod static_files;
mod token;
mod trust;

use anyhow::{Result, bail};
use nix::sys::signal::{SigSet, Signal};
use std::env;
use std::process::ExitCode;

/// The release that this stand-in says it is.
pub fn version() -> String {
    let of_kind = || {
        let kind = kind::Kind::from_env().unwrap_or(kind::Kind::V1_34);
        kind.version().into()
    };
    env_var("STANDIN_VERSION").unwrap_or_else(of_kind)
}

/// Returns an environment variable that is set and not empty. Init scripts often export empty ones.
pub fn env_var(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns an environment variable that must be a number.
pub fn env_number<T: std::str::FromStr>(name: &str) -> Result<Option<T>> {
    let Some(text) = env_var(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => bail!("{name}={text} is not a number"),
    }
}

fn run(words: &[String]) -> Result<()> {
    match words.first().map(String::as_str) {
        Some("--version" | "-v") => {
            println!("k3s version {} (stand-in)", version());
            Ok(())
        }
        Some("server") => until_terminated(server::Server::start(&words[1..])?),
        Some("agent") => until_terminated(agent::Agent::new(&words[1..])?),
        Some("kubectl") => kubectl::run(&words[1..]),
        _ => bail!("the stand-in supports: k3s --version | server | agent | kubectl"),
    }
}

/// A server or an agent: it runs until the process ends.
pub trait Service: Send + 'static {
    fn run(self) -> Result<()>;
}

/// Runs a service until SIGTERM or SIGINT; then the process exits with 0. The signals are blocked
/// before any other thread starts, so that only this thread receives them. A service that ends by
/// itself has failed.
fn until_terminated(service: impl Service) -> Result<()> {
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    signals.thread_block()?;
    std::thread::spawn(move || {
        if let Err(error) = service.run() {
            log::fatal(&format!("{error:#}"));
            std::process::exit(1);
        }
    });
    let signal = signals.wait()?;
    log::info(&format!("Received signal {signal}, stopping"));
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::fatal(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
