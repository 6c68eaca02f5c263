//! Makes one attempt to download a file, such as the k3s executable, from one mirror. The attempt
//! resumes the partial file of an earlier attempt, limits the size, fails when the mirror is too
//! slow, and hashes the bytes as they arrive.
//!
//! [`rounds`] goes through the mirrors until an attempt succeeds or muster gives up. [`mirror`] is
//! one mirror, and [`part`] is the partial file. [`target`] has functions for the files on disk:
//! their paths, locking, hashing and removal. [`verified`] records which files this boot has
//! verified.

mod append;
mod ask;
pub mod asset;
pub mod mirror;
pub mod origin;
pub mod part;
mod receive;
pub mod rounds;
pub mod sums;
pub mod target;
pub mod verified;
mod writer;

use crate::host::Host;
use crate::host::machine;
use crate::http::headers::content_range;
use crate::http::{Client, Failure, MinimumRate, Request, Response, Status};
use anyhow::anyhow;
use asset::Asset;
use part::PartialFile;
use std::path::Path;
use url::Url;

/// The length of the longest file that is downloaded (bytes). There is a limit because the root
/// file system is in memory.
pub const LONGEST: u64 = 256 << 20;
/// The longest validator (`ETag` or `Last-Modified`) that is kept (bytes). The note beside the
/// partial file ([`origin`]) contains the validator, and is read only up to a maximum length.
const VALIDATOR_MAX: usize = 1024;

/// Why an attempt did not complete the partial file.
#[derive(Debug)]
pub enum AttemptError {
    /// The mirror or the network failed. Another mirror may succeed.
    Mirror(Failure),
    /// All bytes came, but their digest is not the expected one. `resumed` tells whether some of
    /// the bytes came in an earlier attempt.
    DigestMismatch { resumed: bool },
    /// An operation on this board failed, such as a write, so another mirror cannot help.
    Local(anyhow::Error),
}

impl From<Failure> for AttemptError {
    fn from(failure: Failure) -> AttemptError {
        AttemptError::Mirror(failure)
    }
}

/// What an attempt does when the mirror cannot resume the partial file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnNoRange {
    /// The attempt keeps the partial file and fails, because another mirror may be able to resume
    /// that file.
    TryNext,
    /// The attempt empties the partial file and downloads from the start.
    Restart,
}

/// What an attempt downloads, and with which limits.
#[derive(Clone, Copy)]
pub struct Download<'a> {
    pub asset: Asset,
    /// The client for the mirror of `url`.
    pub client: &'a Client,
    /// The URL of the file on the mirror.
    pub url: &'a Url,
    /// The folder of the partial file. The free space of this folder is checked.
    pub folder: &'a Path,
    /// The attempt fails when the bytes arrive more slowly than this.
    pub minimum_rate: MinimumRate,
    /// What is known about the other mirrors, which may be faster.
    pub rivals: Rivals,
    pub on_no_range: OnNoRange,
}

/// What is known about the other mirrors during an attempt.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rivals {
    /// Whether at least one of the other mirrors has no measured rate from the last 10 minutes.
    pub untried: bool,
    /// The largest measured rate of the other mirrors: the average number of bytes in a window
    /// ([`MinimumRate`]); 0 when no rate is known.
    pub best: u64,
}

/// Downloads the bytes that the partial file does not have yet. On success the partial file is
/// complete, and its digest is the expected one.
pub fn attempt(
    host: &Host,
    download: Download<'_>,
    part: &mut PartialFile,
) -> Result<(), AttemptError> {
    let Download { client, url, .. } = download;
    let keep_partial = download.on_no_range == OnNoRange::TryNext && !part.is_empty();
    if !part.is_empty() && part.is_complete() {
        return Ok(());
    }
    let mut resumed = false;
    let mut answer = request(client, url, part)?;
    let total = match body_position(&answer, part)? {
        BodyPosition::Append { total } => {
            resumed = true;
            total
        }
        BodyPosition::Start | BodyPosition::Mismatch if keep_partial => {
            return Err(Failure::transient(anyhow!(
                "{url}: this mirror cannot resume a partial download"
            ))
            .into());
        }
        BodyPosition::Start => restart(&answer, url, part)?,
        BodyPosition::Mismatch => {
            // The server did not send the requested range: request the whole file.
            part.restart(url.as_str(), None)
                .map_err(AttemptError::Local)?;
            answer = request(client, url, part)?;
            body_position(&answer, part)?;
            restart(&answer, url, part)?
        }
    };
    check_size(host, download, part, total)?;
    let result = receive::receive(host, download, &mut answer, part, total);
    // A server may announce more bytes than it sends, and then close the connection. This is no
    // failure when the digest is right.
    if part.is_complete() {
        return Ok(());
    }
    result?;
    match total.filter(|total| resumed && part.len() < *total) {
        // A server may answer with less than the requested range (RFC 9110, 15.3.7).
        Some(_) => {
            let error = anyhow!("{url}: the answer holds only a piece of the requested range");
            Err(Failure::transient(error).into())
        }
        None => Err(AttemptError::DigestMismatch { resumed }),
    }
}

/// Requests the whole file, or only the rest of the file when the partial file has bytes.
fn request(client: &Client, url: &Url, part: &PartialFile) -> Result<Response, Failure> {
    let mut request = Request::get(client, url);
    if !part.is_empty() {
        request = request.header("Range", &format!("bytes={}-", part.len()));
        // The validator matters when the file on the server has changed. Without a validator, the
        // server would send only the rest of the new file, which does not match the bytes in the
        // partial file. With a validator, the server sends the whole new file. A validator is valid
        // only for the URL whose answer contained it. The validator is not needed for safety,
        // because the digest is checked at the end.
        let origin = part.origin();
        let same_url = origin.url == url.as_str();
        if let Some(validator) = origin.validator.as_ref().filter(|_| same_url) {
            request = request.header("If-Range", validator);
        }
    }
    let answer = request.response()?;
    let encoding = answer.header("content-encoding").unwrap_or("identity");
    if encoding != "identity" {
        let encoding = encoding.get(..20).unwrap_or(encoding);
        return Err(Failure::permanent(anyhow!(
            "{url}: the answer has the Content-Encoding {encoding}, which was not requested"
        )));
    }
    Ok(answer)
}

/// Where the body of an answer belongs in the partial file.
enum BodyPosition {
    /// After the bytes that the partial file already has. `total` is the length of the whole file
    /// (bytes), if the server sent this length.
    Append { total: Option<u64> },
    /// At the start of the partial file: the body is the whole file.
    Start,
    /// Nowhere: the body is not the requested range.
    Mismatch,
}

fn body_position(answer: &Response, part: &PartialFile) -> Result<BodyPosition, Failure> {
    let range = answer.header("content-range").and_then(content_range);
    match (answer.status(), range) {
        // For an empty partial file no range was requested. If the server nevertheless sends a
        // range from byte 0, this range is treated like the whole file, so that `restart` writes
        // the URL to the note.
        (Status(206), Some(range)) if range.start == part.len() => match part.is_empty() {
            true => Ok(BodyPosition::Start),
            false => Ok(BodyPosition::Append { total: range.total }),
        },
        (Status(206 | 416), _) if !part.is_empty() => Ok(BodyPosition::Mismatch),
        (Status(200), _) => Ok(BodyPosition::Start),
        _ => Err(Failure::of_status(answer)),
    }
}

/// Empties the partial file, and writes the URL and the validator of this answer to the note beside
/// the partial file. Returns the length that the server announces (bytes), if it announces one.
fn restart(
    answer: &Response,
    url: &Url,
    part: &mut PartialFile,
) -> Result<Option<u64>, AttemptError> {
    // A weak ETag is not used: two files with the same weak ETag may have different bytes (RFC
    // 9110, 13.1.5).
    let etag = answer.header("etag").filter(|etag| !etag.starts_with("W/"));
    let validator = etag
        .or(answer.header("last-modified"))
        .filter(|text| text.len() <= VALIDATOR_MAX)
        .map(String::from);
    part.restart(url.as_str(), validator)
        .map_err(AttemptError::Local)?;
    Ok(answer.content_length())
}

/// Fails, before the body is read, when the file is longer than [`LONGEST`], or when this board has
/// too little free space or memory for the file. Does not fail for these reasons when `total` is
/// `None`, because then the server did not announce the length.
fn check_size(
    host: &Host,
    download: Download<'_>,
    part: &PartialFile,
    total: Option<u64>,
) -> Result<(), AttemptError> {
    let Download {
        asset, url, folder, ..
    } = download;
    let Some(total) = total else { return Ok(()) };
    if total > LONGEST {
        return Err(too_long(asset, url).into());
    }
    let need = asset.need(total, part.len());
    match machine::no_room(host, folder, need).map_err(AttemptError::Local)? {
        // Only this mirror is skipped, because the length that it announced may be wrong. When
        // every mirror announces a length for which there is too little space, the download fails
        // with this message, which names the remedy.
        Some(why) => Err(Failure::permanent(anyhow!("{url}: {why}")).into()),
        None => Ok(()),
    }
}

fn too_long(asset: Asset, url: &Url) -> Failure {
    let (limit, what) = (LONGEST >> 20, asset.shown());
    Failure::permanent(anyhow!(
        "{url}: the file is longer than {limit} MiB, so it cannot be {what}"
    ))
}
