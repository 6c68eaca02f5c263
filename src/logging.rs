//! Sets up the log. `MUSTER_LOG` decides which messages are written to standard error. All messages
//! of the levels error, warn and info are sent to the log server, whatever `MUSTER_LOG` says.

use crate::boot::Step;
use crate::host::outbox::Outbox;
use crate::host::{EFFECTS, Host};
use crate::redact::redacted;
use crate::report::format::{BOOT, severity};
use crate::report::line::Line;
use crate::settings::Value;
use crate::settings::sources::Source;
use anyhow::Result;
use env_filter::Filter;
use log::{Level, LevelFilter, Log, Metadata, Record};
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

/// Sets up the log with the filter of `MUSTER_LOG`. Fails when the filter does not have the syntax
/// of env_logger, or has a word that `check_levels` refuses.
pub fn init(host: &Host, setting: &Value) -> Result<()> {
    let text = match host.plans() && setting.source == Source::Default {
        // A dry run prints its plan to standard output. Messages about what a boot did would be
        // wrong in a dry run, so without MUSTER_LOG only warnings and errors are logged.
        true => "warn",
        false => setting.text.as_str(),
    };
    let filter = env_filter::Builder::new()
        .try_parse(text)
        .map(|builder| builder.build());
    let filter = filter.map_err(|error| setting.bad(error))?;
    check_levels(setting)?;
    let mut most = filter.filter();
    let outbox = host.outbox();
    if outbox.is_open() {
        most = most.max(LevelFilter::Info);
    }
    // After a failed boot attempt the settings are read again. The log can be set up only once in a
    // process, so the error of a second call is ignored.
    let logger = LOGGER.get_or_init(|| Logger { filter, outbox });
    if log::set_logger(logger).is_ok() {
        log::set_max_level(most);
    }
    Ok(())
}

/// Sets up the log with the default filter, when the settings cannot be read or are not read yet.
pub fn init_default(host: &Host) {
    let setting = Value {
        name: "MUSTER_LOG",
        text: "info".into(),
        source: Source::Default,
    };
    // The filter `info` is valid, so there is no error.
    let _ = init(host, &setting);
}

/// Fails when a filter is a single word that is not a level. env_logger would read such a word as
/// the name of a module, so a mistyped level could turn off all messages.
fn check_levels(setting: &Value) -> Result<()> {
    // A slash and a regular expression may follow the filters.
    let filters = setting.text.split('/').next().unwrap_or_default();
    for word in filters.split(',').map(str::trim) {
        if !word.is_empty() && !word.contains('=') && word.parse::<LevelFilter>().is_err() {
            return Err(setting.bad(format_args!(
                "{word} is not a log level (off, error, warn, info, debug or trace); to set the \
                 level of one module, write MODULE=LEVEL"
            )));
        }
    }
    Ok(())
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

struct Logger {
    filter: Filter,
    outbox: Arc<Outbox>,
}

impl Log for Logger {
    fn enabled(&self, _: &Metadata) -> bool {
        true
    }

    fn log(&self, record: &Record) {
        let shown = self.filter.matches(record);
        // MUSTER_LOG filters only what is shown on the console. The lines for the log server do not
        // depend on it, so that `muster watch` always shows the board.
        let sent = record.level() <= Level::Info;
        if !shown && !sent {
            return;
        }
        let text = plain_line(&record.args().to_string());
        // The log target muster::steps::network is shown as the name of the step, network.
        let target = record.target().rsplit("::").next().unwrap_or(EFFECTS);
        if shown {
            let level = match record.level() {
                Level::Error => "ERROR: ",
                Level::Warn => "WARN: ",
                Level::Info | Level::Debug | Level::Trace => "",
            };
            print_line(format!("muster: {level}{target}: {text}\n"));
        }
        if sent {
            let step = Step::parse(target).map(Step::name);
            self.outbox.add(Line {
                severity: match record.level() {
                    Level::Error => severity::ERROR,
                    Level::Warn => severity::WARNING,
                    Level::Info | Level::Debug | Level::Trace => severity::INFO,
                },
                step: step.unwrap_or(BOOT),
                text,
                ..Line::default()
            });
        }
    }

    fn flush(&self) {}
}

/// The text of an error in one line, without secrets.
pub fn one_line(error: &anyhow::Error) -> String {
    plain_line(&format!("{error:#}"))
}

/// The text in one line, without secrets. Line breaks and other control characters are replaced
/// with spaces, because they may come from a server or a file and must not reach a terminal.
fn plain_line(text: &str) -> String {
    let text = redacted(text);
    // Nearly every text has no control character, and is returned without a second copy.
    if !text.contains(char::is_control) {
        return text;
    }
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

/// Prints the error with which muster or a boot attempt ends. This function does not use the log,
/// because the log is not set up when the settings could not be read.
pub fn print_error(text: &str) {
    print_line(format!("muster: ERROR: {text}\n"));
}

/// Writes a line to standard error with one system call. The lines of several processes can share a
/// file or a console, and a process can be killed at any time, so a line must not come in pieces.
fn print_line(line: String) {
    // A boot must not fail because nobody reads its messages.
    let _ = io::stderr().write_all(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_line_breaks_control_characters_or_secrets() {
        let text = "a\nmuster: b\u{1b}[2Jc\r https://u:p@host";
        assert_eq!(
            plain_line(text),
            "a muster: b [2Jc  https://<redacted>@host"
        );
    }
}
