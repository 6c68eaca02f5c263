//! Answers the requests of each connection.

use crate::admission::Admission;
use crate::http::{Request, Response};
use crate::nodes::{Nodes, is_name};
use crate::pki::{self, Authority, Leaf};
use crate::static_files;
use crate::token::decode_basic;
use anyhow::{Result, bail};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::fs::File;
use std::io::{BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A connection is closed if no request comes for this long.
const IDLE: Duration = Duration::from_secs(90);

/// The server's state: everything that an answer needs.
pub struct Handler {
    pub data_dir: PathBuf,
    pub cacerts: String,
    pub client_ca: Authority,
    pub server_ca: Authority,
    pub password: String,
    pub bootstrap: String,
    pub nodes: Nodes,
    pub admission: Admission,
    pub log: File,
    pub started: Instant,
    pub roles_delay: Duration,
}

impl Handler {
    /// Answers all requests of one connection.
    pub fn serve(&self, socket: TcpStream, peer: SocketAddr, tls: Arc<ServerConfig>) -> Result<()> {
        socket.set_read_timeout(Some(IDLE))?;
        socket.set_nodelay(true)?;
        let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(tls)?, socket));
        let mut keep_alive = true;
        while keep_alive {
            let Some(request) = Request::read(&mut stream)? else {
                break;
            };
            keep_alive = request.keep_alive;
            let stream = stream.get_mut();
            let client = stream
                .conn
                .peer_certificates()
                .and_then(|certs| pki::common_name(certs.first()?));
            let response = self
                .answer(&request, client.as_deref(), peer.ip())
                .unwrap_or_else(|error| {
                    crate::log::error(&format!("{} {}: {error:#}", request.method, request.target));
                    Response::refusal(500, &format!("{error:#}"))
                });
            // The request is logged first, so that a client that has the answer finds it in the
            // log.
            self.log(&request, response.status, peer.ip())?;
            response.send(stream, request.method == "HEAD", keep_alive)?;
        }
        let stream = stream.get_mut();
        stream.conn.send_close_notify();
        Ok(stream.flush()?)
    }

    fn log(&self, request: &Request, status: u16, peer: IpAddr) -> Result<()> {
        let from_path = request.target.strip_prefix("/api/v1/nodes/");
        let node = request
            .headers
            .get("k3s-Node-Name")
            .or(from_path)
            .filter(|name| is_name(name))
            .unwrap_or("-");
        let now = crate::log::unix_now().as_millis();
        // Each line is one write, so that lines of different threads do not mix.
        let line = format!(
            "{now} {peer} {} {} {status} {node}\n",
            request.method, request.target
        );
        Ok((&self.log).write_all(line.as_bytes())?)
    }

    fn answer(&self, request: &Request, client: Option<&str>, peer: IpAddr) -> Result<Response> {
        let Some(path) = request.path() else {
            return Ok(Response::refusal(400, "bad path"));
        };
        match path.as_str() {
            "/ping" => Ok(Response::text(200, "pong")),
            "/cacerts" => Ok(Response::text(200, self.cacerts.clone())),
            "/version" => Ok(self.version(client)),
            _ => {
                if let Some(name) = path.strip_prefix("/static/") {
                    static_files::answer(&self.data_dir.join("server/static"), name, request)
                } else if let Some(name) = path.strip_prefix("/v1-k3s/") {
                    self.for_agents(name, request)
                } else if let Some(name) = path.strip_prefix("/api/v1/nodes/") {
                    self.heartbeat(name, request, client, peer)
                } else if client.is_some() {
                    Ok(Response::refusal(
                        404,
                        "the server could not find the requested resource",
                    ))
                } else {
                    Ok(Response::refusal(401, "Unauthorized"))
                }
            }
        }
    }

    /// Answers `/version`. It needs a client certificate, and even then is 403 until the server has
    /// its roles.
    fn version(&self, client: Option<&str>) -> Response {
        let Some(client) = client else {
            return Response::refusal(401, "Unauthorized");
        };
        if self.started.elapsed() < self.roles_delay {
            return Response::refusal(
                403,
                &format!("forbidden: User \"{client}\" cannot get path \"/version\""),
            );
        }
        let version = crate::version();
        let mut numbers = version.trim_start_matches('v').split('.');
        let (major, minor) = (
            numbers.next().unwrap_or_default(),
            numbers.next().unwrap_or_default(),
        );
        let head = format!(
            "{{\n  \"major\": \"{major}\",\n  \"minor\": \"{minor}\",\n  \"gitVersion\": \"{version}\",\n"
        );
        let tail = "  \"gitCommit\": \"stand-in\",\n  \"gitTreeState\": \"clean\",\n  \"platform\": \"linux/amd64\"\n}";
        let mut response = Response::text(200, head + tail);
        response.headers = vec![("Content-Type", "application/json".into())];
        response
    }

    /// Answers `/v1-k3s/`, which needs a join token.
    fn for_agents(&self, name: &str, request: &Request) -> Result<Response> {
        if !self.is_valid(request.headers.get("Authorization").unwrap_or_default()) {
            return Ok(Response::refusal(401, "Unauthorized"));
        }
        let Some(_slot) = self.admission.enter(&request.method) else {
            let mut response = Response::text(429, "Too many requests, please try again later.\n");
            response.headers.push(("Retry-After", "1".into()));
            return Ok(response);
        };
        match name {
            "client-kube-proxy.crt" => self.certificate(
                &self.client_ca,
                Leaf::client("system:kube-proxy", "system:masters"),
            ),
            "client-kubelet.crt" | "serving-kubelet.crt" => self.kubelet_certificate(name, request),
            "client-ca.crt" => Ok(Response::text(200, self.client_ca.pem.clone())),
            "server-ca.crt" => Ok(Response::text(200, self.cacerts.clone())),
            _ => Ok(Response::refusal(404, "not found")),
        }
    }

    /// Whether an `Authorization` header has the password or the bootstrap token.
    fn is_valid(&self, authorization: &str) -> bool {
        match authorization.strip_prefix("Bearer ") {
            Some(token) => token == self.bootstrap,
            None => decode_basic(authorization)
                .is_some_and(|(user, password)| user == "node" && password == self.password),
        }
    }

    /// Issues a kubelet certificate. The node must send the password with which its name was first
    /// seen. A certificate signing request in the body is ignored: as in an older k3s, the answer
    /// contains a new key, and agents use that key.
    fn kubelet_certificate(&self, which: &str, request: &Request) -> Result<Response> {
        let header = |name| request.headers.get(name).filter(|value| !value.is_empty());
        let Some(name) = header("k3s-Node-Name") else {
            return Ok(Response::refusal(400, "node name not set"));
        };
        let Some(password) = header("k3s-Node-Password") else {
            return Ok(Response::refusal(400, "node password not set"));
        };
        if !is_name(name) {
            return Ok(Response::refusal(400, "node name is not a DNS subdomain"));
        }
        if !self.nodes.accepts(name, password)? {
            let why = format!("unable to verify password for node {name}: hash does not match");
            crate::log::error(&why);
            return Ok(Response::refusal(403, &why));
        }
        let mut names = vec![name.to_owned(), "localhost".into(), "127.0.0.1".into()];
        names.extend(
            header("k3s-Node-IP")
                .into_iter()
                .flat_map(|list| list.split(','))
                .map(String::from),
        );
        match which {
            "client-kubelet.crt" => self.certificate(
                &self.client_ca,
                Leaf::client(&format!("system:node:{name}"), "system:nodes"),
            ),
            _ => self.certificate(&self.server_ca, Leaf::server(name, "k3s", names)),
        }
    }

    /// Answers with certificate, CA and key in one body, as k3s does.
    fn certificate(&self, authority: &Authority, leaf: Leaf) -> Result<Response> {
        let issued = authority.issue(leaf)?;
        Ok(Response::text(
            200,
            format!("{}{}{}", issued.pem, authority.pem, issued.key_pem()?),
        ))
    }

    /// Registers a node or renews its heartbeat. This PUT, with the kubelet's certificate, exists
    /// in the stand-in only.
    fn heartbeat(
        &self,
        name: &str,
        request: &Request,
        client: Option<&str>,
        peer: IpAddr,
    ) -> Result<Response> {
        if client != Some(&format!("system:node:{name}")) || !is_name(name) {
            return Ok(Response::refusal(
                if client.is_some() { 403 } else { 401 },
                "not this node's certificate",
            ));
        }
        if request.method != "PUT" {
            bail!("only PUT is supported");
        }
        let text = String::from_utf8_lossy(&request.body);
        let (version, labels) = text.split_once('\n').unwrap_or((&text, ""));
        let new = self
            .nodes
            .heartbeat(name, version, labels.trim(), &peer.to_string())?;
        if new {
            crate::log::info(&format!("node {name} registered from {peer}"));
        }
        Ok(Response::text(if new { 201 } else { 200 }, ""))
    }
}
