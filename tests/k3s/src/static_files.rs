//! Serves `/static/`, the files under `<data-dir>/server/static`, without authentication. As in
//! Go's file server, there are single ranges, `If-Range`, `If-Modified-Since` and `Last-Modified`.
//! There is an `ETag` only with `STANDIN_ETAG`.

use crate::http::{Body, Request, Response};
use anyhow::Result;
use std::fs::{File, Metadata};
use std::path::Path;
use std::time::UNIX_EPOCH;

pub fn answer(folder: &Path, name: &str, request: &Request) -> Result<Response> {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Ok(Response::text(405, "method not allowed\n"));
    }
    let not_found = || Response::text(404, "404 page not found\n");
    if name.split('/').any(|part| part == "..") {
        return Ok(not_found());
    }
    let Ok(file) = File::open(folder.join(name.trim_start_matches('/'))) else {
        return Ok(not_found());
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(not_found());
    }
    let size = metadata.len();
    let modified = httpdate::fmt_http_date(metadata.modified()?);
    let etag = crate::env_var("STANDIN_ETAG").map(|_| etag(&metadata));
    let mut headers = vec![
        ("Accept-Ranges", "bytes".to_owned()),
        ("Content-Type", "application/octet-stream".into()),
        ("Last-Modified", modified.clone()),
    ];
    headers.extend(etag.clone().map(|etag| ("ETag", etag)));
    if request.headers.get("If-Modified-Since") == Some(&modified) {
        return Ok(Response {
            status: 304,
            headers,
            body: Body::Bytes(Vec::new()),
        });
    }
    let unchanged = request
        .headers
        .get("If-Range")
        .is_none_or(|known| known == modified || Some(known) == etag.as_deref());
    let (status, start, length) = match request
        .headers
        .get("Range")
        .filter(|_| unchanged)
        .map(|range| parse_range(range, size))
    {
        None | Some(Range::Ignored) => (200, 0, size),
        Some(Range::Bytes(start, end)) => (206, start, end - start),
        Some(Range::Beyond) => {
            headers.push(("Content-Range", format!("bytes */{size}")));
            return Ok(Response {
                status: 416,
                headers,
                body: Body::Bytes(Vec::new()),
            });
        }
    };
    if status == 206 {
        headers.push((
            "Content-Range",
            format!("bytes {start}-{}/{size}", start + length - 1),
        ));
    }
    Ok(Response {
        status,
        headers,
        body: Body::Part {
            file,
            start,
            length,
        },
    })
}

fn etag(metadata: &Metadata) -> String {
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .unwrap_or_default();
    format!("\"{:x}-{:x}\"", modified.as_nanos(), metadata.len())
}

#[derive(Debug, PartialEq)]
enum Range {
    /// From the first offset up to the second, which is not included.
    Bytes(u64, u64),
    /// The range starts after the end of the file.
    Beyond,
    /// It is not a range of bytes, or there are several: the whole file is a valid answer.
    Ignored,
}

fn parse_range(text: &str, size: u64) -> Range {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Range::Ignored;
    };
    let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, size.min(last.saturating_add(1))),
        (Ok(first), Err(_)) if last.is_empty() => (first, size),
        (Err(_), Ok(count)) if first.is_empty() => (size.saturating_sub(count), size),
        _ => return Range::Ignored,
    };
    if start >= end {
        Range::Beyond
    } else {
        Range::Bytes(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_ranges() {
        let cases = [
            ("bytes=0-", Range::Bytes(0, 10)),
            ("bytes=3-5", Range::Bytes(3, 6)),
            ("bytes=3-99", Range::Bytes(3, 10)),
            ("bytes=-4", Range::Bytes(6, 10)),
            ("bytes=10-", Range::Beyond),
            ("bytes=-0", Range::Beyond),
            ("bytes=0-1,3-4", Range::Ignored),
            ("lines=1-2", Range::Ignored),
            ("bytes=5-3", Range::Ignored),
            ("bytes=-", Range::Ignored),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
    }
}
