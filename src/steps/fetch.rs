//! The right k3s: which version, from which mirror, with which digest; in its place when all three are certain.

use crate::backoff::{Backoff, LONGEST_ASKED, retry};
use crate::digest::{Sha256, in_sums};
use crate::download::{self, Kept, Source, Trouble};
use crate::host::Host;
use crate::http::{Client, Failure, Net, Pace, Request};
use crate::machine::megabytes;
use crate::node::Node;
use crate::part::{self, Part};
use crate::release::{Arch, Tag};
use crate::server::{Server, ServerLink};
use crate::settings::{Mirror, Settings, Version, below};
use anyhow::{Context, Result, anyhow, bail};
use log::{debug, info, warn};
use reqwest::Url;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where k3s's releases are published; the tag and the asset follow.
const GITHUB: &str = "https://github.com/k3s-io/k3s/releases/download";
/// The longest sums file that is read (bytes); k3s's have a few hundred.
const SUMS_MAX: u64 = 64 * 1024;
/// What this boot installed, so that a restart of k3s asks no mirror again.
const NOTE: &str = "/run/muster/k3s.json";

/// Sees to it that the right k3s is in its place.
pub fn run(
    host: &Host,
    settings: &Settings,
    net: &Net,
    node: &Node,
    link: Option<&ServerLink>,
) -> Result<()> {
    let target = settings.bin_dir.join("k3s");
    if settings.skip_download {
        if !host.plans() && host.metadata(&target).is_none() {
            bail!(
                "INSTALL_K3S_SKIP_DOWNLOAD is set, and there is no {}: put k3s into the image",
                target.display()
            );
        }
        return Ok(());
    }
    let server = match link.filter(|_| settings.fetch_needs_server()) {
        Some(link) => link.connect(host, node.mac.seed())?,
        None => None,
    };
    let tag = version(host, settings, net, node, link, server)?;
    let mirrors = in_order(&settings.mirrors, node.mac.seed());
    let shown: Vec<String> = mirrors.iter().map(|mirror| name(mirror, link)).collect();
    let digest = match settings.pin {
        Some(_) => "by MUSTER_K3S_SHA256".into(),
        None => format!("by the digest in their {}", Arch::own().sums()),
    };
    let what = format!(
        "install {} (0755) from {}, {digest}, unless it is there",
        target.display(),
        shown.join(", ")
    );
    host.ask(what, || {
        let tag = tag.ok_or_else(|| anyhow!("the version was not asked"))?;
        host.report(|status| status.k3s_version(tag.as_str()));
        let mirrors = mirrors
            .iter()
            .map(|mirror| Candidate::new(mirror, net, server, settings.pin))
            .collect::<Result<_>>()?;
        Fetch {
            host,
            settings,
            node,
            pace: net.timeouts.pace,
            tag,
            target,
            mirrors,
        }
        .run()
    })?;
    Ok(())
}

/// The release to fetch; `None` on a plan, where only the network can tell.
fn version(
    host: &Host,
    settings: &Settings,
    net: &Net,
    node: &Node,
    link: Option<&ServerLink>,
    server: Option<&Server>,
) -> Result<Option<Tag>> {
    match &settings.version {
        Version::Tag(tag) => Ok(Some(tag.clone())),
        Version::Server => {
            let url = link.map_or("", ServerLink::url);
            host.ask(format_args!("version: ask {url}/version"), || {
                server
                    .ok_or_else(|| anyhow!("the server was not asked"))?
                    .version(host, node.mac.seed())
            })
        }
        Version::Channel(url) => host.ask(format_args!("version: ask {url}"), || {
            let tag = retry(host, node.mac.seed(), "the release channel", || {
                ask_channel(net, url)
            })?;
            info!("the channel {url} is at {tag}");
            Ok(tag)
        }),
    }
}

/// Asks a channel, once; it answers with a redirect to a release's page.
pub fn ask_channel(net: &Net, url: &Url) -> Result<Tag, Failure> {
    let answer = Request::get(&net.public_without_redirects()?, url).answer()?;
    if !answer.status().is_redirection() {
        return Err(Failure::of_status(&answer));
    }
    let location = answer
        .headers()
        .get("location")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    tag_of_location(location)
        .ok_or_else(|| Failure::transient(anyhow!("{url}: the answer names no release")))
}

/// The tag at the end of a release page's URL.
pub fn tag_of_location(location: &str) -> Option<Tag> {
    let last = location.rsplit('/').next()?;
    Tag::parse(&last.replace("%2B", "+").replace("%2b", "+"))
}

/// Asks each mirror for its sums file, once and for nothing but the answer: for `muster check`. Each mirror's base and what became of it.
pub fn probe(
    settings: &Settings,
    net: &Net,
    node: &Node,
    server: Option<&Server>,
    tag: &Tag,
) -> Result<Vec<(String, Result<(), String>)>> {
    let mut probed = Vec::new();
    for mirror in in_order(&settings.mirrors, node.mac.seed()) {
        if mirror == Mirror::Server && server.is_none() {
            continue;
        }
        let mut candidate = Candidate::new(&mirror, net, server, settings.pin)?;
        let answer = match candidate.out.take() {
            Some(why) => Err(why),
            None => candidate
                .digest(tag)
                .map(|_| ())
                .map_err(|failure| failure.to_string()),
        };
        probed.push((candidate.base.to_string(), answer));
    }
    Ok(probed)
}

/// The mirrors as this board asks them: neighbouring base URLs share the load, so boards begin at different ones of them.
fn in_order(mirrors: &[Mirror], seed: u64) -> Vec<Mirror> {
    let mut order = mirrors.to_vec();
    let is_base = |mirror: &Mirror| matches!(mirror, Mirror::Base(_));
    for run in order.chunk_by_mut(|a, b| is_base(a) && is_base(b)) {
        let by = seed % run.len() as u64;
        run.rotate_left(by as usize);
    }
    order
}

fn name(mirror: &Mirror, link: Option<&ServerLink>) -> String {
    match mirror {
        Mirror::Server => format!("{}/static/k3s", link.map_or("", ServerLink::url)),
        Mirror::Github => GITHUB.into(),
        Mirror::Base(url) => url.as_str().trim_end_matches('/').into(),
    }
}

/// A mirror that this run may still fetch from.
struct Candidate {
    base: Url,
    client: Client,
    /// The digest that its sums file gave, once it was read.
    digest: Option<Sha256>,
    /// What it said when it asked to be left alone, and until when.
    busy: Option<(String, Instant)>,
    /// Why it is left out for the rest of this run.
    out: Option<String>,
}

impl Candidate {
    fn new(
        mirror: &Mirror,
        net: &Net,
        server: Option<&Server>,
        pin: Option<Sha256>,
    ) -> Result<Candidate> {
        let public = |base: Url| -> Result<Candidate> {
            Ok(Candidate {
                base,
                client: net.public()?,
                digest: pin,
                busy: None,
                out: None,
            })
        };
        match mirror {
            Mirror::Github => public(Url::parse(GITHUB)?),
            Mirror::Base(url) => public(url.clone()),
            Mirror::Server => {
                let server = server.ok_or_else(|| anyhow!("the server was not asked"))?;
                // Whoever may be anyone has no say in what is the right k3s.
                let out = (!server.pins() && pin.is_none()).then(|| {
                    let why = "the join token has no CA hash, so no digest is taken from it: use the whole token, or MUSTER_K3S_SHA256";
                    warn!("{}: {why}", server.release_url());
                    why.to_string()
                });
                Ok(Candidate {
                    base: server.release_url(),
                    client: server.client().clone(),
                    digest: pin,
                    busy: None,
                    out,
                })
            }
        }
    }

    /// The digest that its k3s must have, by its own sums file unless one is pinned. Read once: it is retried apart from the binary,
    /// and costs that nothing.
    fn digest(&mut self, tag: &Tag) -> Result<Sha256, Failure> {
        if let Some(digest) = self.digest {
            return Ok(digest);
        }
        let url = asset_url(&self.base, tag, Arch::own().sums());
        let sums = Request::get(&self.client, &url).send(SUMS_MAX)?;
        let asset = Arch::own().asset();
        let digest = in_sums(&String::from_utf8_lossy(&sums), asset).ok_or_else(|| {
            Failure::permanent(anyhow!("{url}: there is no digest of {asset} in it"))
        })?;
        self.digest = Some(digest);
        Ok(digest)
    }
}

/// One run's way to the right bytes.
struct Fetch<'a> {
    host: &'a Host,
    settings: &'a Settings,
    node: &'a Node,
    pace: Pace,
    tag: Tag,
    target: PathBuf,
    mirrors: Vec<Candidate>,
}

/// What became of one mirror in one round.
enum Turn {
    Installed,
    /// It may work later; the server may have said when.
    Later(String, Option<Duration>),
    Out(String),
}

impl Fetch<'_> {
    /// Goes round the mirrors until one of them brought the right bytes; ends when none is left that could.
    fn run(mut self) -> Result<()> {
        let installed = part::installed(self.host, &self.target)?;
        if let Some(digest) = installed
            && self.noted(digest)
        {
            self.is_there();
            return Ok(());
        }
        let mut part = None;
        let mut backoff = Backoff::new(self.node.mac.seed());
        let mut furthest = 0;
        let mut kept = Kept::Spare;
        let mut said = String::new();
        loop {
            let mut later = Vec::new();
            for index in 0..self.mirrors.len() {
                if self.mirrors[index].out.is_some() {
                    continue;
                }
                let left = |(_, until): &(String, Instant)| {
                    until.saturating_duration_since(Instant::now())
                };
                if let Some(busy) = self.mirrors[index]
                    .busy
                    .as_ref()
                    .filter(|busy| !left(busy).is_zero())
                {
                    later.push((busy.0.clone(), Some(left(busy))));
                    continue;
                }
                let alone = self
                    .mirrors
                    .iter()
                    .filter(|mirror| mirror.out.is_none())
                    .count()
                    == 1;
                match self.turn(
                    index,
                    installed,
                    if alone { Kept::Spare } else { kept },
                    &mut part,
                )? {
                    Turn::Installed => return Ok(()),
                    Turn::Later(why, retry_after) => {
                        let asked = retry_after.map(|asked| asked.min(LONGEST_ASKED));
                        self.mirrors[index].busy =
                            asked.map(|asked| (why.clone(), Instant::now() + asked));
                        later.push((why, asked));
                    }
                    Turn::Out(why) => {
                        warn!("{why}; this mirror is left out for now");
                        self.mirrors[index].out = Some(why);
                    }
                }
            }
            if later.is_empty() {
                if let Some(part) = part.take() {
                    Part::discard(part)?;
                }
                let why: Vec<&str> = self
                    .mirrors
                    .iter()
                    .filter_map(|mirror| mirror.out.as_deref())
                    .collect();
                bail!(
                    "no mirror has the right k3s {}: {}",
                    self.tag,
                    why.join("; ")
                );
            }
            let text = later
                .iter()
                .map(|(why, _)| why.as_str())
                .collect::<Vec<_>>()
                .join("; ");
            if text != said {
                self.host.trouble(&format!("{text}; trying again"));
                said = text;
            }
            // A link that brings more each time is not made to wait longer each time.
            // And while some mirror brings more, none that could only begin anew throws it away.
            let reached = part.as_ref().map_or(0, Part::len);
            kept = if reached > furthest {
                Kept::Needed
            } else {
                Kept::Spare
            };
            if reached > furthest {
                furthest = reached;
                backoff.restart();
            }
            // As long as all of them asked for: one mirror's wish binds no other.
            let asked = later.iter().map(|(_, asked)| *asked).min().flatten();
            self.host.wait_out(backoff.delay(asked));
        }
    }

    /// Whether this very file was verified for this very release earlier in this boot.
    fn noted(&self, installed: Sha256) -> bool {
        if let Some(pin) = self.settings.pin {
            return pin == installed;
        }
        let note = self.host.read_text(NOTE).unwrap_or_default();
        let note: Value = serde_json::from_str(&note).unwrap_or_default();
        note["tag"] == self.tag.as_str() && note["sha256"] == installed.to_string()
    }

    fn turn(
        &mut self,
        index: usize,
        installed: Option<Sha256>,
        kept: Kept,
        part: &mut Option<Part>,
    ) -> Result<Turn> {
        let digest = match self.mirrors[index].digest(&self.tag) {
            Ok(digest) => digest,
            Err(failure) => return Ok(failure.into()),
        };
        if installed == Some(digest) {
            // A part that this run holds is locked.
            drop(part.take());
            self.is_there();
            self.note(digest)?;
            return Ok(Turn::Installed);
        }
        let mirror = &self.mirrors[index];
        let url = asset_url(&mirror.base, &self.tag, Arch::own().asset());
        let others = |open: &Part| open.origin().sha256 != digest && !open.is_empty();
        if kept == Kept::Needed && part.as_ref().is_some_and(others) {
            return Ok(Turn::Later(
                format!("{url}: has another k3s than the mirror that brings one now"),
                None,
            ));
        }
        // Another object's part is let go of first: it is locked.
        let mut open = match part.take().filter(|open| open.origin().sha256 == digest) {
            Some(open) => open,
            None => Part::open(self.host, &self.target, digest)?,
        };
        let started = Instant::now();
        let source = Source {
            client: &mirror.client,
            url: &url,
            pace: self.pace,
            kept,
        };
        let attempt =
            |open: &mut Part| download::attempt(self.host, source, open, &self.settings.bin_dir);
        let mut result = attempt(&mut open);
        if let Err(Trouble::WrongDigest { resumed: true }) = result {
            // Which of the two attempts brought wrong bytes, nobody can tell: once more, all from here.
            open.restart("", None)?;
            result = attempt(&mut open);
        }
        match result {
            Ok(()) => {
                let (bytes, seconds) = (megabytes(open.len()), started.elapsed().as_secs_f64());
                open.install()?;
                self.note(digest)?;
                info!(
                    "installed k3s {} as {} ({bytes} MB, {seconds:.1} s, sha256 {digest})",
                    self.tag,
                    self.target.display()
                );
                Ok(Turn::Installed)
            }
            Err(Trouble::Mirror(failure)) => {
                *part = Some(open);
                Ok(failure.into())
            }
            Err(Trouble::WrongDigest { .. }) => {
                open.restart("", None)?;
                *part = Some(open);
                Ok(Turn::Out(format!(
                    "{url}: wrong bytes, their SHA-256 is not {digest}"
                )))
            }
            Err(Trouble::Local(error)) => {
                // Whatever room it took is given back: the board may need it to be repaired. What happened first is what is said.
                if let Err(more) = open.discard() {
                    warn!("{more:#}");
                }
                Err(error)
            }
        }
    }

    fn is_there(&self) {
        info!("k3s {} is there already", self.tag);
        // Where it may not be cleared, it is no reason to stop a board that has its k3s.
        if let Err(error) = part::clear(self.host, &self.target) {
            debug!("{error:#}");
        }
    }

    fn note(&self, digest: Sha256) -> Result<()> {
        let note = json!({ "tag": self.tag.as_str(), "sha256": digest.to_string() });
        self.host
            .note(NOTE, &format!("{note}\n"))
            .context("the installed k3s cannot be noted")
    }
}

impl From<Failure> for Turn {
    fn from(failure: Failure) -> Turn {
        match failure {
            Failure::Transient {
                error, retry_after, ..
            } => Turn::Later(format!("{error:#}"), retry_after),
            Failure::Permanent { error, .. } => Turn::Out(format!("{error:#}")),
        }
    }
}

fn asset_url(base: &Url, tag: &Tag, asset: &str) -> Url {
    let mut url = below(base, &[tag.as_str(), asset]);
    // A `+` is itself in a path, but some servers read it as a space. The tag was checked: `+` is all there is to escape.
    let path = url.path().replace('+', "%2B");
    url.set_path(&path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asset_urls() {
        let tag = Tag::parse("v1.34.1+k3s1").unwrap();
        let url = |base: &str| asset_url(&Url::parse(base).unwrap(), &tag, "k3s-arm64").to_string();
        assert_eq!(
            url(GITHUB),
            "https://github.com/k3s-io/k3s/releases/download/v1.34.1%2Bk3s1/k3s-arm64"
        );
        assert_eq!(
            url("https://mirror/"),
            "https://mirror/v1.34.1%2Bk3s1/k3s-arm64"
        );
    }

    #[test]
    fn channels_name_a_tag() {
        let tag = |location| tag_of_location(location).map(|tag| tag.to_string());
        assert_eq!(
            tag("https://github.com/k3s-io/k3s/releases/tag/v1.34.1+k3s1").as_deref(),
            Some("v1.34.1+k3s1")
        );
        assert_eq!(
            tag("https://github.com/k3s-io/k3s/releases/tag/v1.34.1%2Bk3s1").as_deref(),
            Some("v1.34.1+k3s1")
        );
        for location in [
            "",
            "https://github.com/k3s-io/k3s/releases/tag/stable",
            "v1.34.1/",
        ] {
            assert_eq!(tag(location), None, "{location}");
        }
    }

    #[test]
    fn neighbouring_base_mirrors_share_the_boards() {
        let base = |name: &str| Mirror::Base(Url::parse(&format!("https://{name}")).unwrap());
        let list = [
            Mirror::Server,
            base("a"),
            base("b"),
            base("c"),
            Mirror::Github,
        ];
        assert_eq!(in_order(&list, 0), list);
        assert_eq!(
            in_order(&list, 1),
            [
                Mirror::Server,
                base("b"),
                base("c"),
                base("a"),
                Mirror::Github
            ]
        );
        assert_eq!(
            in_order(&[Mirror::Github, base("a")], 7),
            [Mirror::Github, base("a")]
        );
    }
}
