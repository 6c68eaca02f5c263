//! One attempt to download an object: resumed where that is safe, bounded, and hashed as the bytes
//! arrive.
//!
//! [`rounds`] goes through the mirrors until an attempt succeeds, [`mirror`] is one mirror, and
//! [`part`] is the partial file. [`target`] holds the files beside the installed one.

mod append;
pub mod mirror;
pub mod origin;
pub mod part;
mod receive;
pub mod rounds;
pub mod target;

use crate::host::Host;
use crate::host::machine;
use crate::http::headers::content_range;
use crate::http::{Client, Failure, MinimumRate, Request, Response, Status};
use anyhow::anyhow;
use part::PartialFile;
use std::path::Path;
use url::Url;

/// The longest object that is downloaded (bytes). The limit exists because the target is memory.
pub const LONGEST: u64 = 256 << 20;
/// The longest validator that is kept (bytes). A longer one would make the note beside the partial
/// file too long to be read again.
const VALIDATOR_MAX: usize = 1024;

/// Why an attempt did not complete the partial file.
#[derive(Debug)]
pub enum AttemptError {
    /// The mirror or the network failed. Another mirror may do better.
    Mirror(Failure),
    /// All bytes came, but their digest is not the expected one. `resumed` tells whether some of
    /// them came in an earlier attempt.
    DigestMismatch { resumed: bool },
    /// This board failed, so no other mirror can help.
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
    /// It keeps the partial file and fails, because another mirror is resuming it.
    TryNext,
    /// It throws the partial file away and downloads from the start.
    Restart,
}

/// What is downloaded in an attempt, and under which terms.
#[derive(Clone, Copy)]
pub struct Download<'a> {
    /// The client that reaches this mirror.
    pub client: &'a Client,
    /// The URL of the object.
    pub url: &'a Url,
    /// The rate below which the attempt is given up.
    pub minimum_rate: MinimumRate,
    pub on_no_range: OnNoRange,
}

/// Downloads what the partial file lacks. On success the file is complete and its digest is right.
/// `folder` is where the file is, for the check of free space.
pub fn attempt(
    host: &Host,
    download: Download<'_>,
    part: &mut PartialFile,
    folder: &Path,
) -> Result<(), AttemptError> {
    let Download { client, url, .. } = download;
    let keep = download.on_no_range == OnNoRange::TryNext && !part.is_empty();
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
        BodyPosition::Start | BodyPosition::Mismatch if keep => {
            return Err(Failure::transient(anyhow!(
                "{url}: this mirror cannot resume a partial download"
            ))
            .into());
        }
        BodyPosition::Start => restart(&answer, url, part)?,
        BodyPosition::Mismatch => {
            // The server sent another range than the requested one: ask again without a range.
            part.restart(url.as_str(), None)
                .map_err(AttemptError::Local)?;
            answer = request(client, url, part)?;
            body_position(&answer, part)?;
            restart(&answer, url, part)?
        }
    };
    check_size(host, url, part, total, folder)?;
    let result = receive::receive(host, download, &mut answer, part);
    // A server that announced more bytes than it has closes the connection early. That is no
    // failure when all bytes came.
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

/// Requests the object, or the rest of it when the partial file has bytes.
fn request(client: &Client, url: &Url, part: &PartialFile) -> Result<Response, Failure> {
    let mut request = Request::get(client, url);
    if !part.is_empty() {
        request = request.header("Range", &format!("bytes={}-", part.len()));
        // The digest decides in the end. A validator saves the transfer of the rest of an object
        // that has changed; it is only valid at the URL that sent it.
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
    /// Behind the bytes that are in the file. `total` is the length of the whole object (bytes),
    /// when the server says it.
    Append { total: Option<u64> },
    /// At the start: it is the whole object.
    Start,
    /// It is not the range that was requested.
    Mismatch,
}

fn body_position(answer: &Response, part: &PartialFile) -> Result<BodyPosition, Failure> {
    let range = answer.header("content-range").and_then(content_range);
    match (answer.status(), range) {
        // An empty partial file needs a new note about its origin, so it is restarted also where
        // the server sent a range that nobody requested.
        (Status(206), Some(range)) if range.start == part.len() => match part.is_empty() {
            true => Ok(BodyPosition::Start),
            false => Ok(BodyPosition::Append { total: range.total }),
        },
        (Status(206 | 416), _) if !part.is_empty() => Ok(BodyPosition::Mismatch),
        (Status(200), _) => Ok(BodyPosition::Start),
        _ => Err(Failure::of_status(answer)),
    }
}

/// Empties the partial file for this answer. Returns the length that the server announces (bytes).
fn restart(
    answer: &Response,
    url: &Url,
    part: &mut PartialFile,
) -> Result<Option<u64>, AttemptError> {
    // A weak ETag does not say that the bytes are the same (RFC 9110, 13.1.5).
    let etag = answer.header("etag").filter(|etag| !etag.starts_with("W/"));
    let validator = etag
        .or(answer.header("last-modified"))
        .filter(|text| text.len() <= VALIDATOR_MAX)
        .map(String::from);
    part.restart(url.as_str(), validator)
        .map_err(AttemptError::Local)?;
    Ok(answer.content_length())
}

/// Refuses an object that is too long for every board, or for this one, before its bytes come.
fn check_size(
    host: &Host,
    url: &Url,
    part: &PartialFile,
    total: Option<u64>,
    folder: &Path,
) -> Result<(), AttemptError> {
    let Some(total) = total else { return Ok(()) };
    if total > LONGEST {
        return Err(too_long(url).into());
    }
    let needed = total.saturating_sub(part.len());
    match machine::no_room(host, folder, needed).map_err(AttemptError::Local)? {
        // The length is this mirror's claim, so only this mirror fails. When all mirrors claim
        // it, the boot fails with this message, which has the remedy.
        Some(why) => Err(Failure::permanent(anyhow!("{url}: {why}")).into()),
        None => Ok(()),
    }
}

fn too_long(url: &Url) -> Failure {
    let limit = LONGEST >> 20;
    Failure::permanent(anyhow!(
        "{url}: longer than {limit} MiB, so it cannot be k3s"
    ))
}
