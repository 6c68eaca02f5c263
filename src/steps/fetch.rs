//! The step that installs k3s: it finds the version, and downloads, verifies and installs it unless
//! the right k3s is installed already.

use crate::board::node::Node;
use crate::digest::Sha256;
use crate::download::mirror::{self, MirrorState, in_order};
use crate::download::rounds::Install;
use crate::download::sums::ServerSums;
use crate::host::Host;
use crate::http::Clients;
use crate::http::retry::retry;
use crate::k3s::channel::ask_channel;
use crate::k3s::release::{Arch, Tag};
use crate::k3s::{link::ServerLink, server::Server};
use crate::paths;
use crate::settings::{Settings, Symlinks, Version};
use anyhow::{Result, anyhow, bail};
use log::{info, warn};

/// Makes sure that the right k3s is installed, and that commands such as `kubectl` lead to it.
/// Returns k3s's digest; `None` in a dry run, and when the image already has k3s. `link` connects
/// to the k3s server; it is needed only when the version or a mirror comes from that server
/// ([`Settings::fetch_needs_server`]).
pub fn run(
    host: &Host,
    settings: &Settings,
    clients: &Clients,
    node: &Node,
    link: Option<&ServerLink>,
) -> Result<Option<Sha256>> {
    let target = settings.bin_dir.join("k3s");
    if settings.skip_download && !host.plans() && host.metadata(&target).is_none() {
        let target = target.display();
        bail!("INSTALL_K3S_SKIP_DOWNLOAD is set, and there is no {target}: put k3s into the image");
    }
    let digest = match settings.skip_download {
        true => {
            host.set_result("the k3s of the image is used (INSTALL_K3S_SKIP_DOWNLOAD)".into());
            None
        }
        false => install(host, settings, clients, node, link)?,
    };
    if let Err(error) = symlinks(host, settings) {
        // k3s runs without them.
        warn!("{error:#}");
    }
    Ok(digest)
}

/// Downloads k3s, unless the right one is installed, and returns its digest; `None` in a dry run.
fn install(
    host: &Host,
    settings: &Settings,
    clients: &Clients,
    node: &Node,
    link: Option<&ServerLink>,
) -> Result<Option<Sha256>> {
    let target = settings.bin_dir.join("k3s");
    let seed = node.mac.seed();
    let server = match (link, settings.fetch_needs_server()) {
        (Some(link), true) => link.connect(host, seed)?,
        // A server that is connected already can send its checksum file.
        (Some(link), false) => link.connected(),
        (None, _) => None,
    };
    let tag = version(host, settings, clients, seed, link, server)?;
    let mirrors = in_order(&settings.mirrors, seed);
    let what = {
        let shown = mirrors.iter().map(|mirror| mirror::shown(mirror, link));
        let shown = shown.collect::<Vec<String>>().join(", ");
        let digest = match settings.pin {
            Some(_) => "verified by MUSTER_K3S_SHA256".into(),
            None => {
                let server = match link {
                    Some(_) => "the server or ",
                    None => "",
                };
                format!(
                    "verified by the {} of {server}the mirror",
                    Arch::own().sums()
                )
            }
        };
        let target = target.display();
        format!("install {target} (0755) from {shown}, {digest}, unless it is installed")
    };
    host.ask(what, || {
        let tag = tag.ok_or_else(|| {
            anyhow!("this is a bug in muster: the k3s version was not determined")
        })?;
        host.set_k3s_version(tag.as_str());
        let states = mirrors
            .iter()
            .map(|mirror| MirrorState::new(mirror, clients, server, settings.pin));
        let install = Install {
            host,
            node,
            pin: settings.pin,
            minimum_rate: clients.timeouts.minimum_rate,
            tag,
            target,
            mirrors: states.collect::<Result<_>>()?,
            server_sums: match settings.pin {
                Some(_) => None,
                None => server.and_then(ServerSums::new),
            },
        };
        install.run()
    })
}

/// Links commands that k3s contains, such as `kubectl`, to k3s, as k3s's install script does. By
/// default only a command that does not exist yet gets a link.
fn symlinks(host: &Host, settings: &Settings) -> Result<()> {
    for link in paths::K3S_LINKS {
        let command = link.rsplit('/').next().unwrap_or(link);
        let path = settings.bin_dir.join(command);
        let wanted = match settings.symlinks {
            Symlinks::Skip => false,
            Symlinks::Force => true,
            Symlinks::Missing => host.metadata(&path).is_none() && host.program(command).is_none(),
        };
        if wanted {
            host.ensure_link("k3s", &path.display().to_string())?;
        }
    }
    Ok(())
}

/// Returns the release to install. A dry run returns `None` when the release must be asked from a
/// server. `seed` makes the retry delays of each board different.
fn version(
    host: &Host,
    settings: &Settings,
    clients: &Clients,
    seed: u64,
    link: Option<&ServerLink>,
    server: Option<&Server>,
) -> Result<Option<Tag>> {
    match &settings.version {
        Version::Tag(tag) => Ok(Some(tag.clone())),
        Version::Server => {
            let url = link.map_or("", ServerLink::url);
            host.ask(format_args!("version: ask {url}/version"), || {
                let server = server.ok_or_else(|| {
                    anyhow!("this is a bug in muster: there is no connection to the k3s server")
                })?;
                server.version(host, seed)
            })
        }
        Version::Channel(url) => host.ask(format_args!("version: ask {url}"), || {
            let what = "the release channel";
            let tag = retry(host, seed, what, || ask_channel(clients, url))?;
            info!("the release channel {url} names k3s {tag}");
            Ok(tag)
        }),
    }
}
