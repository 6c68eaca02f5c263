//! `k3s server`: its authorities and token under the data folder, and the requests that agents and mirrors make.

use crate::admission::Admission;
use crate::args::Flags;
use crate::http::{Request, Response};
use crate::nodes::{Nodes, is_name};
use crate::pki::{self, Authority, Leaf};
use crate::token::{Token, decode_basic};
use crate::{Service, static_files};
use anyhow::{Context, Result, bail};
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A connection without a request is closed after this.
const IDLE: Duration = Duration::from_secs(90);

pub struct Server {
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    site: Arc<Site>,
}

/// What the requests are answered from.
struct Site {
    data_dir: PathBuf,
    cacerts: String,
    client_ca: Authority,
    server_ca: Authority,
    password: String,
    bootstrap: String,
    nodes: Nodes,
    admission: Admission,
    log: File,
    started: Instant,
    roles_delay: Duration,
}

impl Server {
    pub fn start(words: &[String]) -> Result<Self> {
        let flags = Flags::read(words, Path::new("/"))?;
        let data_dir = flags.or_env("data-dir", "K3S_DATA_DIR").unwrap_or_else(|| "/var/lib/rancher/k3s".into());
        let data_dir = PathBuf::from(data_dir);
        let server = data_dir.join("server");
        let tls_dir = server.join("tls");
        for folder in [&tls_dir, &server.join("static"), &server.join("cred")] {
            fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        }
        // A chain has an authority of its own name, so that one data folder can serve both ways in turn.
        let (server_ca, root) = if crate::knob("STANDIN_CHAIN").is_some() {
            let root = Authority::load_or_make(&tls_dir, "server-root-ca", None)?;
            (Authority::load_or_make(&tls_dir, "server-intermediate-ca", Some(&root))?, Some(root))
        } else {
            (Authority::load_or_make(&tls_dir, "server-ca", None)?, None)
        };
        let client_ca = Authority::load_or_make(&tls_dir, "client-ca", None)?;
        let cacerts = format!("{}{}", server_ca.pem, root.as_ref().map_or("", |root| &root.pem));
        // As clientaccess/token.go of k3s: one certificate is hashed as sent, a chain by its root alone.
        let ca_hash =
            root.as_ref().map_or_else(|| pki::sha256_hex(cacerts.as_bytes()), |root| pki::sha256_hex(&root.der));
        let password = password(&flags, &server)?;
        let bootstrap = "stand1.0123456789abcdef".to_owned();
        let token = format!("K10{ca_hash}::server:{password}\n");
        write_secret(&server.join("token"), &token)?;
        write_secret(&server.join("bootstrap-token"), &format!("K10{ca_hash}::{bootstrap}\n"))?;

        let address: IpAddr = flags.last("bind-address").unwrap_or("0.0.0.0").parse().context("--bind-address")?;
        let port: u16 = flags.last("https-listen-port").unwrap_or("6443").parse().context("--https-listen-port")?;
        let tls = Arc::new(tls_config(&flags, address, &server_ca, root.is_some(), &client_ca)?);
        let listener = TcpListener::bind((address, port)).with_context(|| format!("listen on {address}:{port}"))?;
        // Last, since tests wait for this file: the port answers by now.
        write_secret(&server.join("node-token"), &token)?;
        crate::log::info(&format!("k3s {} (stand-in) listens on {}", crate::version(), listener.local_addr()?));

        let log = OpenOptions::new().create(true).append(true).open(data_dir.join("requests.log"))?;
        let roles_delay = Duration::from_millis(crate::number_knob("STANDIN_ROLES_DELAY_MS")?.unwrap_or(0));
        let nodes = Nodes::open(&data_dir)?;
        let (admission, started) = (Admission::default(), Instant::now());
        let site = Site {
            data_dir,
            cacerts,
            client_ca,
            server_ca,
            password,
            bootstrap,
            nodes,
            admission,
            log,
            started,
            roles_delay,
        };
        Ok(Self { listener, tls, site: Arc::new(site) })
    }
}

impl Service for Server {
    /// One thread a connection: there are a hundred boards at most.
    fn run(self) -> Result<()> {
        loop {
            // Out of descriptors or a connection gone already: neither ends the server.
            let Ok((socket, peer)) = self.listener.accept() else { continue };
            let (tls, site) = (self.tls.clone(), self.site.clone());
            std::thread::spawn(move || {
                if let Err(error) = site.serve(socket, peer, tls) {
                    crate::log::info(&format!("http: connection of {peer}: {error:#}"));
                }
            });
        }
    }
}

/// The secret of the cluster: what was asked for, else what the data folder has, else a new one.
fn password(flags: &Flags, server: &Path) -> Result<String> {
    let asked = match flags.or_env("token-file", "K3S_TOKEN_FILE") {
        Some(file) => Some(fs::read_to_string(&file).with_context(|| file)?),
        None => flags.or_env("token", "K3S_TOKEN"),
    };
    if let Some(text) = asked {
        return Ok(Token::parse(text.trim())?.password().into());
    }
    match fs::read_to_string(server.join("token")) {
        Ok(kept) => Ok(Token::parse(kept.trim())?.password().into()),
        Err(_) => random_hex(),
    }
}

/// 16 random bytes.
pub fn random_hex() -> Result<String> {
    let bytes: [u8; 16] = ring::rand::generate(&ring::rand::SystemRandom::new())
        .map_err(|_| anyhow::anyhow!("no random bytes"))?
        .expose();
    Ok(hex::encode(bytes))
}

fn write_secret(file: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let part = file.with_extension("part");
    let mut to = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&part)?;
    to.write_all(text.as_bytes())?;
    fs::rename(&part, file).with_context(|| format!("{}", file.display()))
}

fn tls_config(flags: &Flags, bind: IpAddr, ca: &Authority, chain: bool, client_ca: &Authority) -> Result<ServerConfig> {
    let mut names: Vec<String> =
        ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
            .into_iter()
            .chain(["localhost", "127.0.0.1", "::1", "10.43.0.1"])
            .map(String::from)
            .collect();
    names.extend(nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).filter(|name| is_name(name)));
    names.extend((!bind.is_unspecified()).then(|| bind.to_string()));
    for flag in ["advertise-address", "node-ip", "node-external-ip", "tls-san"] {
        names.extend(flags.all(flag));
    }
    let mut leaf = Leaf::server("k3s", "k3s", names);
    leaf.not_before = crate::number_knob("STANDIN_NOT_BEFORE")?.unwrap_or(leaf.not_before);
    leaf.not_after = crate::number_knob("STANDIN_NOT_AFTER")?.unwrap_or(leaf.not_after);
    let serving = ca.issue(leaf)?;
    let mut sent = vec![serving.der.clone()];
    sent.extend(chain.then(|| ca.der.clone()));

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(client_ca.der.clone())?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()?;
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = versions.with_client_cert_verifier(clients).with_single_cert(sent, serving.key_der()?)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

impl Site {
    fn serve(&self, socket: TcpStream, peer: SocketAddr, tls: Arc<ServerConfig>) -> Result<()> {
        socket.set_read_timeout(Some(IDLE))?;
        socket.set_nodelay(true)?;
        let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(tls)?, socket));
        let mut keep_alive = true;
        while keep_alive {
            let Some(request) = Request::read(&mut stream)? else { break };
            keep_alive = request.keep_alive;
            let stream = stream.get_mut();
            let client = stream.conn.peer_certificates().and_then(|certs| client_name(certs));
            let response = self.answer(&request, client.as_deref(), peer.ip()).unwrap_or_else(|error| {
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
        let from_path = request.target.strip_prefix("/api/v1/nodes/");
        let node = request.headers.get("k3s-Node-Name").or(from_path).filter(|name| is_name(name)).unwrap_or("-");
        let now = crate::log::unix_now().as_millis();
        // One write a line, so that lines of threads do not mix.
        let line = format!("{now} {peer} {} {} {status} {node}\n", request.method, request.target);
        Ok((&self.log).write_all(line.as_bytes())?)
    }

    fn answer(&self, request: &Request, client: Option<&str>, peer: IpAddr) -> Result<Response> {
        let Some(path) = request.path() else { return Ok(Response::refusal(400, "bad path")) };
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
                    Ok(Response::refusal(404, "the server could not find the requested resource"))
                } else {
                    Ok(Response::refusal(401, "Unauthorized"))
                }
            }
        }
    }

    /// `/version`, for client certificates alone, and not even for them until the roles are in place.
    fn version(&self, client: Option<&str>) -> Response {
        let Some(client) = client else { return Response::refusal(401, "Unauthorized") };
        if self.started.elapsed() < self.roles_delay {
            return Response::refusal(403, &format!("forbidden: User \"{client}\" cannot get path \"/version\""));
        }
        let version = crate::version();
        let mut numbers = version.trim_start_matches('v').split('.');
        let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        let head =
            format!("{{\n  \"major\": \"{major}\",\n  \"minor\": \"{minor}\",\n  \"gitVersion\": \"{version}\",\n");
        let tail = "  \"gitCommit\": \"stand-in\",\n  \"gitTreeState\": \"clean\",\n  \"platform\": \"linux/amd64\"\n}";
        let mut response = Response::text(200, head + tail);
        response.headers = vec![("Content-Type", "application/json".into())];
        response
    }

    /// `/v1-k3s/`: what a token opens.
    fn for_agents(&self, name: &str, request: &Request) -> Result<Response> {
        if !self.knows(request.headers.get("Authorization").unwrap_or_default()) {
            return Ok(Response::refusal(401, "Unauthorized"));
        }
        let Some(_place) = self.admission.enter(&request.method) else {
            let mut response = Response::text(429, "Too many requests, please try again later.\n");
            response.headers.push(("Retry-After", "1".into()));
            return Ok(response);
        };
        match name {
            "client-kube-proxy.crt" => {
                self.certificate(&self.client_ca, Leaf::client("system:kube-proxy", "system:masters"))
            }
            "client-kubelet.crt" | "serving-kubelet.crt" => self.kubelet_certificate(name, request),
            "client-ca.crt" => Ok(Response::text(200, self.client_ca.pem.clone())),
            "server-ca.crt" => Ok(Response::text(200, self.cacerts.clone())),
            _ => Ok(Response::refusal(404, "not found")),
        }
    }

    fn knows(&self, authorization: &str) -> bool {
        match authorization.strip_prefix("Bearer ") {
            Some(token) => token == self.bootstrap,
            None => {
                decode_basic(authorization).is_some_and(|(user, password)| user == "node" && password == self.password)
            }
        }
    }

    /// A kubelet's certificate, for a node that has the password that its name was first seen with. An agent's signing request
    /// is not read: like an older k3s, the answer has a key of its own, which agents take instead.
    fn kubelet_certificate(&self, which: &str, request: &Request) -> Result<Response> {
        let header = |name| request.headers.get(name).filter(|value| !value.is_empty());
        let Some(name) = header("k3s-Node-Name") else { return Ok(Response::refusal(400, "node name not set")) };
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
        names.extend(header("k3s-Node-IP").into_iter().flat_map(|list| list.split(',')).map(String::from));
        match which {
            "client-kubelet.crt" => {
                self.certificate(&self.client_ca, Leaf::client(&format!("system:node:{name}"), "system:nodes"))
            }
            _ => self.certificate(&self.server_ca, Leaf::server(name, "k3s", names)),
        }
    }

    /// Certificate, authority and key in one body, as k3s sends its files.
    fn certificate(&self, authority: &Authority, leaf: Leaf) -> Result<Response> {
        let issued = authority.issue(leaf)?;
        Ok(Response::text(200, format!("{}{}{}", issued.pem, authority.pem, issued.key_pem()?)))
    }

    /// The stand-in's own way to be a node: a PUT with the kubelet's certificate, again and again.
    fn heartbeat(&self, name: &str, request: &Request, client: Option<&str>, peer: IpAddr) -> Result<Response> {
        if client != Some(&format!("system:node:{name}")) || !is_name(name) {
            return Ok(Response::refusal(if client.is_some() { 403 } else { 401 }, "not this node's certificate"));
        }
        if request.method != "PUT" {
            bail!("only PUT is known here");
        }
        let text = String::from_utf8_lossy(&request.body);
        let (version, labels) = text.split_once('\n').unwrap_or((&text, ""));
        let new = self.nodes.heartbeat(name, version, labels.trim(), &peer.to_string())?;
        if new {
            crate::log::info(&format!("node {name} registered from {peer}"));
        }
        Ok(Response::text(if new { 201 } else { 200 }, ""))
    }
}

fn client_name(certs: &[CertificateDer]) -> Option<String> {
    pki::common_name(certs.first()?)
}
