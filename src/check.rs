//! `muster check`: what a boot would need, looked at without changing anything. Each question is asked once; nobody is waited for.

use crate::board::node::Node;
use crate::download::mirror;
use crate::host::Host;
use crate::http::Clients;
use crate::k3s::channel::ask_channel;
use crate::k3s::server::{Server, ServerLink};
use crate::k3s::token::JoinToken;
use crate::settings::{Settings, Version};
use crate::steps::{clock, identity, network, prepare};
use anyhow::Result;
use std::fmt::Write;

/// What was found, a line each, and whether all that a boot needs is there.
pub struct Report {
    pub text: String,
    pub complete: bool,
}

impl Report {
    fn ok(&mut self, what: &str, found: impl std::fmt::Display) {
        let _ = writeln!(self.text, "ok       {what:<9} {found}");
    }

    fn missing(&mut self, what: &str, why: impl std::fmt::Display) {
        self.complete = false;
        let _ = writeln!(self.text, "MISSING  {what:<9} {why}");
    }

    fn found(&mut self, what: &str, found: Result<String, String>) {
        match found {
            Ok(found) => self.ok(what, found),
            Err(why) => self.missing(what, why),
        }
    }
}

/// Looks at everything. `host` plans, so that nothing here can have an effect. `conf` is the settings file.
pub fn run(host: &Host, settings: &Settings, conf: &str) -> Result<Report> {
    let mut report = Report {
        text: String::new(),
        complete: true,
    };
    let net = Clients::new(
        settings.https_proxy.as_deref(),
        settings.no_proxy.as_deref(),
        settings.ca_file(host),
    )?;
    let link = ServerLink::new(settings.url()?.clone(), settings.token(host)?, &net);
    let node = identity::find(host, settings, identity::Wait::Short)?;
    report.ok(
        "identity",
        format_args!("{} ({} {})", node.name, node.interface, node.mac),
    );
    let network = network::lacks(host, settings, &node)?;
    report.found(
        "network",
        network.map_or(Ok(format!("{} is up", node.interface)), Err),
    );
    let behind = clock::behind(host, conf);
    report.found(
        "clock",
        behind.map_or(Ok("not behind the image".into()), |time| {
            Err(format!("{} s behind the image", time.as_secs()))
        }),
    );
    let obstacles = prepare::obstacles(host, settings)?;
    if obstacles.is_empty() {
        report.ok("prepare", "k3s can run on this machine");
    }
    obstacles
        .iter()
        .for_each(|why| report.missing("prepare", why));
    match link.token() {
        JoinToken::Unreadable => {
            report.missing("server", "not asked: only root may read the join token")
        }
        JoinToken::Read(_) => server(&mut report, settings, &net, &node, &link)?,
    }
    Ok(report)
}

fn server(
    report: &mut Report,
    settings: &Settings,
    net: &Clients,
    node: &Node,
    link: &ServerLink,
) -> Result<()> {
    let server = link.reach();
    // The version is asked even where another is wanted: the answer proves the token.
    let version = server
        .as_ref()
        .map_err(ToString::to_string)
        .and_then(|server| server.ask_version().map_err(|failure| failure.to_string()));
    report.found(
        "server",
        version
            .as_ref()
            .map(|tag| format!("{} takes the token and runs k3s {tag}", link.url()))
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
    for (base, answer) in mirrors {
        match answer {
            Ok(()) => report.ok("mirror", format_args!("{base} has k3s {tag}")),
            Err(why) if any => report.ok("mirror", format_args!("{base} is passed over: {why}")),
            Err(why) => report.missing("mirror", why),
        }
    }
    Ok(())
}
