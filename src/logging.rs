//! Sets up the log, which writes each message as one line to standard error.

use crate::host::{EFFECTS, Host};
use crate::redact::redacted;
use crate::settings::Value;
use crate::settings::sources::Source;
use anyhow::Result;
use log::{Level, LevelFilter};
use std::io::Write;

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
        // A dry run prints its plan to standard output. The messages of a boot are not true in a
        // dry run, so only its warnings are logged.
        logger.filter_level(LevelFilter::Warn);
    }
    logger.format(|out, record| {
        let level = match record.level() {
            Level::Error => "ERROR: ",
            Level::Warn => "WARN: ",
            Level::Info | Level::Debug | Level::Trace => "",
        };
        // The log target muster::steps::network stands for the step network.
        let step = record.target().rsplit("::").next().unwrap_or(EFFECTS);
        let message = redacted(&record.args().to_string());
        writeln!(out, "muster: {level}{step}: {message}")
    });
    // A boot that is tried again reads its settings again, but the log is set up once.
    let _ = logger.try_init();
    Ok(())
}

/// The text of an error in one line. Line breaks and control characters in it come from a server or
/// a file, and must not reach logs and terminals. Nor must secrets.
pub fn one_line(error: &anyhow::Error) -> String {
    let text = redacted(&format!("{error:#}"));
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

/// Prints an error that ends a run. The settings may be what failed, so the log may not be set up.
pub fn print_error(text: &str) {
    eprintln!("muster: ERROR: {text}");
}
