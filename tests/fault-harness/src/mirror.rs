//! A mirror that follows a script, on real sockets with real TLS. It records all requests and
//! counts the bytes of all bodies.

use crate::pki::{Cert, Pki};
use crate::respond::respond;
use crate::script::{Handshake, Response, Script, good};
use crate::stream::Stream;
use muster::k3s::release::Arch;
use rustls::{ServerConnection, StreamOwned};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// What a request asks for, by the last part of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Sums,
    Binary,
    Cacerts,
    Unknown,
}

/// The requests for one resource.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// The `Range` header of each request, empty where there was none.
    pub ranges: Vec<String>,
    /// Bytes of all bodies that were sent with status 200 or 206.
    pub sent: u64,
}

/// A running mirror. It stops when it is dropped.
pub struct Mirror {
    pub port: u16,
    address: SocketAddr,
    shared: Arc<Shared>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

/// What the threads of a mirror share.
pub struct Shared {
    pub pki: Arc<Pki>,
    handshakes: Mutex<VecDeque<Handshake>>,
    resources: [Mutex<(VecDeque<Response>, Requests)>; 4],
    repeat_last: bool,
    plain: bool,
    stopping: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

/// The parts of a request that a mirror reads.
pub struct Request {
    pub target: String,
    pub host: String,
    /// The first byte of the range that is asked for.
    pub offset: Option<u64>,
    pub if_range: Option<String>,
    raw_range: String,
}

impl Mirror {
    /// Starts on `address`; port 0 is any free port.
    pub fn start(address: &str, script: Script, pki: &Arc<Pki>) -> Mirror {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let resource =
            |responses: Vec<Response>| Mutex::new((responses.into(), Requests::default()));
        let shared = Arc::new(Shared {
            pki: pki.clone(),
            handshakes: Mutex::new(script.handshakes.into()),
            resources: [script.sums, script.binary, script.cacerts, Vec::new()].map(resource),
            repeat_last: script.repeat_last,
            plain: script.plain,
            stopping: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let thread = shared.clone();
        let listener = thread::spawn(move || {
            let shared = thread;
            for stream in listener.incoming() {
                if shared.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let shared = shared.clone();
                // An error here means that the client closed the connection.
                thread::spawn(move || stream.and_then(|stream| shared.connection(stream)).ok());
            }
        });
        Mirror {
            port: address.port(),
            address,
            shared,
            listener: Mutex::new(Some(listener)),
        }
    }

    /// Closes the port and all connections.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let Some(listener) = self.listener.lock().unwrap().take() else {
            return;
        };
        // One more connection wakes the listener.
        TcpStream::connect(self.address).unwrap();
        listener.join().unwrap();
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            // Most clients have closed their connections already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn url(&self) -> String {
        let scheme = if self.shared.plain { "http" } else { "https" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Returns the requests so far for one resource.
    pub fn requests(&self, resource: Resource) -> Requests {
        let resource = &self.shared.resources[resource as usize];
        resource.lock().unwrap().1.clone()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn next<T: Clone>(&self, script: &mut VecDeque<T>) -> Option<T> {
        if self.repeat_last && script.len() == 1 {
            script.front().cloned()
        } else {
            script.pop_front()
        }
    }

    /// Serves one connection until it ends.
    fn connection(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let handshake = self
            .next(&mut self.handshakes.lock().unwrap())
            .unwrap_or(Handshake::With(Cert::Valid));
        if !matches!(handshake, Handshake::Reset) {
            self.streams.lock().unwrap().push(stream.try_clone()?);
        }
        let config = match handshake {
            Handshake::With(cert) => self.pki.config(cert),
            // Linux resets a connection that is closed with unread bytes in its buffer (tcp_close).
            Handshake::Reset => return stream.peek(&mut [0]).map(|_| ()),
            Handshake::Silent => return wait_for_end(&mut stream),
        };
        let mut tls = match self.plain {
            true => Stream::Plain(stream),
            false => {
                let tls = ServerConnection::new(config).map_err(io::Error::other)?;
                Stream::Tls(Box::new(StreamOwned::new(tls, stream)))
            }
        };
        while let Some(request) = read_request(&mut tls)? {
            let resource = resource(&request.target);
            let mut guard = self.resources[resource as usize].lock().unwrap();
            guard.1.ranges.push(request.raw_range.clone());
            let response = self.next(&mut guard.0).unwrap_or_else(good);
            drop(guard);
            if !respond(self, &mut tls, resource, &request, &response)? {
                return tls.tcp().shutdown(Shutdown::Both);
            }
        }
        Ok(())
    }

    /// Counts bytes of a body that were sent.
    pub fn count(&self, resource: Resource, bytes: usize) {
        self.resources[resource as usize].lock().unwrap().1.sent += bytes as u64;
    }
}

fn resource(target: &str) -> Resource {
    match target.rsplit('/').next().unwrap_or_default() {
        name if name == Arch::own().sums() => Resource::Sums,
        name if name == Arch::own().asset() => Resource::Binary,
        "cacerts" => Resource::Cacerts,
        _ => Resource::Unknown,
    }
}

/// Reads the next request of a connection; `None` at its end.
fn read_request(tls: &mut Stream) -> io::Result<Option<Request>> {
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
    let offset = raw_range
        .strip_prefix("bytes=")
        .and_then(|range| range.strip_suffix('-')?.parse().ok());
    let target = head.split(' ').nth(1).unwrap_or_default().to_string();
    Ok(Some(Request {
        target,
        host: header("host").unwrap_or_default(),
        offset,
        if_range: header("if-range"),
        raw_range,
    }))
}

/// Waits until the client closes the connection.
pub fn wait_for_end(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}
