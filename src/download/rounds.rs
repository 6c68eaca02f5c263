//! Downloads a file of the release in rounds. A round asks the mirrors one after another; the
//! module `ask` asks one mirror. The rounds are repeated until the file is installed with the
//! expected digest, or until muster gives up.

use super::OnNoRange;
use super::ask::Outcome;
use super::asset::Asset;
use super::mirror::{MirrorState, NOT_FOUND};
use super::part::PartialFile;
use super::sums::ServerSums;
use super::target;
use crate::board::node::Node;
use crate::digest::Sha256;
use crate::host::{Host, machine};
use crate::http::MinimumRate;
use crate::http::retry::{Backoff, LONGEST_RETRY_AFTER};
use crate::k3s::release::{Tag, remedy};
use anyhow::{Result, anyhow, bail};
use log::{debug, warn};
use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What is needed to install one file of a release.
pub struct Install<'a> {
    pub host: &'a Host,
    pub node: &'a Node,
    pub asset: Asset,
    /// The pinned digest (`MUSTER_K3S_SHA256`): a file with any other digest is not accepted.
    pub pin: Option<Sha256>,
    pub minimum_rate: MinimumRate,
    pub tag: Tag,
    /// The path at which the file is installed.
    pub target: PathBuf,
    /// The mirrors, in the order in which the first round asks them.
    pub mirrors: Vec<MirrorState>,
    /// Requests the k3s server's checksum file. `None` when the request is not needed any more: the
    /// server has answered, or a retry would not help. Also `None` from the start when the digest
    /// is pinned, when muster is not connected to the server, and when the server's CA is not
    /// pinned.
    pub server_sums: Option<ServerSums>,
}

/// A mirror that may work later: why it failed, and the wait that its `Retry-After` asks for.
type Later = (String, Option<Duration>);

/// The result of a round.
enum Round {
    Installed(Sha256),
    /// The mirrors that may work later; empty when all mirrors are skipped.
    Later(Vec<Later>),
}

impl Install<'_> {
    /// Asks the mirrors until the file is installed, and returns its digest. Fails when all mirrors
    /// are skipped because none of them can deliver this release, or when something on this board
    /// fails (for example, there is too little space). Fails also when the file is the image
    /// archive and took too long ([`Install::is_late`]), and when the settings or the token change
    /// during a wait ([`Host::wait`]).
    pub fn run(mut self) -> Result<Sha256> {
        let installed = target::installed(self.host, &self.target, self.asset.mode())?;
        if let Some(digest) = installed
            && self.verified_this_boot(digest)
        {
            self.keep_installed();
            return Ok(digest);
        }
        if installed.is_none() {
            let (folder, need) = (self.folder(), self.asset.least_need());
            if let Some(why) = machine::no_room(self.host, folder, need)? {
                bail!(why);
            }
        }
        let mut part = None;
        let started = Instant::now();
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
            let reached = part.as_ref().map_or(0, PartialFile::len);
            if self.is_late(started, reached.max(furthest)) {
                return Err(self.give_up_with(part, &message));
            }
            self.host.report_problem(&format!("{message}; retrying"));
            // If this round made the partial file longer than before, the delays start short again,
            // and in the next round a mirror that cannot resume must not empty the partial file.
            // After a round without progress, such a mirror may restart the download.
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

    /// The folder into which the file is installed.
    pub(super) fn folder(&self) -> &Path {
        self.target.parent().unwrap_or(Path::new("/"))
    }

    /// Asks the mirrors one after another, each once, until one has delivered the file. Skipped and
    /// busy mirrors are not asked.
    fn round(
        &mut self,
        installed: Option<Sha256>,
        on_no_range: OnNoRange,
        part: &mut Option<PartialFile>,
    ) -> Result<Round> {
        let mut later = Vec::new();
        let unanswered = self.ask_server_sums();
        for index in self.order() {
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
            if mirror.needs_other_digest()
                && mirror.digest.is_none()
                && let Some(unanswered) = &unanswered
            {
                later.push(unanswered.clone());
                continue;
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
                    let measured = (0, Instant::now());
                    self.mirrors[index].measured.get_or_insert(measured);
                    later.push((why, wait));
                }
                Outcome::Skip(why, status) => self.skip(index, why, status),
            }
        }
        Ok(Round::Later(later))
    }

    /// The mirrors in the order in which a round asks them. Slow mirrors come last, and the fastest
    /// of the slow mirrors comes first among them.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.mirrors.len()).collect();
        order.sort_by_key(|index| {
            let rate = self.mirrors[*index].rate().unwrap_or(0);
            let is_slow = rate > 0 && rate < self.minimum_rate.slow;
            (is_slow, Reverse(if is_slow { rate } else { 0 }))
        });
        order
    }

    /// Asks the k3s server for its checksum file, unless it has answered already. The digest in the
    /// file is then used for every mirror. Returns why there is no answer yet; `None` when there is
    /// nothing to wait for.
    fn ask_server_sums(&mut self) -> Option<Later> {
        let answer = self.server_sums.as_mut()?.ask(&self.tag, self.asset);
        let failure = match answer {
            Ok(digest) => {
                for mirror in &mut self.mirrors {
                    mirror.digest = Some(digest);
                }
                self.server_sums = None;
                return None;
            }
            Err(failure) => failure,
        };
        match self.outcome(failure) {
            Outcome::Skip(why, status) => {
                self.server_sums = None;
                debug!(target: self.host.step(), "{why}");
                for index in 0..self.mirrors.len() {
                    if self.mirrors[index].is_server {
                        self.skip(index, why.clone(), status);
                    }
                }
                None
            }
            Outcome::RetryLater(why, retry_after) => Some((why, retry_after)),
            Outcome::Installed(_) => None,
        }
    }

    /// Skips a mirror from now on. `status` is the HTTP status of its answer, if it answered.
    fn skip(&mut self, index: usize, why: String, status: Option<u16>) {
        warn!(target: self.host.step(), "{why}; skipping this mirror");
        let mirror = &mut self.mirrors[index];
        mirror.lacks_release = status == Some(NOT_FOUND);
        mirror.skipped = Some(why);
    }

    /// Whether the download of the images has taken too long; never for k3s, which the node needs.
    /// The limit is [`Asset::patience`] plus the time in which `reached` bytes would arrive at the
    /// rate [`MinimumRate::slow`]. `reached` is the greatest length of the partial file so far. So
    /// mirrors that are busy with many boards get more time as long as they deliver.
    fn is_late(&self, started: Instant, reached: u64) -> bool {
        let MinimumRate { slow, window, .. } = self.minimum_rate;
        let windows = reached as f64 / slow as f64;
        let is_over = |patience| started.elapsed() > patience + window.mul_f64(windows);
        self.asset.patience().is_some_and(is_over)
    }

    /// Gives up because all mirrors are skipped. Returns an error with the reason of each mirror.
    fn give_up(&self, part: Option<PartialFile>) -> anyhow::Error {
        let reasons = self.mirrors.iter().filter_map(|m| m.skipped.as_deref());
        let reasons: Vec<&str> = reasons.collect();
        let tag = &self.tag;
        let mut reasons = reasons.join("; ");
        if self.mirrors.iter().any(|mirror| mirror.lacks_release) {
            let server_is_mirror = self.mirrors.iter().any(|mirror| mirror.is_server);
            let remedy = remedy(self.asset.name(), tag, server_is_mirror);
            reasons = format!("{reasons}; {remedy}");
        }
        self.give_up_with(part, &reasons)
    }

    /// Removes the partial file, which frees its space. Returns an error with `reasons`, or the
    /// error of the removal if the removal fails.
    fn give_up_with(&self, part: Option<PartialFile>, reasons: &str) -> anyhow::Error {
        if let Some(Err(error)) = part.map(PartialFile::discard) {
            return error;
        }
        let (what, tag) = (self.asset.shown(), &self.tag);
        anyhow!("no mirror could supply {what} {tag}: {reasons}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Mode;
    use crate::http::Timeouts;

    #[test]
    fn only_images_can_be_late_and_bytes_that_came_give_them_more_time() {
        let host = Host::new("/none", Mode::Perform);
        let node = Node::on("eth0");
        let install = |asset| Install {
            host: &host,
            node: &node,
            asset,
            pin: None,
            minimum_rate: Timeouts::default().minimum_rate,
            tag: Tag::parse("v1.34.1+k3s1").unwrap(),
            target: "/none/k3s".into(),
            mirrors: Vec::new(),
            server_sums: None,
        };
        // Seconds since the start, bytes that came, whether that is too late.
        for (seconds, reached, late) in [
            (100, 0, false),
            (130, 0, true),
            (130, 2 << 20, false),
            (160, 2 << 20, true),
            (2000, 150 << 20, false),
        ] {
            let ago = Duration::from_secs(seconds);
            let started = Instant::now().checked_sub(ago).unwrap();
            let is_late = |asset| install(asset).is_late(started, reached);
            assert_eq!(is_late(Asset::Images), late, "{seconds} s, {reached} bytes");
            assert!(!is_late(Asset::K3s));
        }
    }
}
