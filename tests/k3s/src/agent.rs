//! `k3s agent`: reads the settings of k3s's agent, joins as it does, and then sends heartbeats
//! until it is stopped. As in k3s, an agent that the server refuses does not exit: it retries for
//! ever and logs each failure.

use crate::args::{Flags, UnknownKey};
use crate::client::{Address, Client};
use crate::kubelet::Kubelet;
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
/// While this file exists, an agent that starts sends nothing. A test of what muster sends makes it.
const PAUSE_FILE: &str = "/run/standin-pause";
/// k3s retries a connection after 2 s.
const CONNECT_RETRY: Duration = Duration::from_secs(2);
/// k3s retries a join after 5 to 10 s: the jitter spreads agents that were refused together.
const JOIN_RETRY: Duration = Duration::from_secs(5);
const HEARTBEAT: Duration = Duration::from_secs(2);

pub struct Agent {
    url: String,
    token: String,
    name: String,
    password: String,
    node_ip: Option<String>,
    labels: Vec<String>,
    log_megabytes: usize,
}

impl Agent {
    pub fn new(words: &[String]) -> Result<Self> {
        // Tests without a mount namespace set this.
        let root = PathBuf::from(crate::env_var("STANDIN_ROOT").unwrap_or_else(|| "/".into()));
        let log_megabytes = crate::env_number("STANDIN_LOG_MB")?.unwrap_or(0);
        let flags = Flags::read(words, &root, UnknownKey::Fail)?;
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
            labels: flags.all("node-label"),
            log_megabytes,
        })
    }

    /// Fetches the server's CA certificates and checks them against the token.
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

    /// Requests the certificates of a node, and returns the client certificate.
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
        while Path::new(PAUSE_FILE).exists() {
            sleep(Duration::from_millis(100));
        }
        let (address, token, bundle) = retry(CONNECT_RETRY, || {
            self.connect().with_context(|| {
                format!("Failed to validate connection to cluster at {}", self.url)
            })
        });
        let identity = retry(jittered(JOIN_RETRY)?, || {
            self.join(&address, &token, &bundle)
                .context("Waiting to retrieve agent configuration; server is not ready")
        });
        let client = Client::new(&address, trust::pinned(&bundle, Some(&identity))?);
        let mut kubelet = Kubelet::new(client, &self.name, &self.labels);
        retry(CONNECT_RETRY, || {
            kubelet
                .register()
                .context("Unable to register node with API server")
        });
        let mut heartbeat = || kubelet.heartbeat().context("Failed to renew the lease");
        retry(CONNECT_RETRY, &mut heartbeat);
        log::raw(&format!("joined as {}\n", self.name));
        write_log(self.log_megabytes);
        loop {
            sleep(HEARTBEAT);
            if let Err(error) = heartbeat() {
                log::error(&format!("{error:#}"));
            }
        }
    }
}

/// Retries until an attempt succeeds, and logs each failure.
fn retry<T>(pause: Duration, mut attempt: impl FnMut() -> Result<T>) -> T {
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) => log::error(&format!("{error:#}")),
        }
        sleep(pause);
    }
}

/// Returns one to two times this pause. It is random for each process.
fn jittered(pause: Duration) -> Result<Duration> {
    let random = u8::from_str_radix(&crate::server::random_hex()?[..2], 16)?;
    Ok(pause.mul_f64(1.0 + f64::from(random) / 256.0))
}

/// Returns the node password. If there is none, k3s writes a random one, and so does this.
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

/// Logs this many MiB (`STANDIN_LOG_MB`), for tests of log rotation.
fn write_log(megabytes: usize) {
    for number in 0..megabytes * 1024 * 1024 / 128 {
        log::raw(&format!(
            "{:-<127}\n",
            format!("log line {number} of the stand-in ")
        ));
    }
}
