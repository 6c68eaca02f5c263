//! Opens connections: finds the addresses of a host, tries each, and opens a tunnel where there is a
//! proxy.

use super::connection::{Connection, Deadline, Link};
use super::head::{Head, Status};
use super::proxy::Proxy;
use super::tls::Tls;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

/// The longest answer of a proxy to `CONNECT` (bytes).
const PROXY_ANSWER_MAX: usize = 16 * 1024;

/// Opens a connection to the host of `url`, through `proxy` where it is for this URL. The addresses
/// of the host are looked up first; the system's resolver has a timeout of its own.
pub(super) fn connect(
    url: &Url,
    tls: &Arc<ClientConfig>,
    proxy: Option<&Proxy>,
    timeout: Duration,
) -> io::Result<Connection> {
    let proxy = proxy.filter(|proxy| proxy.is_for(url));
    let addresses = addresses(proxy.map_or(url, |proxy| &proxy.url))?;
    let deadline = Deadline::to_connect(timeout);
    let mut link = Link::Tcp(open(&addresses, deadline)?);
    if let Some(proxy) = proxy {
        let mut connection = secured(link, &proxy.url, tls, deadline)?;
        open_tunnel(&mut connection, proxy, url, deadline)?;
        link = Link::Tunnel(Box::new(connection));
    }
    secured(link, url, tls, deadline)
}

/// Adds TLS where the URL has it.
fn secured(
    mut link: Link,
    url: &Url,
    config: &Arc<ClientConfig>,
    deadline: Deadline,
) -> io::Result<Connection> {
    if url.scheme() != "https" {
        return Ok(Connection::new(link, None));
    }
    let name = match url.host() {
        Some(Host::Domain(name)) => ServerName::try_from(name.to_string()).ok(),
        Some(Host::Ipv4(address)) => Some(ServerName::IpAddress(address.into())),
        Some(Host::Ipv6(address)) => Some(ServerName::IpAddress(address.into())),
        None => None,
    };
    let name = name.ok_or_else(|| io::Error::other("no certificate can have this host name"))?;
    let tls = Tls::connect(&mut link, config.clone(), name, deadline)?;
    Ok(Connection::new(link, Some(tls)))
}

fn addresses(url: &Url) -> io::Result<Vec<SocketAddr>> {
    let port = url.port_or_known_default().unwrap_or_default();
    Ok(match url.host() {
        Some(Host::Domain(name)) => (name, port).to_socket_addrs()?.collect(),
        Some(Host::Ipv4(address)) => vec![(address, port).into()],
        Some(Host::Ipv6(address)) => vec![(address, port).into()],
        None => Vec::new(),
    })
}

/// Tries the addresses in turn. An address gets an equal part of the time that is left, so that one
/// that does not answer leaves time for the others.
fn open(addresses: &[SocketAddr], deadline: Deadline) -> io::Result<TcpStream> {
    let mut result = Err(io::Error::other("the host name has no address"));
    for (i, address) in addresses.iter().enumerate() {
        let parts = (addresses.len() - i) as u32;
        match TcpStream::connect_timeout(address, deadline.left()? / parts) {
            Ok(tcp) => {
                tcp.set_nodelay(true)?;
                return Ok(tcp);
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => result = Err(deadline.passed()),
            Err(error) => result = Err(error),
        }
    }
    result
}

/// Has the proxy connect to the host of `url`.
fn open_tunnel(
    connection: &mut Connection,
    proxy: &Proxy,
    url: &Url,
    deadline: Deadline,
) -> io::Result<()> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if let Some(value) = proxy.authorization() {
        request += &format!("Proxy-Authorization: {value}\r\n");
    }
    request += "\r\n";
    connection.send(request.as_bytes(), deadline)?;
    loop {
        if let Some((head, len)) = Head::parse(connection.ahead())? {
            connection.consume(len);
            return match head.status {
                status if status.is_success() => Ok(()),
                Status(407) => Err(io::Error::other("the proxy wants another user or password")),
                status => Err(io::Error::other(format!("the proxy answers {status}"))),
            };
        }
        if connection.ahead().len() > PROXY_ANSWER_MAX {
            return Err(io::Error::other("the proxy's answer is too long"));
        }
        connection.look_ahead(deadline)?;
    }
}
