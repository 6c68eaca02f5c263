//! The step that installs k3s: it finds the version, and downloads, verifies and installs it unless
//! the right k3s is installed already.

use crate::board::node::Node;
use crate::digest::Sha256;
use crate::download::asset::Asset;
use crate::download::mirror::{self, MirrorState, in_order};
use crate::download::rounds::Install;
use crate::download::sums::ServerSums;
use crate::host::Host;
use crate::http::retry::retry;
use crate::http::{Clients, MinimumRate};
use crate::k3s::channel::ask_channel;
use crate::k3s::release::{Arch, Tag};
use crate::k3s::{link::ServerLink, server::Server};
use crate::paths;
use crate::settings::{Mirror, Settings, Symlinks, Version};
use anyhow::{Result, anyhow, bail};
use log::{info, warn};
use std::path::{Path, PathBuf};

/// Makes sure that the right k3s is installed, and makes links to k3s for commands such as
/// `kubectl`. With `MUSTER_AIRGAP_IMAGES`, also downloads the archive of k3s's container images; if
/// this download fails, the step only warns. Returns k3s's digest; `None` in a dry run, and with
/// `INSTALL_K3S_SKIP_DOWNLOAD`. `link` connects to the k3s server; `link` must be given when
/// [`Settings::fetch_needs_server`] is true.
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
    if settings.skip_download {
        host.set_result("the k3s of the image is used (INSTALL_K3S_SKIP_DOWNLOAD)".into());
        if settings.airgap_images {
            warn!(
                "MUSTER_AIRGAP_IMAGES has no effect when INSTALL_K3S_SKIP_DOWNLOAD is set: put the \
                 archive with the container images of the same k3s release into the boot image"
            );
        }
        link_commands(host, settings);
        return Ok(None);
    }
    let config = match settings.airgap_images {
        true => Some(settings.agent_config(host, &node.name)?),
        false => None,
    };
    let source = Source::new(host, settings, clients, node, link)?;
    let rate = clients.timeouts.minimum_rate;
    let digest = source.install(Asset::K3s, target, settings.pin, rate)?;
    link_commands(host, settings);
    if let Some(config) = config
        && let Err(error) = source.images(config.data_dir())
    {
        let why = format!(
            "{error:#}; the node joins without these images, and k3s pulls the images that it needs"
        );
        host.report(|status| status.problem(host.step(), &why));
        warn!("{why}");
    }
    Ok(digest)
}

/// Makes the links to k3s for the commands that k3s contains, such as `kubectl`. A failure is only
/// a warning, because k3s runs without these links.
fn link_commands(host: &Host, settings: &Settings) {
    if let Err(error) = symlinks(host, settings) {
        warn!("{error:#}");
    }
}

/// A release of k3s, and what is needed to download its files.
struct Source<'a> {
    host: &'a Host,
    settings: &'a Settings,
    clients: &'a Clients,
    node: &'a Node,
    link: Option<&'a ServerLink>,
    /// The k3s server, if this process has connected to it; always `None` in a dry run.
    server: Option<&'a Server>,
    /// The release; `None` in a dry run when a server would have to be asked for it.
    tag: Option<Tag>,
}

impl<'a> Source<'a> {
    /// Connects to the k3s server if the fetch step needs the server
    /// ([`Settings::fetch_needs_server`]). Then determines the release.
    fn new(
        host: &'a Host,
        settings: &'a Settings,
        clients: &'a Clients,
        node: &'a Node,
        link: Option<&'a ServerLink>,
    ) -> Result<Source<'a>> {
        let seed = node.mac.seed();
        let server = match (link, settings.fetch_needs_server()) {
            (Some(link), true) => link.connect(host, seed)?,
            // The k3s server is not needed. But if an earlier step has connected to the server, the
            // server's checksum file is used.
            (Some(link), false) => link.connected(),
            (None, _) => None,
        };
        let tag = version(host, settings, clients, seed, link, server)?;
        Ok(Source {
            host,
            settings,
            clients,
            node,
            link,
            server,
            tag,
        })
    }

    /// Downloads a file of the release to `target`, unless the right file is there already. Returns
    /// the digest of the file; `None` in a dry run. `pin` is the pinned digest of the file, if
    /// there is one.
    fn install(
        &self,
        asset: Asset,
        target: PathBuf,
        pin: Option<Sha256>,
        minimum_rate: MinimumRate,
    ) -> Result<Option<Sha256>> {
        let mirrors = in_order(&self.settings.mirrors, self.node.mac.seed());
        let what = self.plan(asset, &target, pin, &mirrors);
        self.host.ask(what, || {
            let tag = self.tag.clone().ok_or_else(|| {
                anyhow!("this is a bug in muster: the k3s version was not determined")
            })?;
            self.host.set_k3s_version(tag.as_str());
            let states = mirrors
                .iter()
                .map(|mirror| MirrorState::new(mirror, self.clients, self.server, pin));
            let install = Install {
                host: self.host,
                node: self.node,
                asset,
                pin,
                minimum_rate,
                tag,
                target,
                mirrors: states.collect::<Result<_>>()?,
                server_sums: match pin {
                    Some(_) => None,
                    None => self.server.and_then(ServerSums::new),
                },
            };
            install.run()
        })
    }

    /// What the plan of a dry run says about a file of the release.
    fn plan(&self, asset: Asset, target: &Path, pin: Option<Sha256>, mirrors: &[Mirror]) -> String {
        let shown = mirrors
            .iter()
            .map(|mirror| mirror::shown(mirror, self.link));
        let shown = shown.collect::<Vec<String>>().join(", ");
        let digest = match pin {
            Some(_) => "verified by MUSTER_K3S_SHA256".into(),
            None => {
                let server = match self.link {
                    Some(_) => "the server or ",
                    None => "",
                };
                format!(
                    "verified by the {} of {server}the mirror",
                    Arch::own().sums()
                )
            }
        };
        let fits = match asset {
            Asset::K3s => "",
            Asset::Images => " or does not fit into the memory",
        };
        let (target, mode) = (target.display(), asset.mode());
        format!(
            "install {target} ({mode:04o}) from {shown}, {digest}, unless it is installed \
             already{fits}"
        )
    }

    /// Downloads the archive of container images, which k3s imports when it starts.
    fn images(&self, data_dir: &str) -> Result<()> {
        let folder = Path::new(data_dir).join(paths::IMAGES_FOLDER);
        // The minimum rate is higher for the images than for k3s itself, because the images are
        // optional and must not delay the node for long.
        let usual = self.clients.timeouts.minimum_rate;
        let minimum_rate = MinimumRate {
            bytes: usual.slow,
            ..usual
        };
        let target = folder.join(Asset::Images.name());
        self.install(Asset::Images, target, None, minimum_rate)?;
        Ok(())
    }
}

/// Makes symbolic links to k3s, one for each command that k3s contains (such as `kubectl`), as
/// k3s's install script does. By default a link is made only when the command does not exist yet.
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

/// Returns the release to install. A dry run returns `None` when a server must be asked for the
/// release. `seed` makes the retry delays of each board different.
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
                    anyhow!("this is a bug in muster: the step fetch has no connection to the k3s server")
                })?;
                server.version(host, seed)
            })
        }
        Version::Channel(url) => host.ask(format_args!("version: ask {url}"), || {
            let what = "the release channel";
            let tag = retry(host, seed, what, || ask_channel(clients, url))?;
            info!("the release channel {url} leads to k3s {tag}");
            Ok(tag)
        }),
    }
}
