//! `k3s agent`: reads what k3s's agent reads, joins as it does, and is a node that beats until it is told to stop. As k3s, it
//! does not end over a server that refuses it: it asks for ever and says so in its log.

use crate::args::Flags;
use crate::client::{Address, Client};
use crate::token::Token;
use crate::{Service, log, trust};
use anyhow::{Context, Result, bail};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

const PASSWORD_FILE: &str = "/etc/rancher/node/password";
/// k3s tries a connection again after 2 s, and a join after 5 to 10 s, so that many refused at once do not come again at once.
const CONNECT_AGAIN: Duration = Duration::from_secs(2);
const JOIN_AGAIN: Duration = Duration::from_secs(5);
const HEARTBEAT: Duration = Duration::from_secs(2);

pub struct Agent {
    url: String,
    token: String,
    name: String,
    password: String,
    node_ip: Option<String>,
    labels: String,
    log_megabytes: usize,
}

impl Agent {
    pub fn new(words: &[String]) -> Result<Self> {
        // For tests that have no mount namespace of their own.
        let root = PathBuf::from(crate::knob("STANDIN_ROOT").unwrap_or_else(|| "/".into()));
        let log_megabytes = crate::number_knob("STANDIN_LOG_MB")?.unwrap_or(0);
        let flags = Flags::read(words, &root)?;
        let token = match flags.or_env("token-file", "K3S_TOKEN_FILE") {
            Some(file) => fs::read_to_string(&file).with_context(|| file)?,
            None => flags
                .or_env("token", "K3S_TOKEN")
                .context("--token is required")?,
        };
        let url = flags
            .or_env("server", "K3S_URL")
            .context("--server is required")?;
        let name = match flags.or_env("node-name", "K3S_NODE_NAME") {
            Some(name) => name,
            None => nix::unistd::gethostname()?.to_string_lossy().into_owned(),
        };
        Ok(Self {
            url,
            token: token.trim().into(),
            name: name.to_lowercase(),
            password: ensure_password(&root)?,
            node_ip: flags.last("node-ip").map(String::from),
            labels: flags.all("node-label").join(","),
            log_megabytes,
        })
    }

    /// Fetches the server's authorities and checks them against the token.
    fn connect(&self) -> Result<(Address, Token, Vec<u8>)> {
        let token = Token::parse(&self.token)?;
        let address = Address::parse(&self.url)?;
        let (status, bundle) = Client::new(&address, trust::unverified()?)
            .request("GET", "/cacerts", &[], &[])
            .context("failed to get CA certs")?;
        if status != 200 {
            bail!("failed to get CA certs: {status}");
        }
        match &token.ca_hash {
            Some(hash) => trust::check_hash(&bundle, hash)?,
            None => log::info(
                "Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash. Use the full token from the server's node-token file to enable Cluster CA validation.",
            ),
        }
        let (status, _) = Client::new(&address, trust::pinned(&bundle, None)?)
            .request("GET", "/cacerts", &[], &[])
            .context("failed to verify the server's certificate")?;
        if status != 200 {
            bail!("failed to get CA certs: {status}");
        }
        Ok((address, token, bundle))
    }

    /// Asks for the certificates of a node; the client's comes back.
    fn join(&self, address: &Address, token: &Token, bundle: &[u8]) -> Result<Vec<u8>> {
        let mut client = Client::new(address, trust::pinned(bundle, None)?);
        let authorization = token.authorization();
        let ip = self
            .node_ip
            .clone()
            .map_or_else(|| address.route().map(|ip| ip.to_string()), Ok)?;
        let as_node = [
            ("Authorization", authorization.as_str()),
            ("k3s-Node-Name", &self.name),
            ("k3s-Node-Password", &self.password),
            ("k3s-Node-IP", &ip),
        ];
        let key = rcgen::KeyPair::generate()?;
        let request = rcgen::CertificateParams::default().serialize_request(&key)?;
        let mut ask = |method, path: &str, headers: &[(&str, &str)]| match client.request(
            method,
            path,
            headers,
            request.der(),
        )? {
            (200, body) => Ok(body),
            (403, _) => bail!(
                "Node password rejected, duplicate hostname or contents of '{PASSWORD_FILE}' may not match server \
                 node-passwd entry, try enabling a unique node name with the --with-node-id flag"
            ),
            (401, _) => bail!("{}{path}: 401 Unauthorized", self.url),
            (status, _) => bail!("{}{path}: {status}", self.url),
        };
        // Signing requests, each of which takes one of the server's ten places for writers.
        ask("POST", "/v1-k3s/serving-kubelet.crt", &as_node)?;
        let mut identity = ask("POST", "/v1-k3s/client-kubelet.crt", &as_node)?;
        ask("POST", "/v1-k3s/client-kube-proxy.crt", &as_node[..1])?;
        // A server that made a key itself sent it too (`splitCertKeyPEM` in pkg/agent/config/config.go).
        if !String::from_utf8_lossy(&identity).contains("PRIVATE KEY") {
            identity.extend(key.serialize_pem().into_bytes());
        }
        Ok(identity)
    }
}

impl Service for Agent {
    fn run(self) -> Result<()> {
        log::info(&format!(
            "Starting k3s agent {} (stand-in)",
            crate::version()
        ));
        let (address, token, bundle) = for_ever(CONNECT_AGAIN, || {
            self.connect().with_context(|| {
                format!("Failed to validate connection to cluster at {}", self.url)
            })
        });
        let identity = for_ever(jittered(JOIN_AGAIN)?, || {
            self.join(&address, &token, &bundle)
                .context("Waiting to retrieve agent configuration; server is not ready")
        });
        let mut client = Client::new(&address, trust::pinned(&bundle, Some(&identity))?);
        let (path, body) = (
            format!("/api/v1/nodes/{}", self.name),
            format!("{}\n{}\n", crate::version(), self.labels),
        );
        let mut beat = || match client.request("PUT", &path, &[], body.as_bytes()) {
            Ok((200 | 201, _)) => Ok(()),
            Ok((status, _)) => bail!("Unable to register node with API server: {status}"),
            Err(error) => Err(error.context("Unable to register node with API server")),
        };
        for_ever(CONNECT_AGAIN, &mut beat);
        log::raw(&format!("joined as {}\n", self.name));
        write_log(self.log_megabytes);
        loop {
            sleep(HEARTBEAT);
            if let Err(error) = beat() {
                log::error(&format!("{error:#}"));
            }
        }
    }
}

/// Tries until it succeeds, with each failure in the log.
fn for_ever<T>(pause: Duration, mut attempt: impl FnMut() -> Result<T>) -> T {
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) => log::error(&format!("{error:#}")),
        }
        sleep(pause);
    }
}

/// Once to twice a pause, each process its own.
fn jittered(pause: Duration) -> Result<Duration> {
    let random = u8::from_str_radix(&crate::server::random_hex()?[..2], 16)?;
    Ok(pause.mul_f64(1.0 + f64::from(random) / 256.0))
}

/// The node password that is there, else a random one, written down as k3s does.
fn ensure_password(root: &Path) -> Result<String> {
    let file = root.join(PASSWORD_FILE.trim_start_matches('/'));
    match fs::read_to_string(&file) {
        Ok(text) => return Ok(text.trim().into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("{}", file.display())),
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let password = crate::server::random_hex()?;
    let mut to = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&file)?;
    to.write_all(format!("{password}\n").as_bytes())?;
    Ok(password)
}

/// `STANDIN_LOG_MB`: that much of log lines, for tests of what keeps a log small.
fn write_log(megabytes: usize) {
    for number in 0..megabytes * 1024 * 1024 / 128 {
        log::raw(&format!(
            "{:-<127}\n",
            format!("log line {number} of the stand-in ")
        ));
    }
}
