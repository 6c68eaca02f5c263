//! A mirror that misbehaves by a script: real sockets, real TLS, and every byte of a body counted.

use crate::pki::{Cert, Pki};
use crate::script::{
    Act, Body, End, Head, Hello, Length, RIGHT, Ranges, Script, WRONG, good, sums_text,
};
use muster::k3s::release::Arch;
use rustls::{ServerConnection, StreamOwned};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

type Tls = StreamOwned<ServerConnection, TcpStream>;

/// What is asked for, by the end of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    Sums,
    Binary,
    Cacerts,
    Unknown,
}

/// What one path was asked, and gave.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The `Range` of each request, empty where there was none.
    pub ranges: Vec<String>,
    /// Bytes of bodies that were sent, over all requests that were answered with 200 or 206.
    pub sent: u64,
}

pub struct Server {
    pub port: u16,
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    pki: Arc<Pki>,
    hellos: Mutex<VecDeque<Hello>>,
    paths: [Mutex<(VecDeque<Act>, Seen)>; 4],
    always: bool,
    stop: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

/// A request's head, as far as it matters here.
struct Request {
    target: String,
    host: String,
    range: Option<u64>,
    if_range: Option<String>,
    raw_range: String,
}

impl Server {
    /// Starts on `address` (port 0: any).
    pub fn start(address: &str, script: Script, pki: &Arc<Pki>) -> Server {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let path = |acts: Vec<Act>| Mutex::new((acts.into(), Seen::default()));
        let shared = Arc::new(Shared {
            pki: pki.clone(),
            hellos: Mutex::new(script.hellos.into()),
            paths: [script.sums, script.binary, script.cacerts, Vec::new()].map(path),
            always: script.always,
            stop: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let thread = shared.clone();
        let listener = thread::spawn(move || {
            let shared = thread;
            for stream in listener.incoming() {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                let shared = shared.clone();
                // A client that hangs up is no failure of the server's.
                thread::spawn(move || stream.and_then(|stream| shared.connection(stream)).ok());
            }
        });
        Server {
            port: address.port(),
            address,
            shared,
            listener: Mutex::new(Some(listener)),
        }
    }

    /// Goes away, connections and all.
    pub fn vanish(&self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let Some(listener) = self.listener.lock().unwrap().take() else {
            return;
        };
        // A last connection, for the listener to see it.
        TcpStream::connect(self.address).unwrap();
        listener.join().unwrap();
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            // Many have gone by themselves.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub fn seen(&self, path: Path) -> Seen {
        self.shared.paths[path as usize].lock().unwrap().1.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.vanish();
    }
}

impl Shared {
    fn next<T: Clone>(&self, acts: &mut VecDeque<T>) -> Option<T> {
        if self.always && acts.len() == 1 {
            acts.front().cloned()
        } else {
            acts.pop_front()
        }
    }

    fn connection(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let hello = self
            .next(&mut self.hellos.lock().unwrap())
            .unwrap_or(Hello::With(Cert::Good));
        if !matches!(hello, Hello::Reset) {
            self.streams.lock().unwrap().push(stream.try_clone()?);
        }
        let config = match hello {
            Hello::With(cert) => self.pki.config(cert),
            // A socket that is closed over bytes that nobody read is reset (Linux, tcp_close).
            Hello::Reset => return stream.peek(&mut [0]).map(|_| ()),
            Hello::Silent => return wait_for_end(&mut stream),
        };
        let mut tls = StreamOwned::new(
            ServerConnection::new(config).map_err(io::Error::other)?,
            stream,
        );
        while let Some(request) = read_request(&mut tls)? {
            let path = path(&request.target);
            let mut guard = self.paths[path as usize].lock().unwrap();
            guard.1.ranges.push(request.raw_range.clone());
            let act = self.next(&mut guard.0).unwrap_or_else(good);
            drop(guard);
            if !self.answer(&mut tls, path, &request, &act)? {
                return tls.sock.shutdown(Shutdown::Both);
            }
        }
        Ok(())
    }

    /// Answers; whether the connection can be used again.
    fn answer(&self, tls: &mut Tls, path: Path, request: &Request, act: &Act) -> io::Result<bool> {
        let whole: Vec<u8> = match (&act.body, path) {
            (Body::Text(text), _) => text.clone().into_bytes(),
            (Body::Wrong, _) => WRONG.clone(),
            (Body::Asked, Path::Sums) => sums_text().into_bytes(),
            (Body::Asked, Path::Binary) => RIGHT.clone(),
            (Body::Asked, Path::Cacerts) => self.pki.ca.clone().into_bytes(),
            (Body::Asked, Path::Unknown) => {
                let code = if request.target.contains("sig=") {
                    503
                } else {
                    404
                };
                return self.answer(tls, path, request, &crate::script::status(code));
            }
        };
        let (status, body, content_range) = ranged(&whole, request, act);
        let mut head = format!("HTTP/1.1 {status} Whatever\r\n");
        for (name, value) in act
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain(act.validators.iter().copied())
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
        let chunked = matches!(act.length, Length::Chunked);
        head += &match act.length {
            Length::True => format!("Content-Length: {}\r\n", body.len()),
            Length::Off(by) => format!("Content-Length: {}\r\n", body.len() as i64 + by),
            Length::Lie(length) => format!("Content-Length: {length}\r\n"),
            Length::Chunked => "Transfer-Encoding: chunked\r\n".into(),
        };
        match act.head {
            Head::Plain => tls.write_all(format!("{head}\r\n").as_bytes())?,
            Head::Slow => {
                tls.write_all(format!("{head}X-Slow: ").as_bytes())?;
                loop {
                    tls.write_all(b"x")?;
                    tls.flush()?;
                    thread::sleep(Duration::from_millis(300));
                }
            }
            Head::Bomb => {
                tls.write_all(format!("{head}X-Bomb: ").as_bytes())?;
                loop {
                    tls.write_all(&[b'x'; 8192])?;
                }
            }
            Head::Hints => loop {
                tls.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")?;
            },
            Head::Garbage => {
                tls.write_all(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")?;
                tls.flush()?;
                return Ok(false);
            }
        }
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
                    self.paths[path as usize].lock().unwrap().1.sent += piece.len() as u64;
                }
            }
            Ok(())
        };
        let upto = |n: u64| &body[..body.len().min(n as usize)];
        match act.end {
            End::Whole => send(body)?,
            End::Paced => {
                for piece in body.chunks(8 * 1024) {
                    send(piece)?;
                    thread::sleep(Duration::from_millis(10));
                }
            }
            End::Endless => loop {
                send(body)?;
            },
            End::Cut(n) => send(upto(n))?,
            End::Closed(n) => {
                send(upto(n))?;
                tls.conn.send_close_notify();
            }
            End::Stall(n) => {
                send(upto(n))?;
                tls.flush()?;
                wait_for_end(&mut tls.sock)?;
            }
            End::Drip(n) => {
                send(upto(n))?;
                for byte in &body[upto(n).len()..] {
                    thread::sleep(Duration::from_secs(1));
                    send(&[*byte])?;
                }
            }
        }
        if chunked && matches!(act.end, End::Whole) {
            tls.write_all(b"0\r\n\r\n")?;
        }
        tls.flush()?;
        Ok(matches!(
            (act.end, act.length),
            (End::Whole, Length::True | Length::Chunked)
        ))
    }
}

/// What of the object an answer brings: status, bytes, and their `Content-Range`.
fn ranged<'a>(whole: &'a [u8], request: &Request, act: &Act) -> (u16, &'a [u8], Option<String>) {
    let len = whole.len() as u64;
    let same = request
        .if_range
        .as_ref()
        .is_none_or(|wanted| act.validators.iter().any(|(_, value)| value == wanted));
    let asked = request.range.filter(|_| act.status == 200);
    let (start, end) = match (asked, act.ranges) {
        (Some(_), Ranges::Refused) => return (416, b"no", Some(format!("bytes */{len}"))),
        (Some(start), Ranges::Off(by)) => ((start + by).min(len - 1), len),
        (Some(start), Ranges::Short(n)) => (start, len.min(start + n)),
        (Some(start), Ranges::Blind | Ranges::Always) => (start, len),
        (Some(start), Ranges::Honoured) if same => (start, len),
        (None, Ranges::Always) => (0, len),
        _ => return (act.status, whole, None),
    };
    if start >= len {
        return (416, b"no", Some(format!("bytes */{len}")));
    }
    (
        206,
        &whole[start as usize..end as usize],
        Some(format!("bytes {start}-{}/{len}", end - 1)),
    )
}

fn path(target: &str) -> Path {
    match target.rsplit('/').next().unwrap_or_default() {
        name if name == Arch::own().sums() => Path::Sums,
        name if name == Arch::own().asset() => Path::Binary,
        "cacerts" => Path::Cacerts,
        _ => Path::Unknown,
    }
}

/// The next request of a connection; `None` at its end.
fn read_request(tls: &mut Tls) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if tls.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let header = |wanted: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.to_string())
    };
    let raw_range = header("range").unwrap_or_default();
    let range = raw_range
        .strip_prefix("bytes=")
        .and_then(|range| range.strip_suffix('-')?.parse().ok());
    let target = head.split(' ').nth(1).unwrap_or_default().to_string();
    Ok(Some(Request {
        target,
        host: header("host").unwrap_or_default(),
        range,
        if_range: header("if-range"),
        raw_range,
    }))
}

/// Waits until the client has hung up.
fn wait_for_end(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}
