//! The command `muster check`: it checks what a boot needs and changes nothing. It asks each server
//! once and does not retry.

mod k3s;

use crate::board::hostname::Hostname;
use crate::board::node::Node;
use crate::download::asset::Asset;
use crate::download::mirror;
use crate::host::Host;
use crate::http::Clients;
use crate::k3s::channel::ask_channel;
use crate::k3s::release::remedy;
use crate::k3s::token::JoinToken;
use crate::k3s::{link::ServerLink, server::Server};
use crate::paths;
use crate::redact::redacted;
use crate::settings::{AgentConfig, Mirror, Settings, Version};
use crate::steps::{clock, identity, network, prepare};
use anyhow::Result;
use std::fmt::Write;

/// The result of a check.
pub struct Report {
    /// One line for each thing that was checked, with `ok`, `WARNING` or `MISSING` in front.
    pub text: String,
    /// How many things that a boot needs are missing.
    pub missing: usize,
}

impl Report {
    fn new() -> Report {
        Report {
            text: String::new(),
            missing: 0,
        }
    }

    fn ok(&mut self, what: &str, detail: impl std::fmt::Display) {
        let detail = redacted(&detail.to_string());
        let _ = writeln!(self.text, "ok       {what:<9} {detail}");
    }

    fn missing(&mut self, what: &str, why: impl std::fmt::Display) {
        self.missing += 1;
        let why = redacted(&why.to_string());
        let _ = writeln!(self.text, "MISSING  {what:<9} {why}");
    }

    fn warning(&mut self, what: &str, why: impl std::fmt::Display) {
        let why = redacted(&why.to_string());
        let _ = writeln!(self.text, "WARNING  {what:<9} {why}");
    }

    fn add(&mut self, what: &str, result: Result<String, String>) {
        match result {
            Ok(detail) => self.ok(what, detail),
            Err(why) => self.missing(what, why),
        }
    }
}

/// Checks everything that a boot needs. `host` must be in [`Mode::Plan`](crate::host::Mode::Plan),
/// so that the checks change nothing. `conf` is the path of the settings file.
///
/// Fails when a check cannot be made, for example because the network interface whose MAC address
/// names the node does not exist.
pub fn run(host: &Host, settings: &Settings, conf: &str) -> Result<Report> {
    let mut report = Report::new();
    let net = settings.clients(host)?;
    let token = settings.token(host)?;
    let link = ServerLink::new(settings.url()?.clone(), token, &net, settings.spread);
    let node = identity::find(host, settings, identity::Wait::Short)?;
    report.ok(
        "identity",
        format_args!("{} ({} {})", node.name, node.interface, node.mac),
    );
    match network::problem(host, settings, &node)? {
        Some(problem) => report.missing("network", problem),
        None => report.ok(
            "network",
            format_args!(
                "{} has an address, a default route and a resolver",
                node.interface
            ),
        ),
    }
    match clock::lag(host, conf) {
        Some(lag) => report.missing(
            "clock",
            format_args!(
                "the time is {} s earlier than the build of muster or its settings file",
                lag.as_secs()
            ),
        ),
        None => report.ok(
            "clock",
            "the time is not earlier than the build of muster and its settings file",
        ),
    }
    let config = settings.agent_config(host, &node.name);
    let config = config.unwrap_or_else(|error| {
        report.missing("config", error);
        AgentConfig::default()
    });
    let problems = prepare::problems(host, settings, &config)?;
    if problems.is_empty() {
        report.ok("prepare", "k3s can run on this machine");
    }
    for problem in problems {
        report.missing("prepare", problem);
    }
    for warning in prepare::warnings(host, &config, &node)? {
        report.warning("prepare", warning);
    }
    k3s::check_config(&mut report, host, settings, &config);
    for warning in link.token_warnings() {
        report.warning("token", warning);
    }
    match link.token() {
        JoinToken::Unreadable => report.missing(
            "server",
            "not checked: this user cannot read the join token",
        ),
        JoinToken::Read(_) => check_server(&mut report, settings, &net, &node, &link)?,
    }
    Ok(report)
}

/// Checks the settings and the files that they name, for a machine whose files are below `--root`
/// and that has not booted yet. A file that is missing is in the report.
///
/// Fails when a value or the content of a file cannot be right.
pub fn settings(host: &Host, settings: &Settings) -> Result<Report> {
    settings.url()?;
    let files = host.list(paths::NODES);
    let names = files.iter().filter_map(|file| file.strip_suffix(".yaml"));
    // A board without a file of its own is checked too.
    for node in names.chain(["node"]).filter_map(Hostname::parse) {
        settings.agent_config(host, &node)?;
    }
    let mut report = Report::new();
    for why in settings.missing_files(host) {
        report.missing("settings", why);
    }
    if report.missing == 0 {
        settings.token(host)?;
        settings.node_secret(host)?;
        report.ok(
            "settings",
            "the settings and the files that they name can be right",
        );
    }
    Ok(report)
}

/// Checks the server, the k3s release that a boot would install, and which mirrors have that
/// release.
fn check_server(
    report: &mut Report,
    settings: &Settings,
    net: &Clients,
    node: &Node,
    link: &ServerLink,
) -> Result<()> {
    let server = link.reach();
    // The server is asked for its version even when the settings name another release, because its
    // answer proves that the token is valid.
    let version = server
        .as_ref()
        .map_err(ToString::to_string)
        .and_then(|server| server.ask_version().map_err(|failure| failure.to_string()));
    report.add(
        "server",
        version
            .as_ref()
            .map(|tag| format!("{} accepts the token and runs k3s {tag}", link.url()))
            .map_err(String::clone),
    );
    let wanted = match &settings.version {
        Version::Server => version.ok(),
        Version::Tag(tag) => Some(tag.clone()),
        Version::Channel(url) => match ask_channel(net, url) {
            Ok(tag) => Some(tag),
            Err(failure) => {
                report.missing("channel", failure);
                None
            }
        },
    };
    let (Some(tag), false) = (wanted, settings.skip_download) else {
        return Ok(());
    };
    let server: Option<&Server> = server.as_ref().ok();
    let mirrors = mirror::probe(settings, net, node, server, &tag)?;
    // One mirror that has the release is enough for a boot.
    let any = mirrors.iter().any(|(_, answer)| answer.is_ok());
    let none_has_it = !any && mirrors.iter().any(|(mirror, _)| mirror.lacks_release);
    for (mirror, answer) in mirrors {
        let base = mirror.base;
        match answer {
            Ok(()) => report.ok("mirror", format_args!("{base} has k3s {tag}")),
            Err(why) if any => report.ok("mirror", format_args!("{base} is skipped: {why}")),
            Err(why) => report.missing("mirror", why),
        }
    }
    if none_has_it {
        let server_is_mirror = settings.mirrors.contains(&Mirror::Server);
        report.missing("mirror", remedy(Asset::K3s.name(), &tag, server_is_mirror));
    }
    Ok(())
}
