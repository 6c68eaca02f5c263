//! Sends one response of a mirror's script.

use crate::mirror::{Request, Resource, Shared, wait_for_end};
use crate::script::{
    Body, End, Head, Length, RIGHT, Ranges, Response, WRONG, status as status_only, sums_text,
};
use crate::stream::Stream;
use muster::k3s::release::Arch;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// Sends a response. Returns whether the connection can serve another request.
pub fn respond(
    mirror: &Shared,
    tls: &mut Stream,
    resource: Resource,
    request: &Request,
    response: &Response,
) -> io::Result<bool> {
    let object: Vec<u8> = match (&response.body, resource) {
        (Body::Text(text), _) => text.clone().into_bytes(),
        (Body::Wrong, _) => WRONG.clone(),
        (Body::Right, Resource::Sums) => sums_text().into_bytes(),
        (Body::Right, Resource::Binary) => RIGHT.clone(),
        (Body::Right, Resource::Cacerts) => mirror.pki.ca.clone().into_bytes(),
        (Body::Right, Resource::Unknown) => {
            // A signed URL is where the rows about redirects send the client.
            let signed = request.target.contains("sig=");
            let response = status_only(if signed { 503 } else { 404 });
            return respond(mirror, tls, resource, request, &response);
        }
    };
    let (status, body, content_range) = select_range(&object, request, response);
    let head = head(
        status,
        body.len(),
        content_range.as_deref(),
        request,
        response,
    );
    if !send_head(tls, &head, response.head)? {
        return Ok(false);
    }
    let chunked = matches!(response.length, Length::Chunked);
    let mut send = |bytes: &[u8]| -> io::Result<()> {
        for piece in bytes.chunks(16 * 1024) {
            if chunked {
                write!(tls, "{:x}\r\n", piece.len())?;
            }
            tls.write_all(piece)?;
            if chunked {
                tls.write_all(b"\r\n")?;
            }
            tls.flush()?;
            if matches!(status, 200 | 206) {
                mirror.count(resource, piece.len());
            }
        }
        Ok(())
    };
    let first = |n: u64| &body[..body.len().min(n as usize)];
    match response.end {
        End::Complete => send(body)?,
        End::Paced => {
            for piece in body.chunks(8 * 1024) {
                send(piece)?;
                thread::sleep(Duration::from_millis(10));
            }
        }
        End::Endless => loop {
            send(body)?;
        },
        End::Cut(n) => send(first(n))?,
        End::TlsClosed(n) => {
            send(first(n))?;
            tls.send_close_notify();
        }
        End::Stall(n) => {
            send(first(n))?;
            tls.flush()?;
            wait_for_end(tls.tcp())?;
        }
        End::Trickle(n, pace) => {
            send(first(n))?;
            for piece in body[first(n).len()..].chunks(pace as usize) {
                thread::sleep(Duration::from_millis(100));
                send(piece)?;
            }
        }
        End::Drip(n) => {
            send(first(n))?;
            for byte in &body[first(n).len()..] {
                thread::sleep(Duration::from_secs(1));
                send(&[*byte])?;
            }
        }
    }
    if chunked && matches!(response.end, End::Complete) {
        tls.write_all(b"0\r\n\r\n")?;
    }
    tls.flush()?;
    Ok(matches!(
        (response.end, response.length),
        (End::Complete, Length::Right | Length::Chunked)
    ))
}

/// Writes status line and headers, without the empty line at the end.
fn head(
    status: u16,
    length: usize,
    content_range: Option<&str>,
    request: &Request,
    response: &Response,
) -> String {
    let mut head = format!("HTTP/1.1 {status} Whatever\r\n");
    let headers = response.headers.iter();
    for (name, value) in headers
        .map(|(name, value)| (*name, value.as_str()))
        .chain(response.validators.iter().copied())
    {
        let here = format!("{}{}", request.host, request.target);
        let value = value
            .replace("{here}", &format!("https://{here}"))
            .replace("{plain}", &format!("http://{here}"))
            .replace("{asset}", Arch::own().asset());
        head += &format!("{name}: {value}\r\n");
    }
    if let Some(range) = content_range {
        head += &format!("Content-Range: {range}\r\n");
    }
    head += &match response.length {
        Length::Right => format!("Content-Length: {length}\r\n"),
        Length::WrongBy(by) => format!("Content-Length: {}\r\n", length as i64 + by),
        Length::Claims(length) => format!("Content-Length: {length}\r\n"),
        Length::Chunked => "Transfer-Encoding: chunked\r\n".into(),
    };
    head
}

/// Sends the head in the given way. Returns whether a body may follow.
fn send_head(tls: &mut Stream, head: &str, way: Head) -> io::Result<bool> {
    match way {
        Head::Normal => tls.write_all(format!("{head}\r\n").as_bytes())?,
        Head::Slow => {
            tls.write_all(format!("{head}X-Slow: ").as_bytes())?;
            loop {
                tls.write_all(b"x")?;
                tls.flush()?;
                thread::sleep(Duration::from_millis(300));
            }
        }
        Head::Endless => {
            tls.write_all(format!("{head}X-Endless: ").as_bytes())?;
            loop {
                tls.write_all(&[b'x'; 8192])?;
            }
        }
        Head::EndlessHints => loop {
            tls.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")?;
        },
        Head::NotHttp => {
            tls.write_all(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")?;
            tls.flush()?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// Selects the part of an object that a response sends: status, bytes and `Content-Range`.
fn select_range<'a>(
    object: &'a [u8],
    request: &Request,
    response: &Response,
) -> (u16, &'a [u8], Option<String>) {
    let len = object.len() as u64;
    let unchanged = request
        .if_range
        .as_ref()
        .is_none_or(|wanted| response.validators.iter().any(|(_, value)| value == wanted));
    let requested = request.offset.filter(|_| response.status == 200);
    let (start, end) = match (requested, response.ranges) {
        (Some(_), Ranges::Refused) => return (416, b"no", Some(format!("bytes */{len}"))),
        (Some(start), Ranges::WrongOffset(by)) => ((start + by).min(len - 1), len),
        (Some(start), Ranges::Short(n)) => (start, len.min(start + n)),
        (Some(start), Ranges::IfRangeIgnored | Ranges::Always) => (start, len),
        (Some(start), Ranges::Honoured) if unchanged => (start, len),
        (None, Ranges::Always) => (0, len),
        _ => return (response.status, object, None),
    };
    if start >= len {
        return (416, b"no", Some(format!("bytes */{len}")));
    }
    (
        206,
        &object[start as usize..end as usize],
        Some(format!("bytes {start}-{}/{len}", end - 1)),
    )
}
