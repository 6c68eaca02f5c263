//! Receives the body of a mirror's answer into a partial file, with limits on the length and on the
//! rate.

use super::append::Appender;
use super::part::PartialFile;
use super::{AttemptError, Download, LONGEST, too_long};
use crate::host::Host;
use crate::host::machine::{self, megabytes};
use crate::http::{Failure, MinimumRate, Response};
use anyhow::anyhow;
use std::io::{self, ErrorKind};
use std::time::Instant;
use url::Url;

/// Reads the body of `answer` to its end into the partial file. `total` is the length of the whole
/// file (bytes), if the server sent this length. When `total` is `None`, the free space and the
/// memory are checked while bytes arrive.
pub fn receive(
    host: &Host,
    download: Download<'_>,
    answer: &mut Response,
    part: &mut PartialFile,
    total: Option<u64>,
) -> Result<(), AttemptError> {
    match append(host, download, answer, Appender::new(part), total) {
        Ok(()) => Ok(()),
        Err(Stop::Keep(error)) => Err(error),
        Err(Stop::Discard(failure)) => {
            // Empty the partial file, because it uses memory: the root file system is in memory.
            part.restart("", None).map_err(AttemptError::Local)?;
            Err(failure.into())
        }
    }
}

/// When the length of the file is unknown, the free space and the memory are checked again each
/// time this many bytes have arrived.
const CHECKED: u64 = 4 << 20;

/// Why the body was not read to its end.
enum Stop {
    /// The partial file keeps its bytes. If the mirror caused the error, a later attempt can resume
    /// the download.
    Keep(AttemptError),
    /// The partial file is emptied, because it would become longer than [`LONGEST`], or because
    /// this board has too little free space or memory for the next bytes.
    Discard(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Keep(failure.into())
    }
}

fn append(
    host: &Host,
    download: Download<'_>,
    answer: &mut Response,
    mut part: Appender<'_>,
    total: Option<u64>,
) -> Result<(), Stop> {
    let Download {
        url, minimum_rate, ..
    } = download;
    let resumed_at = part.len();
    let mut next_check = resumed_at + CHECKED;
    let mut window = (Instant::now(), resumed_at);
    loop {
        let n = match part.receive(answer) {
            Ok(0) => {
                let written = part.finish();
                return written.map_err(|error| write_failed(url, part.len(), &error));
            }
            Ok(n) => n,
            Err(error) => return Err(Failure::of_connection(url, &error).into()),
        };
        // Log the start of the download only when the first bytes have come. When no bytes come,
        // the caller logs the error.
        if part.len() == resumed_at {
            match resumed_at {
                0 => host.resume_step(&format!("downloading {url}")),
                _ => {
                    let at = megabytes(resumed_at);
                    host.resume_step(&format!("resuming {url} at {at} MB"));
                }
            }
        }
        if part.len() + n as u64 > LONGEST {
            return Err(Stop::Discard(too_long(download.asset, url)));
        }
        let written = part.append(n);
        written.map_err(|error| write_failed(url, part.len(), &error))?;
        host.report_download(part.len(), total);
        if total.is_none() && part.len() >= next_check {
            check_room(host, download, part.len())?;
            next_check = part.len() + CHECKED;
        }
        if window.0.elapsed() >= minimum_rate.window {
            check_rate(host, download, part.len() - window.1)?;
            window = (Instant::now(), part.len());
        }
    }
}

/// Decides what happens to the partial file after a write to it has failed. `len` is the length
/// of this file (bytes).
fn write_failed(url: &Url, len: u64, error: &io::Error) -> Stop {
    let written = megabytes(len);
    let full = error.kind() == ErrorKind::StorageFull;
    let error = anyhow!("cannot write the download after {written} MB: {error}");
    match full {
        // The file system is full. The mirror may have announced no length and be sending more
        // bytes than the asset has. So this counts as a failure of the mirror, and another mirror
        // is tried.
        true => Stop::Discard(Failure::permanent(error.context(url.to_string()))),
        false => Stop::Keep(AttemptError::Local(error)),
    }
}

/// Fails when this board has too little free space or memory for the next bytes of a file whose
/// length is unknown.
fn check_room(host: &Host, download: Download<'_>, len: u64) -> Result<(), Stop> {
    let Download {
        asset, url, folder, ..
    } = download;
    let no_room = machine::no_room(host, folder, asset.need(len + CHECKED, len));
    let no_room = no_room.map_err(|error| Stop::Keep(AttemptError::Local(error)))?;
    match no_room {
        // This counts as a failure of the mirror, because another mirror may send fewer bytes.
        Some(why) => {
            let after = megabytes(len);
            let error =
                anyhow!("{url}: stopped after {after} MB of a file of unknown length: {why}");
            Err(Stop::Discard(Failure::permanent(error)))
        }
        None => Ok(()),
    }
}

/// Fails when the mirror was too slow: fewer bytes than [`MinimumRate::bytes`] were received in the
/// last window. Also fails when fewer than [`MinimumRate::slow`] were received and another mirror
/// may be faster.
fn check_rate(host: &Host, download: Download<'_>, received: u64) -> Result<(), Failure> {
    let Download { url, rivals, .. } = download;
    let MinimumRate {
        bytes,
        slow,
        window,
    } = download.minimum_rate;
    let error = if received < bytes {
        anyhow!("{url}: fewer than {bytes} bytes came in {window:?}, which is too slow")
    } else if received < slow && (rivals.untried || rivals.best > 2 * received) {
        let why = format!(
            "{url}: only {received} bytes came in {window:?}; another mirror may be faster"
        );
        log::info!(target: host.step(), "{why}");
        anyhow!(why)
    } else {
        return Ok(());
    };
    Err(Failure::transient(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_disk_is_the_failure_of_a_mirror() {
        let url = Url::parse("https://mirror/k3s").unwrap();
        let failed = |kind| write_failed(&url, 5_000_000, &io::Error::from(kind));
        let full = failed(ErrorKind::StorageFull);
        assert!(matches!(full, Stop::Discard(Failure::Permanent { .. })));
        let broken = failed(ErrorKind::BrokenPipe);
        assert!(matches!(broken, Stop::Keep(AttemptError::Local(_))));
    }
}
