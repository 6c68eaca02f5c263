//! The agent's HTTP client: it sends one request after another over one connection, and reconnects
//! when the connection was closed.

use crate::http::read_answer;
use anyhow::{Context, Result, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The host and port of a server's URL.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    pub fn parse(url: &str) -> Result<Self> {
        let Some(rest) = url.strip_prefix("https://") else {
            bail!("only https:// URLs are supported, invalid scheme: {url}");
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = match authority
            .strip_prefix('[')
            .and_then(|v6| v6.split_once(']'))
        {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => authority
                .split_once(':')
                .map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() {
            bail!("no host in {url}");
        }
        let port = port
            .unwrap_or("443")
            .parse()
            .with_context(|| format!("port of {url}"))?;
        Ok(Self {
            host: host.into(),
            port,
        })
    }

    /// Returns this machine's address on the route to the server. To connect a UDP socket sends
    /// nothing.
    pub fn route(&self) -> Result<IpAddr> {
        let server = (self.host.as_str(), self.port)
            .to_socket_addrs()?
            .next()
            .context("no address")?;
        let any: IpAddr = if server.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(server)?;
        Ok(socket.local_addr()?.ip())
    }
}

/// A client of one server.
pub struct Client {
    address: Address,
    config: Arc<ClientConfig>,
    open: Option<BufReader<StreamOwned<ClientConnection, TcpStream>>>,
}

impl Client {
    pub fn new(address: &Address, config: ClientConfig) -> Self {
        Self {
            address: address.clone(),
            config: Arc::new(config),
            open: None,
        }
    }

    /// Sends a request and returns status and body of the answer. After an error, the next request
    /// opens a new connection.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(u16, Vec<u8>)> {
        let mut stream = match self.open.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: k3s/stand-in\r\n",
            self.address.host
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let socket = stream.get_mut();
        socket.write_all(&[head.as_bytes(), body].concat())?;
        socket.flush()?;
        let (status, body, keep_alive) = read_answer(&mut stream)?;
        self.open = keep_alive.then_some(stream);
        Ok((status, body))
    }

    fn connect(&self) -> Result<BufReader<StreamOwned<ClientConnection, TcpStream>>> {
        let Address { host, port } = &self.address;
        let mut last = None;
        for address in (host.as_str(), *port)
            .to_socket_addrs()
            .with_context(|| format!("lookup {host}"))?
        {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(socket) => {
                    socket.set_read_timeout(Some(TIMEOUT))?;
                    socket.set_write_timeout(Some(TIMEOUT))?;
                    socket.set_nodelay(true)?;
                    let name = ServerName::try_from(host.clone())?;
                    let connection = ClientConnection::new(self.config.clone(), name)?;
                    return Ok(BufReader::new(StreamOwned::new(connection, socket)));
                }
                Err(error) => {
                    last = Some(anyhow::Error::new(error).context(format!("dial tcp {address}")))
                }
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("lookup {host}: no address")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_urls() {
        let of = |host: &str, port| Address {
            host: host.into(),
            port,
        };
        assert_eq!(
            Address::parse("https://10.0.0.1:6443").unwrap(),
            of("10.0.0.1", 6443)
        );
        assert_eq!(
            Address::parse("https://[fd00::1]:6443/").unwrap(),
            of("fd00::1", 6443)
        );
        assert_eq!(
            Address::parse("https://k3s.lan").unwrap(),
            of("k3s.lan", 443)
        );
        assert!(Address::parse("http://k3s.lan").is_err());
        assert!(Address::parse("https://:6443").is_err());
    }
}
