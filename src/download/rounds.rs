//! Rounds through the mirrors, until one of them delivers the right k3s and it is installed.

use super::mirror::MirrorState;
use super::part::PartialFile;
use super::target;
use super::{AttemptError, Download, OnNoRange, attempt};
use crate::board::node::Node;
use crate::digest::Sha256;
use crate::host::Host;
use crate::host::machine::megabytes;
use crate::http::retry::{Backoff, LONGEST_RETRY_AFTER};
use crate::http::{Failure, MinimumRate};
use crate::k3s::release::{Arch, Tag, asset_url};
use crate::paths;
use anyhow::{Result, anyhow};
use log::{debug, info, warn};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The installation of one release.
pub struct Install<'a> {
    pub host: &'a Host,
    pub node: &'a Node,
    /// The one digest that the settings accept.
    pub pin: Option<Sha256>,
    pub minimum_rate: MinimumRate,
    pub tag: Tag,
    /// Where k3s is installed.
    pub target: PathBuf,
    /// The mirrors, in the order in which they are asked.
    pub mirrors: Vec<MirrorState>,
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
    /// The mirror cannot deliver this release; the run skips it from now on.
    Skip(String),
}

impl Install<'_> {
    /// Goes through the mirrors until one of them delivered the right bytes. Returns the digest of
    /// the installed k3s. Fails when no mirror is left that could deliver it.
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
        let mut last_message = String::new();
        loop {
            let later = match self.round(installed, on_no_range, &mut part)? {
                Round::Installed(digest) => return Ok(digest),
                Round::Later(mirrors) if mirrors.is_empty() => return Err(self.give_up(part)),
                Round::Later(mirrors) => mirrors,
            };
            let reasons: Vec<&str> = later.iter().map(|(why, _)| why.as_str()).collect();
            let message = reasons.join("; ");
            if message != last_message {
                self.host.report_problem(&format!("{message}; retrying"));
                last_message = message;
            }
            // While the download gets further in each round, it is not delayed more each time, and
            // no mirror that cannot resume may throw the partial file away.
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
            self.host.wait_before_retry(backoff.delay(retry_after));
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
            // When one mirror is left, no other one could resume the partial file.
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
                Outcome::Skip(why) => {
                    warn!(target: self.host.step(), "{why}; skipping this mirror");
                    self.mirrors[index].skipped = Some(why);
                }
            }
        }
        Ok(Round::Later(later))
    }

    /// The error with the reason of each mirror. Frees the space of the partial file.
    fn give_up(&self, part: Option<PartialFile>) -> anyhow::Error {
        if let Some(Err(error)) = part.map(PartialFile::discard) {
            return error;
        }
        let reasons = self.mirrors.iter().filter_map(|m| m.skipped.as_deref());
        let reasons: Vec<&str> = reasons.collect();
        let tag = &self.tag;
        anyhow!("no mirror could supply k3s {tag}: {}", reasons.join("; "))
    }

    /// Whether the installed file was verified for this release earlier in this boot.
    fn verified_this_boot(&self, installed: Sha256) -> bool {
        if let Some(pin) = self.pin {
            return pin == installed;
        }
        let note = self
            .host
            .read_text(paths::VERIFIED.path)
            .unwrap_or_default();
        let note: Value = serde_json::from_str(&note).unwrap_or_default();
        note["tag"] == self.tag.as_str() && note["sha256"] == installed.to_string()
    }

    /// Asks one mirror for the digest and, unless the right file is installed already, for k3s.
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
            // Close the partial file first: `keep_installed` can only remove an unlocked one.
            drop(part.take());
            self.keep_installed();
            self.record_verified(digest);
            return Ok(Outcome::Installed(digest));
        }
        let mirror = &self.mirrors[index];
        let url = asset_url(&mirror.base, &self.tag, Arch::own().asset());
        let is_other = |open: &PartialFile| open.origin().sha256 != digest && !open.is_empty();
        if on_no_range == OnNoRange::TryNext && part.as_ref().is_some_and(is_other) {
            let why = format!("{url}: its digest is not that of the download in progress");
            return Ok(Outcome::RetryLater(why, None));
        }
        // A partial file of another object is closed first, because it is locked.
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

    /// Downloads into the partial file and installs it. On failure the file is kept in `part`
    /// where another attempt can go on with it.
    fn download(
        &self,
        download: Download<'_>,
        mut open: PartialFile,
        part: &mut Option<PartialFile>,
    ) -> Result<Outcome> {
        let started = Instant::now();
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
                let (bytes, seconds) = (megabytes(open.len()), started.elapsed().as_secs_f64());
                open.install()?;
                self.record_verified(digest);
                let (tag, target) = (&self.tag, self.target.display());
                info!(
                    target: self.host.step(),
                    "installed k3s {tag} as {target} ({bytes} MB, {seconds:.1} s, sha256 {digest})"
                );
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
                Ok(Outcome::Skip(why))
            }
            Err(AttemptError::Local(error)) => {
                // Free the space, because the repair of the board may need it. Report the original
                // error, not the one of the clean-up.
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
            Failure::Permanent { error, .. } => Outcome::Skip(format!("{error:#}")),
        }
    }

    fn keep_installed(&self) {
        info!(target: self.host.step(), "k3s {} is already installed", self.tag);
        // A partial file that cannot be removed is no reason to stop a board that has its k3s.
        if let Err(error) = target::clear(self.host, &self.target) {
            debug!(target: self.host.step(), "{error:#}");
        }
    }

    fn record_verified(&self, digest: Sha256) {
        let note = json!({ "tag": self.tag.as_str(), "sha256": digest.to_string() });
        if let Err(error) = self.host.write_note(paths::VERIFIED, &format!("{note}\n")) {
            // When /run is full, k3s must run all the same.
            let step = self.host.step();
            warn!(target: step, "{error:#}: the record that k3s was verified is missing");
        }
    }
}
