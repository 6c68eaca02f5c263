//! Decides whether k3s is only restarted, or all steps of a boot run again. If the record of this
//! boot is still valid, muster restarts k3s without a network request, because k3s has its own
//! certificates and its own list of servers.

use super::record::Record;
use super::starts::{EARLY_ENDS, Starts};
use crate::digest::Sha256;
use crate::download::verified;
use crate::host::Host;
use crate::paths;
use crate::settings::Settings;
use anyhow::{Context, Result, bail};
use log::{info, warn};
use std::time::Duration;

/// The time limit of a full boot that runs because k3s ended too often soon after its start.
/// Without a limit, such a boot would wait for a server that is down, and k3s would not be
/// restarted meanwhile.
const FULL_BOOT_LIMIT: Duration = Duration::from_secs(120);

/// Returns the record of this boot if k3s can be restarted without a full boot: the record matches
/// the settings, the installed k3s is verified, and k3s did not end soon after its start too often.
/// `supervised` tells whether OpenRC starts this process again when it ends.
pub fn by_record(host: &Host, settings: &Settings, supervised: bool) -> Result<Option<Record>> {
    if host.plans() {
        return Ok(None);
    }
    let Some(mut record) = Record::read(host) else {
        return Ok(None);
    };
    let mut starts = Starts::read(host);
    if starts.full_boot_is_due(host.uptime()) {
        warn!(
            "k3s ended within a minute of its start {EARLY_ENDS} times in a row: running all \
             steps of a boot once"
        );
        starts.record_full_boot(host.uptime());
        starts.write(host);
        host.limit_run(supervised.then_some(FULL_BOOT_LIMIT));
        return Ok(None);
    }
    if record.server != settings.server()? || record.program != program(settings) {
        info!(
            "K3S_URL or the path of k3s has changed since this node joined: running all steps of \
             a boot"
        );
        return Ok(None);
    }
    match verified(host, settings) {
        Ok(digest) if settings.skip_download && digest != record.sha256 => {
            info!("the k3s in the image has changed: running all steps of a boot");
            return Ok(None);
        }
        // `rc-service muster upgrade` has fetched another release.
        Ok(digest) if digest != record.sha256 => {
            record.tag = tag(host, digest);
            record.sha256 = digest;
        }
        Ok(_) => {}
        Err(error) => {
            warn!("{error:#}; so muster runs all steps of a boot");
            return Ok(None);
        }
    }
    info!(
        "{} joined in this boot, and the installed k3s {} is verified: restarting k3s without a network request",
        record.node.name,
        record.tag.as_deref().unwrap_or("(version unknown)")
    );
    Ok(Some(record))
}

/// Returns the record of this boot if the installed k3s has the digest in the record. Then k3s can
/// be restarted although the settings cannot be read.
pub fn by_record_alone(host: &Host) -> Option<Record> {
    let record = Record::read(host)?;
    let digest = host.digest(&record.program).ok()??;
    (digest == record.sha256).then_some(record)
}

/// Computes the digest of the installed k3s, and fails when the digest is not accepted. The first
/// of these rules that applies decides:
/// - When a digest is pinned (`MUSTER_K3S_SHA256`), only this digest is accepted.
/// - With `INSTALL_K3S_SKIP_DOWNLOAD` every digest is accepted, because k3s is a part of the image.
/// - Otherwise the digests that were verified in this boot are accepted.
pub fn verified(host: &Host, settings: &Settings) -> Result<Sha256> {
    let program = program(settings);
    let digest = host
        .digest(&program)?
        .with_context(|| format!("there is no {program}: to install k3s, run: muster fetch"))?;
    let known = match settings.pin {
        Some(pin) => vec![pin],
        None if settings.skip_download => return Ok(digest),
        None => {
            let record = Record::read(host).map(|record| record.sha256);
            let fetched = verified::read(host, paths::VERIFIED).map(|(_, digest)| digest);
            fetched.into_iter().chain(record).collect()
        }
    };
    if !known.contains(&digest) {
        bail!(
            "{program} has the SHA-256 {digest}, which was not verified in this boot, so muster \
             does not run this file: to install a verified k3s, run: muster fetch"
        );
    }
    Ok(digest)
}

/// The tag of the k3s release that has this digest, if this boot has recorded it.
pub fn tag(host: &Host, digest: Sha256) -> Option<String> {
    let record = Record::read(host).filter(|record| record.sha256 == digest);
    let fetched = verified::read(host, paths::VERIFIED).filter(|(_, fetched)| *fetched == digest);
    fetched
        .map(|(tag, _)| tag)
        .or_else(|| record.and_then(|record| record.tag))
}

/// How k3s is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartKind {
    /// After the steps of a boot.
    FullBoot,
    /// Without the steps, because the record of this boot is valid ([`by_record`]).
    ByRecord,
}

/// Writes to `/run/muster` that k3s starts now.
pub fn note_start(host: &Host, kind: StartKind) {
    let mut starts = Starts::read(host);
    let now = host.uptime();
    match kind {
        StartKind::FullBoot => starts.record_full_boot(now),
        StartKind::ByRecord => starts.count(now),
    }
    starts.started = Some(now);
    starts.write(host);
}

/// The path of the k3s executable.
pub fn program(settings: &Settings) -> String {
    settings.bin_dir.join("k3s").display().to_string()
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the files that an operator would"
)]
mod tests;
