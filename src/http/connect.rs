//! Opens connections: finds the addresses of a host, tries them in turn until one accepts, and
//! opens a tunnel if there is a proxy.

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

/// The longest time for the first attempt to connect to an address of a host, if the host has
/// another address to try.
const FIRST_TRY: Duration = Duration::from_secs(1);
/// The longest answer of a proxy to `CONNECT` (bytes).
const PROXY_ANSWER_MAX: usize = 16 * 1024;

/// Opens a connection to the host of `url`, through `proxy` if the proxy is for this URL. `timeout`
/// does not include the lookup of the host's addresses: the system's resolver has its own timeout.
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

/// Makes a connection over `link`, with TLS if the scheme of `url` is https.
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
    let why = "the host name in this URL is not a valid DNS name";
    let name = name.ok_or_else(|| io::Error::other(why))?;
    let tls = Tls::connect(&mut link, config.clone(), name, deadline)?;
    Ok(Connection::new(link, Some(tls)))
}

fn addresses(url: &Url) -> io::Result<Vec<SocketAddr>> {
    let port = url.port_or_known_default().unwrap_or_default();
    Ok(match url.host() {
        Some(Host::Domain(name)) => {
            let found = (name, port).to_socket_addrs();
            let found = found.map_err(|error| {
                // The name may be that of a proxy, which the message does not have elsewhere.
                let remedy =
                    "check that the DNS servers in /etc/resolv.conf answer, and know the name";
                io::Error::new(error.kind(), format!("{error}: {remedy} {name}"))
            });
            found?.collect()
        }
        Some(Host::Ipv4(address)) => vec![(address, port).into()],
        Some(Host::Ipv6(address)) => vec![(address, port).into()],
        None => Vec::new(),
    })
}

/// Connects to the first of the addresses that accepts. Each address is tried for [`FIRST_TRY`] at
/// most, if there is another address to try. When none of the addresses accepts, those that did not
/// answer in this time are tried a second time. So an address that cannot be reached (often the
/// IPv6 address) costs only one second.
fn open(addresses: &[SocketAddr], deadline: Deadline) -> io::Result<TcpStream> {
    // [`addresses`] returns at least one address or an error, so this error is never returned.
    let mut result = Err(ErrorKind::AddrNotAvailable.into());
    let mut silent = Vec::new();
    for (i, address) in addresses.iter().enumerate() {
        let last = i + 1 == addresses.len() && silent.is_empty();
        let limit = if last { Duration::MAX } else { FIRST_TRY };
        match try_address(*address, deadline.left()?.min(limit)) {
            Err(error) if error.kind() == ErrorKind::TimedOut => silent.push(*address),
            Err(error) => result = Err(error),
            connected => return connected,
        }
    }
    for (i, address) in silent.iter().enumerate() {
        let parts = (silent.len() - i) as u32;
        match try_address(*address, deadline.left()? / parts) {
            Err(error) if error.kind() == ErrorKind::TimedOut => result = Err(deadline.passed()),
            Err(error) => result = Err(error),
            connected => return connected,
        }
    }
    result
}

fn try_address(address: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect_timeout(&address, timeout)?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// Asks the proxy to connect to the host of `url`.
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

#[cfg(test)]
mod tests;
