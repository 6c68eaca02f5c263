//! One attempt to bring an object whole: resumed where that is safe, bounded, hashed as it passes.

use crate::host::Host;
use crate::http::{Client, Failure, Pace, Request, Response};
use crate::machine::{self, megabytes};
use crate::part::Part;
use anyhow::anyhow;
use log::info;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{StatusCode, Url};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Instant;

/// No object is longer than this (bytes): where it goes is memory.
pub const LONGEST: u64 = 256 << 20;
const BUFFER: usize = 64 * 1024;
/// The longest validator that is noted (bytes): a note too long to be read again would cost the part.
const VALIDATOR_MAX: usize = 1024;

/// Why an attempt did not bring the object.
#[derive(Debug)]
pub enum Trouble {
    /// The mirror, or the way to it.
    Mirror(Failure),
    /// All bytes came, and they are others. `resumed`: some of them came in an earlier attempt.
    WrongDigest { resumed: bool },
    /// This board: no mirror can help.
    Local(anyhow::Error),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Mirror(failure)
    }
}

/// What an attempt may do with bytes that it cannot go on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// They stay: another mirror goes on from them.
    Needed,
    /// They may go: from the beginning is the only way left.
    Spare,
}

/// Where an attempt is made, and how.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub client: &'a Client,
    pub url: &'a Url,
    pub pace: Pace,
    pub kept: Kept,
}

/// Brings what is missing of `part` from a mirror. On success the part is whole and its digest is right.
pub fn attempt(
    host: &Host,
    source: Source<'_>,
    part: &mut Part,
    folder: &Path,
) -> Result<(), Trouble> {
    let Source {
        client,
        url,
        pace,
        kept,
    } = source;
    let keeps = kept == Kept::Needed && !part.is_empty();
    if !part.is_empty() && part.is_whole() {
        return Ok(());
    }
    let mut resumed = false;
    let mut answer = ask(client, url, part)?;
    let total = match place(&answer, part)? {
        Place::Append { total } => {
            resumed = true;
            total
        }
        Place::Whole | Place::Elsewhere if keeps => {
            return Err(Failure::transient(anyhow!("{url}: sends from the beginning only")).into());
        }
        Place::Whole => begin(&answer, url, part)?,
        Place::Elsewhere => {
            // Not what was asked for: from zero, and without asking for a range.
            part.restart(url.as_str(), None).map_err(Trouble::Local)?;
            answer = ask(client, url, part)?;
            place(&answer, part)?;
            begin(&answer, url, part)?
        }
    };
    check_size(host, url, part, total, folder)?;
    let result = receive(host, url, &mut answer, part, pace);
    // A server that announced more than there is breaks off when all is there.
    if part.is_whole() {
        return Ok(());
    }
    result?;
    match total.filter(|total| resumed && part.len() < *total) {
        // A server may answer with less than was asked for (RFC 9110, 15.3.7).
        Some(_) => {
            Err(Failure::transient(anyhow!("{url}: a piece of what was asked for came")).into())
        }
        None => Err(Trouble::WrongDigest { resumed }),
    }
}

/// Asks for the object, or for the rest of it.
fn ask(client: &Client, url: &Url, part: &Part) -> Result<Response, Failure> {
    let mut request = Request::get(client, url);
    if !part.is_empty() {
        request = request.header(RANGE.as_str(), &format!("bytes={}-", part.len()));
        // The digest decides in the end; a validator spares the bytes of an object that has changed.
        if let Some(validator) = part
            .origin()
            .validator
            .as_ref()
            .filter(|_| part.origin().url == url.as_str())
        {
            request = request.header(IF_RANGE.as_str(), validator);
        }
    }
    let answer = request.answer()?;
    let encoding = header(answer.headers(), &CONTENT_ENCODING).unwrap_or("identity");
    if encoding != "identity" {
        let encoding = encoding.get(..20).unwrap_or(encoding);
        return Err(Failure::permanent(anyhow!(
            "{url}: the answer is encoded ({encoding})"
        )));
    }
    Ok(answer)
}

/// Where the body of an answer belongs.
enum Place {
    /// Behind what is there; `total` is the length of the whole, when the server says it.
    Append { total: Option<u64> },
    /// It is the object from its beginning.
    Whole,
    /// It fits nowhere.
    Elsewhere,
}

fn place(answer: &Response, part: &Part) -> Result<Place, Failure> {
    let range = header(answer.headers(), &CONTENT_RANGE).and_then(content_range);
    match (answer.status(), range) {
        // An empty part needs a note of what will be in it, even where nobody asked for a range.
        (StatusCode::PARTIAL_CONTENT, Some(range)) if range.start == part.len() => {
            match part.is_empty() {
                true => Ok(Place::Whole),
                false => Ok(Place::Append { total: range.total }),
            }
        }
        (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE, _)
            if !part.is_empty() =>
        {
            Ok(Place::Elsewhere)
        }
        (status, _) if status == StatusCode::OK => Ok(Place::Whole),
        _ => Err(Failure::of_status(answer)),
    }
}

/// Begins the object anew with this answer; its length, when the server says it.
fn begin(answer: &Response, url: &Url, part: &mut Part) -> Result<Option<u64>, Trouble> {
    // A weak ETag says nothing about bytes (RFC 9110, 13.1.5).
    let etag = header(answer.headers(), &ETAG).filter(|etag| !etag.starts_with("W/"));
    let validator = etag
        .or(header(answer.headers(), &LAST_MODIFIED))
        .filter(|text| text.len() <= VALIDATOR_MAX);
    let validator = validator.map(String::from);
    part.restart(url.as_str(), validator)
        .map_err(Trouble::Local)?;
    Ok(answer.content_length())
}

/// Refuses an object that is too long for any board, or for this one, before its bytes are asked for.
fn check_size(
    host: &Host,
    url: &Url,
    part: &Part,
    total: Option<u64>,
    folder: &Path,
) -> Result<(), Trouble> {
    let Some(total) = total else { return Ok(()) };
    if total > LONGEST {
        return Err(too_long(url).into());
    }
    let needed = total.saturating_sub(part.len());
    match machine::no_room(host, folder, needed).map_err(Trouble::Local)? {
        // So long by this mirror's word. When all of them say so it is the board's end, and the text has the remedy.
        Some(why) => Err(Failure::permanent(anyhow!("{url}: {why}")).into()),
        None => Ok(()),
    }
}

fn too_long(url: &Url) -> Failure {
    Failure::permanent(anyhow!(
        "{url}: longer than {} MiB, so it is no k3s",
        LONGEST >> 20
    ))
}

/// Reads the body to its end into the part.
fn receive(
    host: &Host,
    url: &Url,
    answer: &mut Response,
    part: &mut Part,
    pace: Pace,
) -> Result<(), Trouble> {
    let mut buffer = vec![0; BUFFER];
    let begun_at = part.len();
    let mut window = (Instant::now(), begun_at);
    loop {
        let n = match answer.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) => return Err(Failure::of_connection(url, &error).into()),
        };
        // Said when something comes: attempts that bring nothing are the caller's one line.
        if part.len() == begun_at {
            match begun_at {
                0 => info!(target: host.step(), "downloading {url}"),
                _ => info!(target: host.step(), "resuming {url} at {} MB", megabytes(begun_at)),
            }
        }
        if part.len() + n as u64 > LONGEST {
            // None of it can be the beginning of a k3s, and it takes a board's memory.
            part.restart("", None).map_err(Trouble::Local)?;
            return Err(too_long(url).into());
        }
        if let Err(error) = part.write(&buffer[..n]) {
            let full = error.kind() == ErrorKind::StorageFull;
            let error = anyhow!(
                "cannot write the download after {} MB: {error}",
                megabytes(part.len())
            );
            if !full {
                return Err(Trouble::Local(error));
            }
            // A mirror that does not say how much comes may be sending more than a k3s.
            part.restart("", None).map_err(Trouble::Local)?;
            return Err(Failure::permanent(error.context(url.to_string())).into());
        }
        let elapsed = window.0.elapsed();
        if elapsed >= pace.window {
            let came = part.len() - window.1;
            if came < pace.bytes {
                let Pace { bytes, window } = pace;
                return Err(Failure::transient(anyhow!(
                    "{url}: less than {bytes} bytes in {window:?}: too slow"
                ))
                .into());
            }
            window = (Instant::now(), part.len());
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A `Content-Range` of bytes (RFC 9110, 14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    pub start: u64,
    /// Of the whole object; `None` where the server does not know.
    pub total: Option<u64>,
}

/// Reads `bytes <start>-<end>/<total>`; `None` for everything else, ranges that contradict themselves among it.
pub fn content_range(text: &str) -> Option<ContentRange> {
    let number = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse::<u64>().ok())?
    };
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end) = (number(start)?, number(end)?);
    let total = if total == "*" {
        None
    } else {
        Some(number(total)?)
    };
    (start <= end && total.is_none_or(|total| end < total)).then_some(ContentRange { start, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        assert_eq!(
            content_range("bytes 5-9/10"),
            Some(ContentRange {
                start: 5,
                total: Some(10)
            })
        );
        assert_eq!(
            content_range("bytes 5-9/*"),
            Some(ContentRange {
                start: 5,
                total: None
            })
        );
        let bad = [
            "",
            "bytes */10",
            "bytes 9-5/10",
            "bytes 5-10/10",
            "bytes -5/10",
            "bytes +5-9/10",
            "items 5-9/10",
            "bytes 5-9",
        ];
        for text in bad {
            assert_eq!(content_range(text), None, "{text}");
        }
    }
}
