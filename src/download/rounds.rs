//! Asks the mirrors one after another, and repeats this round until k3s is installed with the
//! expected digest.

use super::mirror::{MirrorState, NOT_FOUND};
use super::part::PartialFile;
use super::{AttemptError, Download, OnNoRange, attempt};
use super::{target, verified};
use crate::board::node::Node;
use crate::digest::Sha256;
use crate::host::Host;
use crate::host::machine::megabytes;
use crate::http::retry::{Backoff, LONGEST_RETRY_AFTER};
use crate::http::{Failure, MinimumRate};
use crate::k3s::release::{Arch, Tag, asset_url, remedy};
use anyhow::{Result, anyhow};
use log::{debug, warn};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is needed to install one release of k3s.
pub struct Install<'a> {
    pub host: &'a Host,
    pub node: &'a Node,
    /// The pinned digest (`MUSTER_K3S_SHA256`): a k3s with any other digest is not accepted.
    pub pin: Option<Sha256>,
    pub minimum_rate: MinimumRate,
    pub tag: Tag,
    /// The path at which k3s is installed.
    pub target: PathBuf,
    /// The mirrors, in the order in which they are asked.
    pub mirrors: Vec<MirrorState>,
    /// Whether the k3s server is one of the mirrors.
    pub server_is_mirror: bool,
}

/// A mirror that may work later: why it failed, and the wait that its `Retry-After` asks for.
type Later = (String, Option<Duration>);

/// The result of a round.
enum Round {
    Installed(Sha256),
    /// The mirrors that may work later.
    Later(Vec<Later>),
}

/// The result of asking one mirror in one round.
enum Outcome {
    /// k3s is installed, and has this digest.
    Installed(Sha256),
    /// The mirror may work later; the duration is what its `Retry-After` asks for.
    RetryLater(String, Option<Duration>),
    /// The mirror cannot deliver this release; this run skips the mirror from now on.
    /// The number is the status of its answer, if there was one.
    Skip(String, Option<u16>),
}

impl Install<'_> {
    /// Asks the mirrors until k3s is installed, and returns its digest. Fails when all mirrors are
    /// skipped, because none of them can deliver this release.
    pub fn run(mut self) -> Result<Sha256> {
        let installed = target::installed(self.host, &self.target)?;
        if let Some(digest) = installed
            && self.verified_this_boot(digest)
        {
            self.keep_installed();
            return Ok(digest);
        }
        let mut part = None;
        let mut backoff = Backoff::new(self.node.mac.seed());
        let mut furthest = 0;
        let mut on_no_range = OnNoRange::Restart;
        loop {
            let later = match self.round(installed, on_no_range, &mut part)? {
                Round::Installed(digest) => return Ok(digest),
                Round::Later(mirrors) if mirrors.is_empty() => return Err(self.give_up(part)),
                Round::Later(mirrors) => mirrors,
            };
            let reasons: Vec<&str> = later.iter().map(|(why, _)| why.as_str()).collect();
            let message = reasons.join("; ");
            self.host.report_problem(&format!("{message}; retrying"));
            // If this round made the partial file longer than before, the delays start short again,
            // and in the next round a mirror that cannot resume must not empty the partial file.
            // Otherwise such a mirror may restart the download.
            let reached = part.as_ref().map_or(0, PartialFile::len);
            if reached > furthest {
                on_no_range = OnNoRange::TryNext;
                furthest = reached;
                backoff.restart();
            } else {
                on_no_range = OnNoRange::Restart;
            }
            // Honour Retry-After only when every mirror sent one, and then take the shortest.
            let retry_after = later.iter().map(|(_, asked)| *asked).min().flatten();
            self.host.wait_before_retry(backoff.delay(retry_after))?;
        }
    }

    /// Asks each mirror once, until one has delivered k3s.
    fn round(
        &mut self,
        installed: Option<Sha256>,
        on_no_range: OnNoRange,
        part: &mut Option<PartialFile>,
    ) -> Result<Round> {
        let mut later = Vec::new();
        for index in 0..self.mirrors.len() {
            let mirror = &self.mirrors[index];
            if mirror.skipped.is_some() {
                continue;
            }
            if let Some((why, until)) = &mirror.busy {
                let left = until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    later.push((why.clone(), Some(left)));
                    continue;
                }
            }
            // When only one mirror is left, no other mirror could resume the partial file. So this
            // mirror may restart the download if it cannot resume.
            let in_use = self.mirrors.iter().filter(|m| m.skipped.is_none()).count();
            let on_no_range = if in_use == 1 {
                OnNoRange::Restart
            } else {
                on_no_range
            };
            match self.ask(index, installed, on_no_range, part)? {
                Outcome::Installed(digest) => return Ok(Round::Installed(digest)),
                Outcome::RetryLater(why, retry_after) => {
                    let wait = retry_after.map(|asked| asked.min(LONGEST_RETRY_AFTER));
                    let busy = wait.map(|wait| (why.clone(), Instant::now() + wait));
                    self.mirrors[index].busy = busy;
                    later.push((why, wait));
                }
                Outcome::Skip(why, status) => {
                    warn!(target: self.host.step(), "{why}; skipping this mirror");
                    self.mirrors[index].lacks_release = status == Some(NOT_FOUND);
                    self.mirrors[index].skipped = Some(why);
                }
            }
        }
        Ok(Round::Later(later))
    }

    /// Removes the partial file, which frees its space. Returns the error with the reason of each
    /// mirror.
    fn give_up(&self, part: Option<PartialFile>) -> anyhow::Error {
        if let Some(Err(error)) = part.map(PartialFile::discard) {
            return error;
        }
        let reasons = self.mirrors.iter().filter_map(|m| m.skipped.as_deref());
        let reasons: Vec<&str> = reasons.collect();
        let tag = &self.tag;
        let mut reasons = reasons.join("; ");
        if self.mirrors.iter().any(|mirror| mirror.lacks_release) {
            reasons = format!("{reasons}; {}", remedy(tag, self.server_is_mirror));
        }
        anyhow!("no mirror could supply k3s {tag}: {reasons}")
    }

    /// Whether `installed` needs no new verification: it is the pinned digest, or an earlier run of
    /// this boot has recorded that it verified this digest for this release.
    fn verified_this_boot(&self, installed: Sha256) -> bool {
        if let Some(pin) = self.pin {
            return pin == installed;
        }
        verified::read(self.host)
            .is_some_and(|(tag, digest)| tag == self.tag.as_str() && digest == installed)
    }

    /// Asks one mirror for the digest of k3s and then downloads k3s, unless a file with this digest
    /// is already installed.
    fn ask(
        &mut self,
        index: usize,
        installed: Option<Sha256>,
        on_no_range: OnNoRange,
        part: &mut Option<PartialFile>,
    ) -> Result<Outcome> {
        let digest = match self.mirrors[index].digest(&self.tag) {
            Ok(digest) => digest,
            Err(failure) => return Ok(self.outcome(failure)),
        };
        if installed == Some(digest) {
            // Close the partial file, which unlocks it: `keep_installed` cannot remove a locked
            // partial file.
            drop(part.take());
            self.keep_installed();
            self.record_verified(digest);
            return Ok(Outcome::Installed(digest));
        }
        let mirror = &self.mirrors[index];
        let url = asset_url(&mirror.base, &self.tag, Arch::own().asset());
        let is_other = |open: &PartialFile| open.origin().sha256 != digest && !open.is_empty();
        if on_no_range == OnNoRange::TryNext && part.as_ref().is_some_and(is_other) {
            let why =
                format!("{url}: this mirror has another digest than the download in progress");
            return Ok(Outcome::RetryLater(why, None));
        }
        // A partial file for another digest is closed here, which unlocks it, because `open` locks
        // the same path again.
        let open = match part.take().filter(|open| open.origin().sha256 == digest) {
            Some(open) => open,
            None => PartialFile::open(self.host, &self.target, digest)?,
        };
        let download = Download {
            client: &mirror.client,
            url: &url,
            minimum_rate: self.minimum_rate,
            on_no_range,
        };
        self.download(download, open, part)
    }

    /// Downloads into the partial file and installs it. When the mirror fails, the partial file is
    /// kept in `part`, so that another attempt can resume it.
    fn download(
        &self,
        download: Download<'_>,
        mut open: PartialFile,
        part: &mut Option<PartialFile>,
    ) -> Result<Outcome> {
        let digest = open.origin().sha256;
        let folder = self.target.parent().unwrap_or(Path::new("/"));
        let mut result = attempt(self.host, download, &mut open, folder);
        if let Err(AttemptError::DigestMismatch { resumed: true }) = result {
            // The bad bytes may be from the earlier attempt: retry once from the start.
            open.restart("", None)?;
            result = attempt(self.host, download, &mut open, folder);
        }
        match result {
            Ok(()) => {
                let bytes = megabytes(open.len());
                open.install()?;
                self.record_verified(digest);
                let (tag, target) = (&self.tag, self.target.display());
                self.host.set_result(format!(
                    "installed k3s {tag} as {target}, {bytes} MB, sha256 {digest}"
                ));
                Ok(Outcome::Installed(digest))
            }
            Err(AttemptError::Mirror(failure)) => {
                *part = Some(open);
                Ok(self.outcome(failure))
            }
            Err(AttemptError::DigestMismatch { .. }) => {
                open.restart("", None)?;
                *part = Some(open);
                let url = download.url;
                let why = format!("{url}: SHA-256 mismatch, expected {digest}");
                Ok(Outcome::Skip(why, None))
            }
            Err(AttemptError::Local(error)) => {
                // Free the space, because the operator may need it to repair the board. Return the
                // original error, not the one of the clean-up.
                if let Err(more) = open.discard() {
                    warn!(target: self.host.step(), "{more:#}");
                }
                Err(error)
            }
        }
    }

    /// The outcome of a failed request.
    fn outcome(&self, failure: Failure) -> Outcome {
        self.host.doubt_clock_if(failure.is_about_dates());
        match failure {
            Failure::Transient {
                error, retry_after, ..
            } => Outcome::RetryLater(format!("{error:#}"), retry_after),
            Failure::Permanent { error, status } => Outcome::Skip(format!("{error:#}"), status),
        }
    }

    fn keep_installed(&self) {
        self.host
            .set_result(format!("k3s {} is already installed", self.tag));
        // The right k3s is installed, so the boot continues even if a partial file cannot be
        // removed.
        if let Err(error) = target::clear(self.host, &self.target) {
            debug!(target: self.host.step(), "{error:#}");
        }
    }

    fn record_verified(&self, digest: Sha256) {
        if let Err(error) = verified::write(self.host, self.tag.as_str(), digest) {
            // When /run is full, the next run of this step verifies k3s again.
            warn!(target: self.host.step(), "{error:#}");
        }
    }
}
