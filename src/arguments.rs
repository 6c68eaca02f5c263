//! Parses the command line, and holds the text of `--help`.

use crate::boot::Step;
use crate::settings::SETTINGS;
use crate::similar::did_you_mean;
use anyhow::{Result, bail};
use lexopt::prelude::*;
use std::fmt::Write;
use std::path::PathBuf;

const USAGE: &str = "\
muster turns a netbooted board into a worker of a k3s cluster.

Usage:
  muster [--dry-run] [--root DIR] [--conf FILE] [--set NAME=VALUE] [STEP]...
  muster --supervised
  muster name [--json] [MAC | FILE | -]...
  muster check [--settings] [--json]
  muster status [--json | --svg]
  muster health
  muster watch [--listen ADDRESS] [--macs FILE] [--json] [--svg FILE]
  muster --help | --version

Without a command, muster runs all steps, or the given STEPs, in this order:
  identity, network, clock, prepare, register, fetch, join; then muster
  becomes k3s agent, unless the step join was left out.

  --supervised      after a failure, wait and try again, as the service does
  --dry-run         print what a boot would do; change nothing, send nothing
  --root DIR        the root folder of the machine's files, instead of /
  --conf FILE       the settings file, instead of /etc/conf.d/muster
  --set NAME=VALUE  a setting; it overrides the kernel command line
                    (NAME=value), which overrides the environment, which
                    overrides the settings file

  name              print the hostname of each MAC address; give the addresses
                    as arguments, in a FILE or on standard input (-), as a
                    list, output of ip neigh or arp -n, or dnsmasq's leases;
                    exits 1 if two hostnames are the same; --json: as JSON
  check             check all that a boot needs and change nothing; exits 1 if
                    anything is missing or unknown; --settings: check only the
                    settings and files given there, offline; --json: as JSON
  status            print the steps of this boot and their errors; --json: as
                    JSON; --svg: as a picture
  health            keep running and look after a node that has joined, as the
                    service muster-health does: start the DHCP client and the
                    time daemon when they do not run, and restart k3s when the
                    node's address has changed
  watch             show what the boards of a rack report to this machine, one
                    row for each board; --listen: the IP address, the port or
                    both to listen on, instead of 0.0.0.0:5514; --macs: show
                    the boards of a FILE (as for muster name) even before they
                    report; --json: print a JSON object at each change; --svg:
                    write a picture of the rack to a FILE at each change

Settings:
";

const EXITS: &str = "
Exit status: 0 done, 1 failed, 2 usage or configuration error.
";

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
        supervised: false,
        root: "/".into(),
        conf: None,
        set: Vec::new(),
    };
    let mut first = true;
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("dry-run") => arguments.dry_run = true,
            Long("supervised") => arguments.supervised = true,
            Long("root") => arguments.root = parser.value().map_err(usage)?.into(),
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
                    bail!(usage(Long(option).unexpected()));
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
                _ => bail!(usage(Long("json").unexpected())),
            },
            Long("settings") => match &mut arguments.command {
                Command::Check { settings, .. } => *settings = true,
                _ => bail!(usage(Long("settings").unexpected())),
            },
            Short('h') | Long("help") => arguments.command = Command::Print(help()),
            Short('V') | Long("version") => {
                arguments.command =
                    Command::Print(concat!("muster ", env!("MUSTER_VERSION"), "\n").into())
            }
            Value(word) => {
                let word = word.string().map_err(usage)?;
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
                        steps.push(Step::parse(word).ok_or_else(|| unknown_step(word))?)
                    }
                    (Command::Name { words, .. }, _) => words.push(word),
                    (_, word) => bail!(Usage(format!(
                        "unexpected argument {word:?}; see muster --help"
                    ))),
                }
                first = false;
            }
            other => bail!(usage(other.unexpected())),
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
    Ok(arguments)
}

fn is_status(command: &Command) -> bool {
    matches!(command, Command::Status(_))
}

/// The value of an option.
fn text(parser: &mut lexopt::Parser) -> Result<String> {
    let value = parser.value().and_then(|value| value.string());
    value.map_err(|error| usage(error).into())
}

fn usage(error: lexopt::Error) -> Usage {
    Usage(format!("{error}; see muster --help"))
}

fn unknown_step(word: &str) -> Usage {
    let names: Vec<&str> = Step::all().map(Step::name).collect();
    let usage = USAGE
        .lines()
        .filter_map(|line| line.strip_prefix("  muster "));
    let commands = usage.filter_map(|line| line.split(' ').next());
    let steps = format!("the steps are {}; see muster --help", names.join(", "));
    let hint = did_you_mean(word, commands.chain(names.iter().copied()), &steps);
    Usage(format!(
        "STEP={word:?} (command line): there is no such step or command; {hint}"
    ))
}

/// The help, at most 80 columns wide.
pub fn help() -> String {
    let mut text = String::from(USAGE);
    for setting in &SETTINGS {
        let _ = writeln!(text, "  {:<25} {}", setting.name, setting.meaning);
    }
    text + EXITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_a_terminal_and_names_every_step() {
        let help = help();
        assert!(
            help.lines().all(|line| line.chars().count() <= 80),
            "{help}"
        );
        let steps: Vec<&str> = Step::all().map(Step::name).collect();
        assert!(help.contains(&steps.join(", ")), "{help}");
    }
}
