//! A stand-in for k3s, for tests only: it speaks the part of k3s's protocol that a joining agent and its mirror use, with
//! k3s's flags, environment and files, so that a real k3s binary can take its place. Nothing here runs a container.
//! `README.md` beside this crate has the knobs; `facts.md` of the project is what the behaviour was written from.

mod admission;
mod agent;
mod agents;
mod args;
mod client;
mod config;
mod hash;
mod http;
mod kind;
mod kubectl;
mod log;
mod nodes;
mod pki;
mod server;
mod site;
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
        let kind = kind::Kind::from_knob().unwrap_or(kind::Kind::V1_34);
        kind.version().into()
    };
    knob("STANDIN_VERSION").unwrap_or_else(of_kind)
}

/// A setting of the stand-in's own. Empty is the same as absent, as init scripts export empty variables easily.
pub fn knob(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// A knob that holds a number.
pub fn number_knob<T: std::str::FromStr>(name: &str) -> Result<Option<T>> {
    let Some(text) = knob(name) else {
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
        _ => bail!("the stand-in knows: k3s --version | server | agent | kubectl"),
    }
}

/// Something that works until the process ends.
pub trait Service: Send + 'static {
    fn run(self) -> Result<()>;
}

/// Runs a service until SIGTERM or SIGINT, which end the process with 0. The signals are blocked before any thread starts, so
/// that this thread alone takes them; the service reports its own end as an error.
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
