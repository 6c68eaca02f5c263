//! The command `muster check`: it checks what a boot needs and changes nothing. It asks each server
//! once and does not retry.
//!
//! A problem does not end the check: the report names the things that could not be checked because
//! of the problem.
//!
//! | module | what it checks |
//! |---|---|
//! | `machine` | what the board itself has: its file systems, cgroups, memory, kernel modules |
//! | `connection` | interface, address, route, resolver and clock |
//! | `site` | the k3s server, its token and version, and the mirrors |
//! | `k3s` | k3s's own check |
//! | `report` | the result, as text and as JSON |

mod connection;
mod k3s;
mod machine;
mod report;
mod site;

pub use report::Report;

use crate::board::hostname::Hostname;
use crate::board::node::Node;
use crate::host::Host;
use crate::paths;
use crate::settings::{AgentConfig, BadSetting, Settings};
use crate::steps::identity;
use anyhow::{Result, bail};

/// What is checked only when the settings can be used.
const NEEDS_SETTINGS: [&str; 9] = [
    "interface",
    "address",
    "route",
    "resolver",
    "clock",
    "space",
    "token",
    "server",
    "mirror",
];
/// What is checked only when the k3s server and the join token are known.
const NEEDS_SERVER: [&str; 3] = ["ca", "server", "mirror"];

/// The result of a check, and whether a setting is wrong.
pub struct Checked {
    pub report: Report,
    /// Whether a setting is wrong. Then the command exits with status 2.
    pub bad_settings: bool,
}

impl From<Report> for Checked {
    fn from(report: Report) -> Checked {
        Checked {
            report,
            bad_settings: false,
        }
    }
}

/// Checks everything that a boot needs. `host` must be in [`Mode::Plan`](crate::host::Mode::Plan),
/// so that the checks change nothing. `conf` is the path of the settings file. `settings` are the
/// settings, or why they cannot be used.
pub fn run(host: &Host, settings: Result<Settings>, conf: &str) -> Checked {
    let mut report = Report::default();
    let bad_settings = match settings {
        Ok(settings) => all(&mut report, host, &settings, conf),
        Err(error) => {
            report.missing("settings", format_args!("{error:#}"));
            report.all_unknown(&NEEDS_SETTINGS, "not checked: the settings cannot be used");
            machine::check(&mut report, host, &AgentConfig::default());
            BadSetting::is_cause_of(&error)
        }
    };
    Checked {
        report,
        bad_settings,
    }
}

/// Checks everything that a boot needs. Returns whether a setting is wrong.
fn all(report: &mut Report, host: &Host, settings: &Settings, conf: &str) -> bool {
    origins(report, settings);
    let node = identity::find(host, settings, identity::Wait::Short);
    let mut bad = false;
    let config = match &node {
        Ok(node) => {
            report.ok(
                "interface",
                format_args!("{} ({} {})", node.name, node.interface, node.mac),
            );
            let config = settings.agent_config(host, &node.name);
            config.unwrap_or_else(|error| {
                bad |= BadSetting::is_cause_of(&error);
                report.missing("config", format_args!("{error:#}"));
                AgentConfig::default()
            })
        }
        Err(error) => {
            bad |= BadSetting::is_cause_of(error);
            report.missing("interface", format_args!("{error:#}"));
            AgentConfig::default()
        }
    };
    let node = node.ok();
    connection::check(report, host, settings, node.as_ref(), conf);
    connection::resolver_of_pods(report, host, &config);
    machine::check(report, host, &config);
    machine::space(report, host, settings);
    if let Some(node) = &node {
        match config.other_interface(host, node) {
            Ok(warning) => warning
                .into_iter()
                .for_each(|text| report.warning("config", text)),
            Err(error) => report.unknown("config", format_args!("{error:#}")),
        }
    }
    for text in settings.stray_node_files(host) {
        report.warning("config", text);
    }
    k3s::check_config(report, host, settings, &config);
    bad | server(report, host, settings, node.as_ref())
}

/// Checks the token, and what the k3s server and the mirrors answer. Returns whether a setting is
/// wrong.
fn server(report: &mut Report, host: &Host, settings: &Settings, node: Option<&Node>) -> bool {
    let mut bad = false;
    let token = settings.token(host).map_err(|error| {
        bad |= BadSetting::is_cause_of(&error);
        report.missing("token", format_args!("{error:#}"));
    });
    let secret = settings.node_secret(host);
    if let Err(error) = secret {
        bad |= BadSetting::is_cause_of(&error);
        report.missing("token", format_args!("{error:#}"));
    }
    let url = settings.url().cloned().map_err(|error| {
        bad = true;
        report.missing("server", format_args!("{error:#}"));
    });
    let (Ok(token), Ok(url)) = (token, url) else {
        report.all_unknown(
            &NEEDS_SERVER,
            "not checked: the URL of the server or the join token is not known",
        );
        return bad;
    };
    if let Err(error) = site::check(report, host, settings, node, url, token) {
        bad |= BadSetting::is_cause_of(&error);
        report.missing("server", format_args!("{error:#}"));
    }
    bad
}

/// Reports for each setting its value and the place where this value was given, and the values from
/// other places that it overrides. Also reports which values are probably a mistake.
fn origins(report: &mut Report, settings: &Settings) {
    for origin in &settings.origins {
        report.ok("settings", origin);
    }
    for warning in &settings.warnings {
        report.warning("settings", warning);
    }
}

/// Checks the settings and the files that they name, for a machine whose files are below `--root`
/// and that has not booted yet. Missing files are listed in the report.
///
/// Fails when a value or the content of a file is not valid.
pub fn settings(host: &Host, settings: &Settings) -> Result<Report> {
    settings.url()?;
    if let Some(text) = settings.stray_node_files(host).into_iter().next() {
        bail!(BadSetting(text));
    }
    let files = host.list(paths::NODES);
    let names = files.iter().filter_map(|file| file.strip_suffix(".yaml"));
    // The name `node` stands for a board that has no file of its own.
    for node in names.chain(["node"]).filter_map(Hostname::parse) {
        settings.agent_config(host, &node)?;
    }
    let mut report = Report::default();
    let missing = settings.missing_files(host);
    if missing.is_empty() {
        let weak = settings.token(host)?.warnings();
        settings.node_secret(host)?;
        // The caller logs the warnings about the settings.
        if weak.is_empty() && settings.warnings.is_empty() {
            report.ok(
                "settings",
                "no mistake was found in the settings and in the files that they name",
            );
        }
        for why in weak {
            report.warning("token", why);
        }
    }
    for why in missing {
        report.missing("settings", why);
    }
    Ok(report)
}
