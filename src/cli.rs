//! The command line.

use crate::boot::{self, Step};
use crate::check;
use crate::host::{EFFECTS, Host, Mode};
use crate::mac::Mac;
use crate::settings::{BadSetting, Raw, SETTINGS, Settings, sources::Source};
use crate::status::{self, STATUS_FILE};
use anyhow::{Context, Result, anyhow, bail};
use lexopt::prelude::*;
use log::{Level, LevelFilter};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// Where settings are read from by default.
const CONF: &str = "/etc/conf.d/muster";

const USAGE: &str = "\
muster makes a netbooted board a named, verified, joined k3s worker.

Usage:
  muster [--dry-run] [--root DIR] [--conf FILE] [--set NAME=VALUE] [STEP]...
  muster name [MAC | FILE | -]...
  muster check
  muster status [--json]
  muster --help | --version

Without a command it runs the boot: all steps, or those named, in order:
  identity, network, clock, prepare, fetch, join; then it becomes k3s agent.

  --dry-run         print what a boot would do; change nothing, send nothing
  --root DIR        a folder in front of every path that is read or written
  --conf FILE       the settings file, in place of /etc/conf.d/muster
  --set NAME=VALUE  a setting; it beats the kernel command line (NAME=value),
                    which beats the environment, which beats the settings file

  name              print the hostname of each MAC address, of those in a file,
                    or of those on standard input; exits 1 if two are the same
  check             look at all that a boot needs, and change nothing; exits 1
                    if anything is missing
  status            print what this boot did; --json: as JSON

Settings:
";

const EXITS: &str = "
Exit status: 0 done, 1 failed, 2 usage or configuration error.
";

/// A command line that cannot be understood: exits with 2.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

enum Command {
    Boot(Vec<Step>),
    Name(Vec<String>),
    Check,
    Status { json: bool },
    Print(String),
}

struct Line {
    command: Command,
    dry_run: bool,
    root: PathBuf,
    conf: String,
    set: Vec<(String, String)>,
}

/// Runs the command line; returns the exit status.
pub fn main(arguments: impl Iterator<Item = std::ffi::OsString>) -> u8 {
    let Err(error) = parse(lexopt::Parser::from_iter(arguments)).and_then(run) else {
        return 0;
    };
    // One line: what others' words bring along of line breaks and control characters stays out of logs and terminals.
    let text: String = format!("{error:#}")
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    eprintln!("muster: ERROR: {text}");
    if error.is::<Usage>() || error.chain().any(|cause| cause.is::<BadSetting>()) {
        2
    } else {
        1
    }
}

fn parse(mut parser: lexopt::Parser) -> Result<Line> {
    let usage = |error: lexopt::Error| Usage(format!("{error}; see muster --help"));
    let mut line = Line {
        command: Command::Boot(Vec::new()),
        dry_run: false,
        root: "/".into(),
        conf: CONF.into(),
        set: Vec::new(),
    };
    let mut first = true;
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Long("dry-run") => line.dry_run = true,
            Long("root") => line.root = parser.value().map_err(usage)?.into(),
            Long("conf") => {
                line.conf = parser
                    .value()
                    .and_then(|value| value.string())
                    .map_err(usage)?
            }
            Long("set") => {
                let word = parser
                    .value()
                    .and_then(|value| value.string())
                    .map_err(usage)?;
                let (name, value) = word
                    .split_once('=')
                    .ok_or_else(|| Usage(format!("--set {word}: must be NAME=VALUE")))?;
                line.set.push((name.into(), value.into()));
            }
            Long("json") if matches!(line.command, Command::Status { .. }) => {
                line.command = Command::Status { json: true }
            }
            Short('h') | Long("help") => line.command = Command::Print(help()),
            Short('V') | Long("version") => {
                line.command = Command::Print(format!("muster {}\n", env!("CARGO_PKG_VERSION")))
            }
            Value(word) => {
                let word = word.string().map_err(usage)?;
                match (&mut line.command, word.as_str()) {
                    (Command::Boot(_), "name") if first => line.command = Command::Name(Vec::new()),
                    (Command::Boot(_), "check") if first => line.command = Command::Check,
                    (Command::Boot(_), "status") if first => {
                        line.command = Command::Status { json: false }
                    }
                    (Command::Boot(steps), word) => {
                        steps.push(Step::parse(word).ok_or_else(|| unknown_step(word))?)
                    }
                    (Command::Name(words), _) => words.push(word),
                    (_, word) => bail!(Usage(format!(
                        "unexpected argument {word:?}; see muster --help"
                    ))),
                }
                first = false;
            }
            other => bail!(usage(other.unexpected())),
        }
        if matches!(line.command, Command::Print(_)) {
            break;
        }
    }
    Ok(line)
}

fn unknown_step(word: &str) -> Usage {
    let names: Vec<&str> = Step::all().map(Step::name).collect();
    Usage(format!(
        "STEP={word:?} (command line): there is no such step; the steps are {}",
        names.join(", ")
    ))
}

fn run(line: Line) -> Result<()> {
    // A check has no effects either: a host that plans sees to that.
    let mode = if line.dry_run || matches!(line.command, Command::Check) {
        Mode::Plan
    } else {
        Mode::Perform
    };
    let host = Host::new(line.root, mode);
    match line.command {
        Command::Print(text) => print(&text),
        Command::Status { json } => {
            let text = host.read_text(STATUS_FILE)?;
            if text.is_empty() {
                bail!("{STATUS_FILE} is not there: muster has not run on this boot");
            }
            print(&if json {
                text
            } else {
                status::table(&text).context(STATUS_FILE)?
            })
        }
        Command::Name(words) => {
            let settings = load(&host, &line.conf, line.set)?;
            names(&host, &settings, &words)
        }
        Command::Check => {
            let settings = load(&host, &line.conf, line.set)?;
            let report = check::run(&host, &settings, &line.conf)?;
            print(&report.text)?;
            if !report.complete {
                bail!("a boot would lack what is MISSING above");
            }
            Ok(())
        }
        Command::Boot(steps) => {
            let settings = load(&host, &line.conf, line.set)?;
            boot::run(&host, &settings, &line.conf, &steps)
        }
    }
}

/// Reads the settings and starts the log.
fn load(host: &Host, conf: &str, flags: Vec<(String, String)>) -> Result<Settings> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = Settings::load(
        host,
        &Raw {
            flags,
            environment: environment.collect(),
            conf: conf.into(),
        },
    )?;
    let filter = env_filter::Builder::new()
        .try_parse(&settings.log.text)
        .map(|builder| builder.build());
    let filter = filter.map_err(|error| settings.log.bad(error))?;
    let mut logger = env_logger::Builder::new();
    logger
        .filter_level(filter.filter())
        .parse_filters(&settings.log.text);
    if host.plans() && settings.log.source == Source::Default {
        // A plan is read for its lines; what a boot would tell beside them is not true yet.
        logger.filter_level(LevelFilter::Warn);
    }
    logger.format(|out, record| {
        let level = match record.level() {
            Level::Error => "ERROR: ",
            Level::Warn => "WARN: ",
            Level::Info | Level::Debug | Level::Trace => "",
        };
        // muster::steps::network is the step network.
        let step = record.target().rsplit("::").next().unwrap_or(EFFECTS);
        writeln!(out, "muster: {level}{step}: {}", record.args())
    });
    logger.init();
    for warning in &settings.warnings {
        log::warn!(target: "settings", "{warning}");
    }
    Ok(settings)
}

fn names(host: &Host, settings: &Settings, words: &[String]) -> Result<()> {
    let mut text = String::new();
    let mut owners: BTreeMap<String, Mac> = BTreeMap::new();
    let mut collisions = Vec::new();
    for mac in macs(host, words)? {
        let name = settings.naming.of(mac).to_string();
        let _ = writeln!(text, "{mac} {name}");
        if let Some(other) = owners
            .insert(name.clone(), mac)
            .filter(|other| *other != mac)
        {
            collisions.push(format!("{other} and {mac} are both {name}"));
        }
    }
    print(&text)?;
    if !collisions.is_empty() {
        bail!("{}: raise MUSTER_HOSTNAME_LENGTH", collisions.join("; "));
    }
    Ok(())
}

/// The MAC addresses that the words of `muster name` mean: each is an address, a file of them, or `-` for standard input.
fn macs(host: &Host, words: &[String]) -> Result<Vec<Mac>> {
    if words.is_empty() {
        bail!(Usage(
            "name which MAC addresses? Give them, a file of them, or - for standard input".into()
        ));
    }
    let mut all = Vec::new();
    for word in words {
        // A word that is no address can still be a file; one that is an address of no board cannot.
        let why = match Mac::parse(word) {
            Ok(mac) => {
                all.push(mac);
                continue;
            }
            Err(why) => why,
        };
        let text = match word.as_str() {
            "-" => {
                let mut text = String::new();
                io::stdin()
                    .read_to_string(&mut text)
                    .context("cannot read standard input")?;
                text
            }
            file => match host.read_as_named(file).ok().flatten() {
                Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                None => bail!(Usage(format!(
                    "MAC={word:?} (command line): {why}, nor is it a file that can be read"
                ))),
            },
        };
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            for address in line.split_whitespace() {
                let source = format!("{word} line {}", index + 1);
                all.push(
                    Mac::parse(address).map_err(|why| {
                        anyhow!(Usage(format!("MAC={address:?} ({source}): {why}")))
                    })?,
                );
            }
        }
    }
    Ok(all)
}

fn print(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // `muster name … | head` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}

/// The help: 80 columns wide at most.
pub fn help() -> String {
    let mut text = String::from(USAGE);
    for setting in &SETTINGS {
        let _ = writeln!(text, "  {:<26}{}", setting.name, setting.meaning);
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
