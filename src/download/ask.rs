//! Asks one mirror once: for the digest of a file of the release, if the digest is not known yet,
//! and for the file itself.

use super::asset::Asset;
use super::mirror::MirrorState;
use super::part::PartialFile;
use super::rounds::Install;
use super::{AttemptError, Download, OnNoRange, Rivals, attempt};
use super::{target, verified};
use crate::digest::Sha256;
use crate::host::machine::megabytes;
use crate::http::Failure;
use crate::k3s::release::asset_url;
use anyhow::Result;
use log::{debug, warn};
use std::time::{Duration, Instant};

/// The result of asking one mirror in one round.
pub(super) enum Outcome {
    /// The file is installed, and has this digest.
    Installed(Sha256),
    /// The mirror may work later. The string is its error message, and the duration is its
    /// `Retry-After`.
    RetryLater(String, Option<Duration>),
    /// The mirror cannot deliver this release, so this run of muster skips it from now on. The
    /// string is the error message, and the number is the HTTP status, if the mirror answered.
    Skip(String, Option<u16>),
}

impl Install<'_> {
    /// Whether the installed file, which has the digest `installed`, needs no new verification. If
    /// a digest is pinned, `installed` must be equal to it. If none is pinned, an earlier run of
    /// muster in this boot must have recorded that it verified this digest for this release.
    pub(super) fn verified_this_boot(&self, installed: Sha256) -> bool {
        if let Some(pin) = self.pin {
            return pin == installed;
        }
        verified::read(self.host, self.asset.record())
            .is_some_and(|(tag, digest)| tag == self.tag.as_str() && digest == installed)
    }

    /// Asks one mirror for the digest of the file, if it is not known yet. Then downloads the file
    /// from this mirror, unless a file with this digest is already installed.
    pub(super) fn ask(
        &mut self,
        index: usize,
        installed: Option<Sha256>,
        on_no_range: OnNoRange,
        part: &mut Option<PartialFile>,
    ) -> Result<Outcome> {
        let digest = match self.mirrors[index].digest(&self.tag, self.asset) {
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
        let client = mirror.client.clone();
        let url = asset_url(&mirror.base, &self.tag, self.asset.name());
        let is_other = |open: &PartialFile| open.origin().sha256 != digest && !open.is_empty();
        if on_no_range == OnNoRange::TryNext && part.as_ref().is_some_and(is_other) {
            let why =
                format!("{url}: this mirror has another digest than the download in progress");
            return Ok(Outcome::RetryLater(why, None));
        }
        // A partial file for another digest is closed here, which unlocks it, because
        // `PartialFile::open` locks the same path again.
        let open = match part.take().filter(|open| open.origin().sha256 == digest) {
            Some(open) => open,
            None => PartialFile::open(self.host, self.asset, &self.target, digest)?,
        };
        if self.asset == Asset::Images {
            // The memory may be too small for the archives of two releases. The old archive is not
            // needed any more, because containerd has imported it.
            target::remove(&self.host.path(&self.target))?;
        }
        let download = Download {
            asset: self.asset,
            client: &client,
            url: &url,
            folder: self.folder(),
            minimum_rate: self.minimum_rate,
            rivals: self.rivals(index),
            on_no_range,
        };
        let (started, from) = (Instant::now(), open.len());
        let (outcome, reached) = self.download(download, open, part)?;
        // When the partial file is shorter than before, the attempt has restarted the download, so
        // all bytes of the partial file came in this attempt.
        let gained = reached.checked_sub(from).unwrap_or(reached);
        let rate = self.minimum_rate.in_a_window(gained, started.elapsed());
        self.mirrors[index].measured = Some((rate, Instant::now()));
        Ok(outcome)
    }

    /// What is known about the mirrors that could be used in place of the mirror with this index.
    fn rivals(&self, index: usize) -> Rivals {
        let is_usable = |mirror: &MirrorState| {
            let is_busy = |(_, until): &(String, Instant)| *until > Instant::now();
            mirror.skipped.is_none() && !mirror.busy.as_ref().is_some_and(is_busy)
        };
        let others = self.mirrors.iter().enumerate();
        let others = others.filter(|(i, mirror)| *i != index && is_usable(mirror));
        let rates: Vec<Option<u64>> = others.map(|(_, mirror)| mirror.rate()).collect();
        Rivals {
            untried: rates.contains(&None),
            best: rates.into_iter().flatten().max().unwrap_or(0),
        }
    }

    /// Downloads into the partial file `open` and installs that file. When the mirror fails, the
    /// partial file is kept in `part`, so that another attempt can resume the download. Also
    /// returns the length of the partial file at the end of the attempt (bytes).
    fn download(
        &self,
        download: Download<'_>,
        mut open: PartialFile,
        part: &mut Option<PartialFile>,
    ) -> Result<(Outcome, u64)> {
        let digest = open.origin().sha256;
        let mut result = attempt(self.host, download, &mut open);
        if let Err(AttemptError::DigestMismatch { resumed: true }) = result {
            // The wrong bytes may have come in an earlier attempt. So empty the partial file, and
            // try once more from the start.
            open.restart("", None)?;
            result = attempt(self.host, download, &mut open);
        }
        let reached = open.len();
        let outcome = match result {
            Ok(()) => {
                let bytes = megabytes(open.len());
                open.install()?;
                self.record_verified(digest);
                let (what, tag, target) = (self.asset.shown(), &self.tag, self.target.display());
                self.host.add_result(format!(
                    "installed {what} {tag} as {target}, {bytes} MB, sha256 {digest}"
                ));
                Outcome::Installed(digest)
            }
            Err(AttemptError::Mirror(failure)) => {
                *part = Some(open);
                self.outcome(failure)
            }
            Err(AttemptError::DigestMismatch { .. }) => {
                open.restart("", None)?;
                *part = Some(open);
                let url = download.url;
                let why = format!("{url}: SHA-256 mismatch, expected {digest}");
                Outcome::Skip(why, None)
            }
            Err(AttemptError::Local(error)) => {
                // Remove the partial file, because the operator may need its space to repair the
                // board. If the removal fails too, its error is only logged.
                if let Err(more) = open.discard() {
                    warn!(target: self.host.step(), "{more:#}");
                }
                return Err(error);
            }
        };
        Ok((outcome, reached))
    }

    /// The outcome of a failed request.
    pub(super) fn outcome(&self, failure: Failure) -> Outcome {
        self.host.doubt_clock_if(failure.is_about_dates());
        match failure {
            Failure::Transient {
                error, retry_after, ..
            } => Outcome::RetryLater(format!("{error:#}"), retry_after),
            Failure::Permanent { error, status } => Outcome::Skip(format!("{error:#}"), status),
        }
    }

    pub(super) fn keep_installed(&self) {
        let what = self.asset.shown();
        self.host
            .add_result(format!("{what} {} is already installed", self.tag));
        // The right file is installed, so the boot continues even if a partial file cannot be
        // removed.
        if let Err(error) = target::clear(self.host, &self.target) {
            debug!(target: self.host.step(), "{error:#}");
        }
    }

    fn record_verified(&self, digest: Sha256) {
        if let Err(error) =
            verified::write(self.host, self.asset.record(), self.tag.as_str(), digest)
        {
            // The record could not be written, for example because /run is full. So the next run
            // of this step verifies the file again.
            warn!(target: self.host.step(), "{error:#}");
        }
    }
}

#[cfg(test)]
mod tests;
