//! Parses the command line.

mod usage;

pub use usage::help;

use crate::board::mac::Mac;
use crate::boot::Step;
use anyhow::{Result, bail};
use lexopt::prelude::*;
use std::path::{Path, PathBuf};

/// The message of an error in the command line or in a list of MAC addresses (exit status 2).
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Run these steps of the boot. When the list is empty, run all steps.
    Boot(Vec<Step>),
    /// Print hostnames.
    Name {
        /// MAC addresses, and paths of files that list them; `-` is standard input.
        words: Vec<String>,
        /// Whether `--json` was given.
        json: bool,
    },
    /// Check what a boot needs.
    Check {
        /// Whether `--settings` was given: check only the settings, and the files that they name.
        settings: bool,
        /// Whether `--json` was given.
        json: bool,
    },
    /// Print the status of this boot.
    Status(StatusForm),
    /// Watch over a node while k3s runs.
    Health,
    /// Show what the boards of a rack report.
    Watch(WatchOptions),
    /// Print this text: the help or the version.
    Print(String),
}

/// How the status is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusForm {
    /// As a table, for a console.
    Table,
    /// As JSON (`--json`).
    Json,
    /// As a picture (`--svg`).
    Svg,
}

/// The options of `muster watch`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WatchOptions {
    /// The address to listen on (`--listen`).
    pub listen: Option<String>,
    /// The file with the MAC addresses of the rack (`--macs`); `-` is standard input.
    pub macs: Option<String>,
    /// Whether `--json` was given.
    pub json: bool,
    /// The file for the picture of the rack (`--svg`).
    pub svg: Option<String>,
}

/// The arguments of a command line.
#[derive(Debug)]
pub struct Arguments {
    /// What the command line asks for.
    pub command: Command,
    /// Whether `--dry-run` was given.
    pub dry_run: bool,
    /// The board whose boot is planned from its overlay in `root`, if it is not this machine
    /// (`--mac`).
    pub mac: Option<Mac>,
    /// Whether a failed boot is retried, without a limit on the number of retries (`--supervised`).
    pub supervised: bool,
    /// The root folder of the machine's files (`--root`).
    pub root: PathBuf,
    /// The path of the settings file, if `--conf` names one.
    pub conf: Option<String>,
    /// The settings given as `--set NAME=VALUE`, in order.
    pub set: Vec<(String, String)>,
}

/// Parses the arguments, of which the first is the program's name. The error is a [`Usage`].
pub fn parse(mut parser: lexopt::Parser) -> Result<Arguments> {
    let mut arguments = Arguments {
        command: Command::Boot(Vec::new()),
        dry_run: false,
        mac: None,
        supervised: false,
        root: "/".into(),
        conf: None,
        set: Vec::new(),
    };
    let mut first = true;
    while let Some(argument) = parser.next().map_err(bad_usage)? {
        match argument {
            Long("dry-run") => arguments.dry_run = true,
            Long("mac") => {
                let word = text(&mut parser)?;
                let mac = Mac::parse(&word);
                arguments.mac =
                    Some(mac.map_err(|why| Usage(format!("MAC={word:?} (--mac): {why}")))?);
            }
            Long("supervised") => arguments.supervised = true,
            Long("root") => arguments.root = parser.value().map_err(bad_usage)?.into(),
            Long("conf") => arguments.conf = Some(text(&mut parser)?),
            Long("set") => {
                let word = text(&mut parser)?;
                let (name, value) = word
                    .split_once('=')
                    .ok_or_else(|| Usage("--set needs a setting of the form NAME=VALUE".into()))?;
                arguments.set.push((name.into(), value.into()));
            }
            Long(option @ ("json" | "svg")) if is_status(&arguments.command) => {
                if arguments.command != Command::Status(StatusForm::Table) {
                    bail!(Usage("status accepts --json or --svg, not both".into()));
                }
                arguments.command = Command::Status(match option {
                    "json" => StatusForm::Json,
                    _ => StatusForm::Svg,
                });
            }
            Long(option @ ("listen" | "macs" | "svg")) => {
                let Command::Watch(watch) = &mut arguments.command else {
                    bail!(bad_usage(Long(option).unexpected()));
                };
                let given = match option {
                    "listen" => &mut watch.listen,
                    "macs" => &mut watch.macs,
                    _ => &mut watch.svg,
                };
                *given = Some(text(&mut parser)?);
            }
            Long("json") => match &mut arguments.command {
                Command::Name { json, .. }
                | Command::Check { json, .. }
                | Command::Watch(WatchOptions { json, .. }) => *json = true,
                _ => bail!(bad_usage(Long("json").unexpected())),
            },
            Long("settings") => match &mut arguments.command {
                Command::Check { settings, .. } => *settings = true,
                _ => bail!(bad_usage(Long("settings").unexpected())),
            },
            Short('h') | Long("help") => arguments.command = Command::Print(help()),
            Short('V') | Long("version") => {
                arguments.command =
                    Command::Print(concat!("muster ", env!("MUSTER_VERSION"), "\n").into())
            }
            Value(word) => {
                let word = word.string().map_err(bad_usage)?;
                match (&mut arguments.command, word.as_str()) {
                    (Command::Boot(_), "name") if first => {
                        arguments.command = Command::Name {
                            words: Vec::new(),
                            json: false,
                        }
                    }
                    (Command::Boot(_), "check") if first => {
                        arguments.command = Command::Check {
                            settings: false,
                            json: false,
                        }
                    }
                    (Command::Boot(_), "status") if first => {
                        arguments.command = Command::Status(StatusForm::Table)
                    }
                    (Command::Boot(_), "health") if first => arguments.command = Command::Health,
                    (Command::Boot(_), "watch") if first => {
                        arguments.command = Command::Watch(WatchOptions::default())
                    }
                    (Command::Boot(steps), word) => {
                        steps.push(Step::parse(word).ok_or_else(|| usage::unknown_step(word))?)
                    }
                    (Command::Name { words, .. }, _) => words.push(word),
                    (_, word) => bail!(Usage(format!(
                        "unexpected argument {word:?}; see muster --help"
                    ))),
                }
                first = false;
            }
            other => bail!(bad_usage(other.unexpected())),
        }
        if matches!(arguments.command, Command::Print(_)) {
            break;
        }
    }
    let runs_all = matches!(&arguments.command, Command::Boot(steps) if steps.is_empty());
    if arguments.supervised && (arguments.dry_run || !runs_all) {
        let why = "--supervised cannot be used with a step, a command or --dry-run";
        bail!(Usage(why.into()));
    }
    let plans = arguments.dry_run && matches!(arguments.command, Command::Boot(_));
    let prints = matches!(arguments.command, Command::Print(_));
    if let Some(mac) = arguments.mac.filter(|_| !prints) {
        if !plans {
            let why = "--mac ADDRESS gives the board of a plan: use it with --dry-run, and without \
                       a command";
            bail!(Usage(why.into()));
        }
        // What this machine has says nothing of another board, even when both boot with the same
        // overlay: this one may have joined already.
        if arguments.root == Path::new("/") {
            bail!(Usage(format!(
                "--mac {mac} is the board of a plan that is made from the files of its overlay: \
                 unpack its overlay (mkdir FOLDER; tar -xzf worker.apkovl.tar.gz -C FOLDER), then \
                 run muster --dry-run --mac {mac} --root FOLDER"
            )));
        }
    }
    Ok(arguments)
}

fn is_status(command: &Command) -> bool {
    matches!(command, Command::Status(_))
}

/// The value of an option.
fn text(parser: &mut lexopt::Parser) -> Result<String> {
    let value = parser.value().and_then(|value| value.string());
    value.map_err(|error| bad_usage(error).into())
}

fn bad_usage(error: lexopt::Error) -> Usage {
    Usage(format!("{error}; see muster --help"))
}

#[cfg(test)]
mod tests;
