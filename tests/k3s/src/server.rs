//! `k3s server`: creates the CAs and the token in the data folder, and serves each connection in a
//! thread.

use crate::Service;
use crate::admission::Admission;
use crate::args::{Flags, UnknownKey};
use crate::handler::Handler;
use crate::hash::Password;
use crate::kind::{Front, Kind, States};
use crate::nodes::{Nodes, is_name};
use crate::pki::{Authority, Leaf};
use crate::token::Token;
use crate::trust;
use anyhow::{Context, Result};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub struct Server {
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    handler: Arc<Handler>,
}

impl Server {
    pub fn start(words: &[String]) -> Result<Self> {
        let flags = Flags::read(words, Path::new("/"), UnknownKey::Skip)?;
        let data_dir = flags
            .or_env("data-dir", "K3S_DATA_DIR")
            .unwrap_or_else(|| "/var/lib/rancher/k3s".into());
        let data_dir = PathBuf::from(data_dir);
        let server = data_dir.join("server");
        let tls_dir = server.join("tls");
        for folder in [&tls_dir, &server.join("static")] {
            fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        }
        // The CAs of a chain have names of their own, so that one data folder works with and
        // without STANDIN_CHAIN.
        let (server_ca, root) = if crate::env_var("STANDIN_CHAIN").is_some() {
            let root = Authority::load_or_make(&tls_dir, "server-root-ca", None)?;
            (
                Authority::load_or_make(&tls_dir, "server-intermediate-ca", Some(&root))?,
                Some(root),
            )
        } else {
            (Authority::load_or_make(&tls_dir, "server-ca", None)?, None)
        };
        let client_ca = Authority::load_or_make(&tls_dir, "client-ca", None)?;
        let root_pem = root.as_ref().map_or("", |root| &root.pem);
        let cacerts = match crate::env_var("STANDIN_CHAIN").as_deref() {
            Some("root-first") => [root_pem, &server_ca.pem].concat(),
            _ => [&server_ca.pem, root_pem].concat(),
        };
        let ca_hash = trust::hash_ca(cacerts.as_bytes())?;
        let password = password(&flags, &server)?;
        // With a token for agents, the server's own is not theirs (pkg/daemons/control/deps/deps.go).
        let agent_password = match flags.or_env("agent-token", "K3S_AGENT_TOKEN") {
            Some(text) => Token::parse(&text)?.password().to_owned(),
            None => password.clone(),
        };
        let agent_user = match agent_password == password {
            true => "server",
            false => "node",
        };
        let bootstrap = "stand1.0123456789abcdef".to_owned();
        let token = format!("K10{ca_hash}::server:{password}\n");
        write_secret(&server.join("token"), &token)?;
        write_secret(
            &server.join("agent-token"),
            &format!("K10{ca_hash}::{agent_user}:{agent_password}\n"),
        )?;
        write_secret(
            &server.join("bootstrap-token"),
            &format!("K10{ca_hash}::{bootstrap}\n"),
        )?;

        let address: IpAddr = flags
            .last("bind-address")
            .unwrap_or("0.0.0.0")
            .parse()
            .context("--bind-address")?;
        let port: u16 = flags
            .last("https-listen-port")
            .unwrap_or("6443")
            .parse()
            .context("--https-listen-port")?;
        let tls = Arc::new(tls_config(
            &flags,
            address,
            &server_ca,
            root.is_some(),
            &client_ca,
        )?);
        let listener = TcpListener::bind((address, port))
            .with_context(|| format!("listen on {address}:{port}"))?;
        // This file comes last: tests wait for it, and then the port is open.
        write_secret(&server.join("node-token"), &token)?;
        crate::log::info(&format!(
            "k3s {} (stand-in) listens on {}",
            crate::version(),
            listener.local_addr()?
        ));

        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(data_dir.join("requests.log"))?;
        let roles_delay =
            Duration::from_millis(crate::env_number("STANDIN_ROLES_DELAY_MS")?.unwrap_or(0));
        let nodes = Nodes::open(&data_dir)?;
        let (admission, started) = (Admission::default(), Instant::now());
        let handler = Handler {
            data_dir,
            cacerts,
            client_ca,
            server_ca,
            server_password: Password::new(&password)?,
            agent_password: Password::new(&agent_password)?,
            bootstrap,
            api_servers: crate::env_var("STANDIN_APISERVERS")
                .map(|list| list.split(',').map(String::from).collect())
                .unwrap_or_default(),
            kind: Kind::from_env()?,
            states: States::from_env()?,
            front: Front::from_env()?,
            nodes,
            admission,
            log,
            started,
            roles_delay,
        };
        Ok(Self {
            listener,
            tls,
            handler: Arc::new(handler),
        })
    }
}

impl Service for Server {
    /// Uses one thread for each connection: tests have at most a hundred boards.
    fn run(self) -> Result<()> {
        loop {
            // A full descriptor table or a client that left must not end the server.
            let Ok((socket, peer)) = self.listener.accept() else {
                continue;
            };
            let (tls, handler) = (self.tls.clone(), self.handler.clone());
            std::thread::spawn(move || {
                if let Err(error) = handler.serve(socket, peer, tls) {
                    crate::log::info(&format!("http: connection of {peer}: {error:#}"));
                }
            });
        }
    }
}

/// Returns the cluster's password: from the flags, else from the data folder, else a new one.
fn password(flags: &Flags, server: &Path) -> Result<String> {
    let configured = match flags.or_env("token-file", "K3S_TOKEN_FILE") {
        Some(file) => Some(fs::read_to_string(&file).with_context(|| file)?),
        None => flags.or_env("token", "K3S_TOKEN"),
    };
    if let Some(text) = configured {
        return Ok(Token::parse(text.trim())?.password().into());
    }
    match fs::read_to_string(server.join("token")) {
        Ok(kept) => Ok(Token::parse(kept.trim())?.password().into()),
        Err(_) => random_hex(),
    }
}

/// Returns 16 random bytes in hex.
pub fn random_hex() -> Result<String> {
    let bytes: [u8; 16] = ring::rand::generate(&ring::rand::SystemRandom::new())
        .map_err(|_| anyhow::anyhow!("no random bytes"))?
        .expose();
    Ok(hex::encode(bytes))
}

/// Writes a file with mode 0600, whole or not at all.
fn write_secret(file: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let part = file.with_extension("part");
    let mut to = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)?;
    to.write_all(text.as_bytes())?;
    fs::rename(&part, file).with_context(|| format!("{}", file.display()))
}

/// Makes the TLS configuration, with a new serving certificate.
fn tls_config(
    flags: &Flags,
    bind: IpAddr,
    ca: &Authority,
    chain: bool,
    client_ca: &Authority,
) -> Result<ServerConfig> {
    let mut names: Vec<String> = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ]
    .into_iter()
    .chain(["localhost", "127.0.0.1", "::1", "10.43.0.1"])
    .map(String::from)
    .collect();
    names.extend(
        nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok())
            .filter(|name| is_name(name)),
    );
    names.extend((!bind.is_unspecified()).then(|| bind.to_string()));
    for flag in [
        "advertise-address",
        "node-ip",
        "node-external-ip",
        "tls-san",
    ] {
        names.extend(flags.all(flag));
    }
    let mut leaf = Leaf::server("k3s", "k3s", names);
    leaf.not_before = crate::env_number("STANDIN_NOT_BEFORE")?.unwrap_or(leaf.not_before);
    leaf.not_after = crate::env_number("STANDIN_NOT_AFTER")?.unwrap_or(leaf.not_after);
    let serving = ca.issue(leaf)?;
    let mut sent = vec![serving.der.clone()];
    sent.extend(chain.then(|| ca.der.clone()));

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(client_ca.der.clone())?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()?;
    let versions =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = versions
        .with_client_cert_verifier(clients)
        .with_single_cert(sent, serving.key_der()?)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
