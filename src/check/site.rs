//! Checks the join token, the k3s server with its CA and version, and the mirrors.

use super::connection;
use super::report::Report;
use crate::board::node::Node;
use crate::download::asset::Asset;
use crate::download::mirror;
use crate::host::Host;
use crate::http::{Clients, Failure};
use crate::k3s::channel::ask_channel;
use crate::k3s::link::ServerLink;
use crate::k3s::release::{Skew, Tag, remedy};
use crate::k3s::server::Server;
use crate::k3s::token::JoinToken;
use crate::settings::{Mirror, Settings, Version};
use anyhow::Result;
use url::Url;

/// Checks the token, the server at `url` and the mirrors. `node` is `None` when the interface is
/// not known.
pub fn check(
    report: &mut Report,
    host: &Host,
    settings: &Settings,
    node: Option<&Node>,
    url: Url,
    token: JoinToken,
) -> Result<()> {
    let clients = settings.clients(host);
    let link = ServerLink::new(url, token, &clients, settings.spread);
    match link.token() {
        JoinToken::Unreadable => report.unknown("token", "this user cannot read the join token"),
        JoinToken::Read(token) if token.ca().is_some() => report.ok(
            "token",
            "the join token has a valid form, and contains the hash of the server's CA",
        ),
        JoinToken::Read(_) => report.ok("token", "the join token has a valid form"),
    }
    for warning in link.token().warnings() {
        report.warning("token", warning);
    }
    let why_not = match (link.token(), connection::is_up(report)) {
        (JoinToken::Unreadable, _) => Some("not checked: this user cannot read the join token"),
        (_, false) => Some("not checked: the interface has no address"),
        (JoinToken::Read(_), true) => None,
    };
    if let Some(why) = why_not {
        report.all_unknown(&super::NEEDS_SERVER, why);
        return Ok(());
    }
    let server = link
        .reach()
        .map_err(|failure| unreached(report, &failure))
        .ok();
    // The server is asked for its version even when a boot does not need this version, because the
    // answer of the server proves that the token is valid.
    let version = server
        .as_ref()
        .and_then(|server| ask_version(report, settings, server, link.url()));
    let wanted = wanted(report, settings, &clients, version.as_ref());
    match (wanted, settings.skip_download, node) {
        (_, true, _) => Ok(()),
        (Some(tag), _, Some(node)) => {
            mirrors(report, settings, &clients, node, server.as_ref(), &tag)
        }
        _ => {
            report.unknown("mirror", "not checked: the release of k3s is not known");
            Ok(())
        }
    }
}

/// Reports why the server could not be reached, or why its CA was not accepted.
fn unreached(report: &mut Report, failure: &Failure) {
    // The first request fetches the CA. When a retry of this request would not help, or when the
    // dates of a certificate are wrong, the failure is reported for the CA, else for the server.
    let is_ca = matches!(failure, Failure::Permanent { .. }) || failure.is_about_dates();
    let (what, other) = if is_ca {
        ("ca", "server")
    } else {
        ("server", "ca")
    };
    report.missing(what, failure);
    report.unknown(
        other,
        format_args!("not checked, because the check `{what}` found a problem"),
    );
}

fn ask_version(
    report: &mut Report,
    settings: &Settings,
    server: &Server,
    url: &str,
) -> Option<Tag> {
    match server.pins() {
        true => report.ok("ca", "the server's CA is the one in the join token"),
        false => report.unknown("ca", "the join token has no hash of the server's CA"),
    }
    match server.ask_version() {
        Ok(tag) => {
            report.ok(
                "server",
                format_args!("{url} accepts the token and runs k3s {tag}"),
            );
            Some(tag)
        }
        // A boot does not ask for this version when the settings name a release or a channel.
        Err(failure) if server.accepts_token() && settings.version != Version::Server => {
            report.ok("server", format_args!("{url} accepts the token"));
            report.warning("server", failure);
            None
        }
        Err(failure) => {
            report.missing("server", failure);
            None
        }
    }
}

/// The release that a boot would install. `server` is the release that the k3s server runs.
fn wanted(
    report: &mut Report,
    settings: &Settings,
    clients: &Clients,
    server: Option<&Tag>,
) -> Option<Tag> {
    let tag = match &settings.version {
        Version::Server => return server.cloned(),
        Version::Tag(tag) => tag.clone(),
        Version::Channel(url) => match ask_channel(clients, url) {
            Ok(tag) => tag,
            Err(failure) => {
                report.missing("channel", failure);
                return None;
            }
        },
    };
    match server.map(|server| (server, tag.skew(server))) {
        None => report.unknown(
            "version",
            format_args!(
                "the settings ask for k3s {tag}, and the version of the server is not known"
            ),
        ),
        Some((_, Skew::Supported)) => report.ok(
            "version",
            format_args!("k3s {tag} is supported with the server's version"),
        ),
        Some((server, skew)) => {
            let why = match skew {
                Skew::Newer => "newer than the server, and Kubernetes does not support this",
                _ => {
                    "more than three minor releases older than the server, and Kubernetes does not support this"
                }
            };
            report.warning(
                "version",
                format_args!(
                    "k3s {tag} is {why}: leave INSTALL_K3S_VERSION and INSTALL_K3S_CHANNEL out, or \
                     set INSTALL_K3S_VERSION to {server}"
                ),
            );
        }
    }
    Some(tag)
}

/// Checks which mirrors have the release.
fn mirrors(
    report: &mut Report,
    settings: &Settings,
    clients: &Clients,
    node: &Node,
    server: Option<&Server>,
    tag: &Tag,
) -> Result<()> {
    let mirrors = mirror::probe(settings, clients, node, server, tag)?;
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
        report.missing("mirror", remedy(Asset::K3s.name(), tag, server_is_mirror));
    }
    if settings.mirrors.contains(&Mirror::Server) && server.is_none() {
        report.unknown(
            "mirror",
            "the k3s server is one of the mirrors, and was not reached",
        );
    }
    Ok(())
}
