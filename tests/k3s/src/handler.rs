//! Answers the requests of each connection.

use crate::admission::Admission;
use crate::hash::Password;
use crate::http::{Request, Response};
use crate::kind::{Front, Kind, State, States};
use crate::nodes::{Nodes, is_name};
use crate::objects::Collection;
use crate::pki::{self, Authority};
use crate::static_files;
use anyhow::Result;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
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
    /// The passwords of the users `server` and `node`.
    pub server_password: Password,
    pub agent_password: Password,
    pub bootstrap: String,
    /// What an etcd-only server names: `<host>:<port>`.
    pub api_servers: Vec<String>,
    pub kind: Kind,
    pub states: States,
    pub front: Front,
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
            let client = self.front.pass(client);
            if let Some(bytes) = self.front.bytes(&request) {
                stream.write_all(&bytes)?;
                break;
            }
            let answer = match self.front.refuse(&request) {
                Some(refusal) => Ok(refusal),
                None => self.answer(&request, client.as_deref(), peer.ip()),
            };
            let response = answer.unwrap_or_else(|error| {
                crate::log::error(&format!("{} {}: {error:#}", request.method, request.target));
                Response::refusal(500, &format!("{error:#}"))
            });
            // Before it is sent: who got an answer finds it in the log.
            self.log(&request, response.status, peer.ip())?;
            response.send(stream, request.method == "HEAD", keep_alive)?;
        }
        let stream = stream.get_mut();
        stream.conn.send_close_notify();
        Ok(stream.flush()?)
    }

    fn log(&self, request: &Request, status: u16, peer: IpAddr) -> Result<()> {
        let from_path = Collection::of_path(&request.target).and_then(|(_, name)| name);
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
                    self.for_agents(name, request, client)
                } else if let Some((kind, name)) = Collection::of_path(&path) {
                    self.write(kind, name, request, client, peer)
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

    /// `/version`, for client certificates alone, and not even for them until the roles are in place.
    /// It is the API server's (`APIServer` in `pkg/server/handlers/handlers.go`).
    fn version(&self, client: Option<&str>) -> Response {
        match self.states.now() {
            State::EtcdOnly => return self.kind.refusal(503, "apiserver disabled"),
            State::Starting | State::NotInitialized => {
                return self.kind.refusal(503, "apiserver not ready");
            }
            State::Ready | State::Locked | State::NoHash => {}
        }
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

    /// Writes a node's object or its lease, as its kubelet asks for it.
    fn write(
        &self,
        kind: Collection,
        name: Option<&str>,
        request: &Request,
        client: Option<&str>,
        peer: IpAddr,
    ) -> Result<Response> {
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
            return Ok(Response::refusal(400, "the body is not JSON"));
        };
        let in_body = body["metadata"]["name"].as_str().unwrap_or_default();
        let (method, target) = (request.method.as_str(), name.unwrap_or(in_body));
        if client != Some(&format!("system:node:{target}")) || !is_name(target) {
            let status = if client.is_some() { 403 } else { 401 };
            return Ok(Response::refusal(status, "not this node's certificate"));
        }
        let objects = self.nodes.objects(kind);
        let status = match (method, name) {
            ("POST", None) if objects.create(target, &body)? => 201,
            ("POST", None) => 409,
            ("PATCH", Some(name)) if objects.patch(name, &body)? => 200,
            ("PATCH", Some(_)) => 404,
            _ => 405,
        };
        if (kind, status) == (Collection::Nodes, 201) {
            crate::log::info(&format!("node {target} registered from {peer}"));
        }
        Ok(match status {
            200 | 201 => Response::text(status, "{}"),
            _ => Response::refusal(status, &format!("{method} {} {target:?}", kind.name())),
        })
    }
}
