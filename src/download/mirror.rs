//! Mirrors: where a release can be fetched from, and in which order a board asks them.

use crate::board::node::Node;
use crate::digest::Sha256;
use crate::http::{Client, Clients, Failure, Request};
use crate::k3s::release::{Arch, GITHUB, Tag, asset_url, digest_in_sums};
use crate::k3s::{link::ServerLink, server::Server};
use crate::settings::{Mirror, Settings};
use anyhow::{Result, anyhow};
use log::warn;
use std::time::Instant;
use url::Url;

/// The longest sums file that is read (bytes). k3s's have a few hundred.
const SUMS_MAX: u64 = 64 * 1024;

/// A mirror, and what this run has learned about it.
pub struct MirrorState {
    /// The URL that the tag and the asset follow.
    pub base: Url,
    pub client: Client,
    /// The digest from its sums file once it was read, or the pinned one.
    digest: Option<Sha256>,
    /// The mirror's answer when it asked to be left alone, and until when.
    pub busy: Option<(String, Instant)>,
    /// Why this run skips the mirror.
    pub skipped: Option<String>,
}

impl MirrorState {
    /// `server` is the k3s server, which must have been asked when `mirror` is `server`. `pin` is
    /// the one digest that the settings accept.
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
            busy: None,
            skipped,
        };
        Ok(match mirror {
            Mirror::Github => state(Url::parse(GITHUB)?, clients.public()?, None),
            Mirror::Base(url) => state(url.clone(), clients.public()?, None),
            Mirror::Server => {
                let server = server.ok_or_else(|| anyhow!("the server was not asked"))?;
                let (base, client) = (server.release_url(), server.client().clone());
                // Without a pinned CA the server is unauthenticated, so its sums file is not
                // trusted.
                let skipped = (!server.pins() && pin.is_none()).then(|| {
                    let why = "the join token has no CA hash, so this server's sums file is not \
                               trusted: use the whole token, or MUSTER_K3S_SHA256";
                    warn!(target: "fetch", "{base}: {why}");
                    why.to_string()
                });
                state(base, client, skipped)
            }
        })
    }

    /// The digest that k3s must have: the pinned one, or the one in this mirror's sums file. The
    /// sums file is read once, and it is retried separately from the binary.
    pub fn digest(&mut self, tag: &Tag) -> Result<Sha256, Failure> {
        if let Some(digest) = self.digest {
            return Ok(digest);
        }
        let url = asset_url(&self.base, tag, Arch::own().sums());
        let sums = Request::get(&self.client, &url).body(SUMS_MAX)?;
        let asset = Arch::own().asset();
        let digest = digest_in_sums(&String::from_utf8_lossy(&sums), asset)
            .ok_or_else(|| Failure::permanent(anyhow!("{url}: has no digest of {asset}")))?;
        self.digest = Some(digest);
        Ok(digest)
    }
}

/// The mirrors in the order in which this board asks them. Base URLs that stand next to each other
/// share the load: boards start at different ones. `seed` is the board's own number.
pub fn in_order(mirrors: &[Mirror], seed: u64) -> Vec<Mirror> {
    let mut order = mirrors.to_vec();
    let is_base = |mirror: &Mirror| matches!(mirror, Mirror::Base(_));
    for run in order.chunk_by_mut(|a, b| is_base(a) && is_base(b)) {
        let by = seed % run.len() as u64;
        run.rotate_left(by as usize);
    }
    order
}

/// The mirror's base URL as a plan shows it.
pub fn shown(mirror: &Mirror, link: Option<&ServerLink>) -> String {
    match mirror {
        Mirror::Server => format!("{}/static/k3s", link.map_or("", ServerLink::url)),
        Mirror::Github => GITHUB.into(),
        Mirror::Base(url) => url.as_str().trim_end_matches('/').into(),
    }
}

/// Asks each mirror once whether it has the release, for `muster check`. Returns each mirror's base
/// URL, with an error where it does not have it.
pub fn probe(
    settings: &Settings,
    clients: &Clients,
    node: &Node,
    server: Option<&Server>,
    tag: &Tag,
) -> Result<Vec<(String, Result<(), String>)>> {
    let mut probed = Vec::new();
    for mirror in in_order(&settings.mirrors, node.mac.seed()) {
        if mirror == Mirror::Server && server.is_none() {
            continue;
        }
        let mut state = MirrorState::new(&mirror, clients, server, settings.pin)?;
        let answer = match state.skipped.take() {
            Some(why) => Err(why),
            None => state
                .digest(tag)
                .map(|_| ())
                .map_err(|failure| failure.to_string()),
        };
        probed.push((state.base.to_string(), answer));
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
