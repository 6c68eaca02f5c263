//! Handles mirrors, from which a release can be downloaded, and decides in which order a board asks
//! them.

use super::asset::Asset;
use super::sums::{self, ServerSums};
use crate::board::node::Node;
use crate::digest::Sha256;
use crate::http::{Client, Clients, Failure, Request};
use crate::k3s::release::{Arch, GITHUB, Tag, asset_url};
use crate::k3s::{link::ServerLink, server::Server};
use crate::paths;
use crate::settings::{Mirror, Settings};
use anyhow::{Result, anyhow};
use log::warn;
use std::time::{Duration, Instant};
use url::Url;

/// How long a measured rate is used. After this time the mirror may have become faster.
const MEASURED_FOR: Duration = Duration::from_secs(600);

/// A mirror, and what this run of muster knows about it.
pub struct MirrorState {
    /// The base URL. The URL of a file is `<base>/<tag>/<asset>`.
    pub base: Url,
    pub client: Client,
    /// The digest that the asset must have, once it is known: the pinned digest, or the digest in
    /// the checksum file of the k3s server or of this mirror.
    pub digest: Option<Sha256>,
    /// Whether this mirror is the k3s server.
    pub is_server: bool,
    /// How many bytes came in a window ([`MinimumRate`](crate::http::MinimumRate)) on average in
    /// the last attempt, and when that attempt ended.
    pub measured: Option<(u64, Instant)>,
    /// Set after the mirror sent `Retry-After`: its error message, and the time until which the
    /// mirror is not asked again.
    pub busy: Option<(String, Instant)>,
    /// Why this run of muster skips the mirror; `None` when the mirror is not skipped.
    pub skipped: Option<String>,
    /// Whether the mirror answered that it does not have this release.
    pub lacks_release: bool,
}

impl MirrorState {
    /// `server` is the connected k3s server; it must be given for [`Mirror::Server`]. `pin` is the
    /// digest in `MUSTER_K3S_SHA256`, if this setting applies to the file to download.
    pub fn new(
        mirror: &Mirror,
        clients: &Clients,
        server: Option<&Server>,
        pin: Option<Sha256>,
    ) -> Result<MirrorState> {
        let state = |base, client, skipped| MirrorState {
            base,
            client,
            digest: pin,
            is_server: *mirror == Mirror::Server,
            measured: None,
            busy: None,
            skipped,
            lacks_release: false,
        };
        Ok(match mirror {
            Mirror::Github => state(Url::parse(GITHUB)?, clients.public()?, None),
            Mirror::Base(url) => state(url.clone(), clients.public()?, None),
            Mirror::Server => {
                let server = server.ok_or_else(|| {
                    anyhow!("this is a bug in muster: there is no connection to the k3s server")
                })?;
                let (base, client) = (server.release_url(), server.client().clone());
                // Without a pinned CA the server is unauthenticated, so the digest in its checksum
                // file is not trusted, and this mirror is used only with a pinned digest.
                let skipped = (!server.pins() && pin.is_none()).then(|| {
                    let why = "the join token has no CA hash, so this server's checksum file is \
                               not trusted: use the whole join token (K10<hash>::...), or set \
                               MUSTER_K3S_SHA256";
                    warn!(target: "fetch", "{base}: {why}");
                    why.to_string()
                });
                state(base, client, skipped)
            }
        })
    }

    /// Whether the digest must come from another place than this mirror's checksum file. A checksum
    /// file that comes over plain http is not trusted, because anybody on the network path can
    /// change it. The k3s server's checksum file is requested by [`ServerSums`] and not here.
    pub fn needs_other_digest(&self) -> bool {
        self.is_server || self.base.scheme() == "http"
    }

    /// The digest that `asset` must have. If it is not known yet, it is read from this mirror's
    /// checksum file. That happens once: a retry of the download does not request the checksum file
    /// again.
    pub fn digest(&mut self, tag: &Tag, asset: Asset) -> Result<Sha256, Failure> {
        if let Some(digest) = self.digest {
            return Ok(digest);
        }
        if self.needs_other_digest() {
            return Err(Failure::permanent(self.no_digest(tag)));
        }
        let digest = sums::ask(&self.client, &self.base, tag, asset)?;
        self.digest = Some(digest);
        Ok(digest)
    }

    /// The error for a mirror that cannot be used because the digest would have to come from
    /// another place ([`MirrorState::needs_other_digest`]) and is not known.
    fn no_digest(&self, tag: &Tag) -> anyhow::Error {
        let (base, sums, folder) = (&self.base, Arch::own().sums(), paths::DATA_DIR);
        anyhow!(
            "{base}: plain http is used only with a digest from a trusted place: set \
             MUSTER_K3S_SHA256, or put {sums} of {tag} into {folder}/server/static/k3s/{tag}/ on \
             the k3s server, and use the whole join token (K10<hash>::...)"
        )
    }

    /// The average number of bytes in a window in the last attempt; `None` when there was no
    /// attempt in the last 10 minutes.
    pub fn rate(&self) -> Option<u64> {
        let (rate, when) = self.measured?;
        (when.elapsed() < MEASURED_FOR).then_some(rate)
    }

    /// Finds the digest, and then requests the first byte of k3s, to see whether the mirror has the
    /// file.
    fn probe(&mut self, tag: &Tag) -> Result<(), Failure> {
        self.digest(tag, Asset::K3s)?;
        let url = asset_url(&self.base, tag, Asset::K3s.name());
        let first = Request::get(&self.client, &url).header("Range", "bytes=0-0");
        let answer = first.response()?;
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(Failure::of_status(&answer)),
        }
    }
}

/// The status with which a mirror answers that it does not have a file.
pub const NOT_FOUND: u16 = 404;

/// The mirrors in the order in which this board asks them. Base URLs that are adjacent in the list
/// are rotated by `seed` ([`Mac::seed`](crate::board::mac::Mac::seed)), so that boards start with
/// different mirrors, and the mirrors share the load.
pub fn in_order(mirrors: &[Mirror], seed: u64) -> Vec<Mirror> {
    let mut order = mirrors.to_vec();
    let is_base = |mirror: &Mirror| matches!(mirror, Mirror::Base(_));
    for group in order.chunk_by_mut(|a, b| is_base(a) && is_base(b)) {
        let places = seed % group.len() as u64;
        group.rotate_left(places as usize);
    }
    order
}

/// The mirror's base URL as the plan of a dry run shows it.
pub fn shown(mirror: &Mirror, link: Option<&ServerLink>) -> String {
    match mirror {
        Mirror::Server => format!("{}/static/k3s", link.map_or("", ServerLink::url)),
        Mirror::Github => GITHUB.into(),
        Mirror::Base(url) => url.as_str().trim_end_matches('/').into(),
    }
}

/// For `muster check`: asks each mirror once for the release. Returns each mirror with its result,
/// which is an error when the mirror cannot be used. The k3s server is left out when `server` is
/// `None`.
pub fn probe(
    settings: &Settings,
    clients: &Clients,
    node: &Node,
    server: Option<&Server>,
    tag: &Tag,
) -> Result<Vec<(MirrorState, Result<(), String>)>> {
    let mut probed = Vec::new();
    let server_sums = server.filter(|_| settings.pin.is_none());
    let server_digest = server_sums
        .and_then(ServerSums::new)
        .map(|mut sums| sums.ask(tag, Asset::K3s));
    for mirror in in_order(&settings.mirrors, node.mac.seed()) {
        if mirror == Mirror::Server && server.is_none() {
            continue;
        }
        let mut state = MirrorState::new(&mirror, clients, server, settings.pin)?;
        let answer = match (state.skipped.take(), &server_digest) {
            (Some(why), _) => Err(why),
            (None, Some(Err(failure))) if state.is_server => {
                state.lacks_release = failure.status() == Some(NOT_FOUND);
                Err(failure.to_string())
            }
            (None, server_digest) => {
                let digest = server_digest
                    .as_ref()
                    .and_then(|answer| answer.as_ref().ok());
                state.digest = state.digest.or(digest.copied());
                state.probe(tag).map_err(|failure| {
                    state.lacks_release = failure.status() == Some(NOT_FOUND);
                    failure.to_string()
                })
            }
        };
        probed.push((state, answer));
    }
    Ok(probed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_base_mirrors_share_the_boards() {
        let base = |name: &str| Mirror::Base(Url::parse(&format!("https://{name}")).unwrap());
        let (a, b, c) = (base("a"), base("b"), base("c"));
        let list = [
            Mirror::Server,
            a.clone(),
            b.clone(),
            c.clone(),
            Mirror::Github,
        ];
        assert_eq!(in_order(&list, 0), list);
        let rotated = [Mirror::Server, b, c, a.clone(), Mirror::Github];
        assert_eq!(in_order(&list, 1), rotated);
        let single = [Mirror::Github, a];
        assert_eq!(in_order(&single, 7), single);
    }

    #[test]
    fn a_plan_shows_base_urls_without_a_slash_at_the_end() {
        let mirror = Mirror::Base(Url::parse("https://mirror/k3s/").unwrap());
        assert_eq!(shown(&mirror, None), "https://mirror/k3s");
        assert_eq!(shown(&Mirror::Github, None), GITHUB);
    }
}
