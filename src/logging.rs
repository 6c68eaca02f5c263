//! Sets up the log, which writes each message as one line to standard error.

use crate::host::{EFFECTS, Host};
use crate::redact::redacted;
use crate::settings::Value;
use crate::settings::sources::Source;
use anyhow::Result;
use log::{Level, LevelFilter};
use std::io::{self, Write};

/// Sets up the log with the filter of `MUSTER_LOG`. Fails when the filter is not valid in the
/// syntax of env_logger.
pub fn init(host: &Host, setting: &Value) -> Result<()> {
    let filter = env_filter::Builder::new()
        .try_parse(&setting.text)
        .map(|builder| builder.build());
    let filter = filter.map_err(|error| setting.bad(error))?;
    let mut logger = env_logger::Builder::new();
    logger
        .filter_level(filter.filter())
        .parse_filters(&setting.text);
    if host.plans() && setting.source == Source::Default {
        // A dry run prints its plan to standard output. Messages about what a boot did would be
        // wrong in a dry run, so only warnings and errors are logged.
        logger.filter_level(LevelFilter::Warn);
    }
    logger.format(|out, record| {
        let level = match record.level() {
            Level::Error => "ERROR: ",
            Level::Warn => "WARN: ",
            Level::Info | Level::Debug | Level::Trace => "",
        };
        // The log target muster::steps::network is shown as the name of the step, network.
        let step = record.target().rsplit("::").next().unwrap_or(EFFECTS);
        let message = redacted(&record.args().to_string());
        writeln!(out, "muster: {level}{step}: {message}")
    });
    // After a failed boot attempt the settings are read again. The log can be set up only once in
    // a process, so the error of a second time is ignored.
    let _ = logger.try_init();
    Ok(())
}

/// The text of an error in one line, without secrets. Line breaks and other control characters are
/// replaced with spaces: they come from a server or a file, and must not reach logs and terminals.
pub fn one_line(error: &anyhow::Error) -> String {
    let text = redacted(&format!("{error:#}"));
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

/// Prints the error with which muster or a boot attempt ends. It does not use the log, which is not
/// set up when reading the settings failed.
pub fn print_error(text: &str) {
    // A terminal that was closed is no reason to end in another way.
    let _ = writeln!(io::stderr(), "muster: ERROR: {text}");
}
