//! Runs the commands of the command line, and decides the exit status.

use crate::arguments::{self, Arguments, Command, StatusForm, Usage};
use crate::boot::{self, Run};
use crate::check;
use crate::host::{Host, Mode};
use crate::life::health;
use crate::logging;
use crate::name;
use crate::paths;
use crate::settings::{self, BadSetting, Settings, Sources};
use crate::status::{picture, shown};
use crate::supervise;
use crate::watch;
use anyhow::{Context, Result, bail};
use std::io::{self, IsTerminal, Write};

/// Runs the command line and returns the exit status: 0 done, 1 failed, 2 usage or settings error.
pub fn main(arguments: impl Iterator<Item = std::ffi::OsString>) -> u8 {
    let Err(error) = arguments::parse(lexopt::Parser::from_iter(arguments)).and_then(run) else {
        return 0;
    };
    logging::print_error(&logging::one_line(&error));
    if error.is::<Usage>() || BadSetting::is_cause_of(&error) {
        2
    } else {
        1
    }
}

fn run(arguments: Arguments) -> Result<()> {
    // Like a dry run, `muster check` must not change the machine.
    let mode = if arguments.dry_run || matches!(arguments.command, Command::Check { .. }) {
        Mode::Plan
    } else {
        Mode::Perform
    };
    let host = Host::new(arguments.root, mode);
    let conf = || match &arguments.conf {
        Some(file) if !file.starts_with('/') => bail!(Usage(format!(
            "--conf {file}: must be an absolute path; with --root DIR, this path is below DIR"
        ))),
        Some(file) if host.metadata(file).is_none() => {
            bail!(Usage(format!("--conf {file}: there is no such file")))
        }
        Some(file) => Ok(file.clone()),
        None => Ok(paths::CONF.to_string()),
    };
    match arguments.command {
        Command::Print(text) => print(&text),
        Command::Status(form) => {
            let file = paths::STATUS.path;
            let text = host.read_text(file)?;
            if text.is_empty() {
                bail!(
                    "there is no {file}: muster has not run in this boot; to start muster, run: \
                     rc-service muster start"
                );
            }
            let exists = |pid| host.process_exists(pid);
            let text = shown::current(&text, host.uptime(), exists).context(file)?;
            print(&match form {
                StatusForm::Json => text,
                StatusForm::Table => shown::table(&text).context(file)?,
                StatusForm::Svg => picture::draw(&text).context(file)?,
            })
        }
        Command::Name { words, json } => {
            let settings = load(&host, &conf()?, arguments.set)?;
            let names = name::run(&host, &settings.naming, &words, json)?;
            print(&names.text)?;
            match (names.collisions, names.shortest) {
                (Some(collisions), _) => bail!(collisions),
                (None, Some(shortest)) => log::info!(target: "name", "{shortest}"),
                (None, None) => {}
            }
            Ok(())
        }
        Command::Check { settings, json } => {
            let conf = conf()?;
            let checked = match settings {
                true => check::settings(&host, &load(&host, &conf, arguments.set)?)?.into(),
                // The report contains the warnings, so they are not logged here.
                false => check::run(&host, read(&host, &conf, arguments.set), &conf),
            };
            print(&match json {
                true => checked.report.json(),
                false => checked.report.text(io::stdout().is_terminal()),
            })?;
            match (checked.report.problem(), checked.bad_settings) {
                (None, _) => Ok(()),
                (Some(problem), true) => bail!(BadSetting(problem)),
                (Some(problem), false) => bail!(problem),
            }
        }
        Command::Health if host.plans() => {
            let why = "muster health does not accept --dry-run: there is no plan to print";
            bail!(Usage(why.into()))
        }
        Command::Health => {
            let conf = &conf()?;
            logging::init_default(&host);
            health::run(&host, || read(&host, conf, arguments.set.clone()))
        }
        Command::Watch(options) => {
            let settings = load(&host, &conf()?, arguments.set)?;
            watch::run(&host, &settings, &options)
        }
        Command::Boot(steps) => {
            host.resume_status();
            let conf = &conf()?;
            let load = || load(&host, conf, arguments.set.clone());
            if arguments.supervised {
                supervise::run(&host, conf, load);
                return Ok(());
            }
            let run = Run {
                conf,
                steps: &steps,
                mac: arguments.mac,
                supervised: false,
            };
            let settings = load().inspect_err(|_| boot::report_bad_settings(&host, &run));
            let result = settings.and_then(|settings| boot::run(&host, &settings, &run));
            result.inspect_err(|error| {
                let text = logging::one_line(error);
                host.report(|status| status.failed(&text, None));
                host.send_failure(text);
                // The person who runs this boot by hand sees the error, so the LED need not show
                // the error.
                host.restore_led();
            })
        }
    }
}

/// Reads the settings, sets up the log, and logs the warnings about the settings.
fn load(host: &Host, conf: &str, flags: Vec<(String, String)>) -> Result<Settings> {
    let settings = read(host, conf, flags)?;
    for warning in &settings.warnings {
        log::warn!(target: "settings", "{warning}");
    }
    Ok(settings)
}

/// Reads the settings and sets up the log.
fn read(host: &Host, conf: &str, flags: Vec<(String, String)>) -> Result<Settings> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let sources = Sources {
        flags,
        environment: environment.collect(),
        conf: conf.into(),
    };
    let settings = settings::load(host, &sources)?;
    logging::init(host, &settings.log)?;
    Ok(settings)
}

fn print(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // It is not a failure when the reader closes the pipe early, as in `muster name … | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to standard output"),
    }
}
