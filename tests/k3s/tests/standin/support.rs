//! Starts the built `k3s`, follows what it says, and asks a server of it as the agent's own HTTP client would.

use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::{Certificate, Identity};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// A folder that goes away with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("k3s-standin-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn write(&self, name: &str, text: &str) {
        let file = self.0.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `k3s` with nothing of this process's own environment that it could read.
pub fn k3s(args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k3s"));
    command.args(args).env_clear().envs(env.iter().copied());
    command
}

/// A running `k3s` and its log.
pub struct Process {
    child: Child,
    /// Locked, so that threads of a test can share the server.
    lines: Mutex<Receiver<String>>,
}

impl Process {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (to, lines) = channel();
        thread::spawn(move || {
            log.lines()
                .map_while(Result::ok)
                .try_for_each(|line| to.send(line))
        });
        Self {
            child,
            lines: Mutex::new(lines),
        }
    }

    /// The next line of the log with `text` in it.
    pub fn wait_for(&self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let (lines, mut seen) = (self.lines.lock().unwrap(), Vec::new());
        while let Ok(line) = lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if line.contains(text) {
                return line;
            }
            seen.push(line);
        }
        panic!("no {text:?} in the log:\n{}", seen.join("\n"));
    }

    pub fn terminate(mut self) -> ExitStatus {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server on a port of its own.
pub struct Server {
    pub process: Process,
    pub url: String,
    pub data: PathBuf,
}

impl Server {
    pub fn start(data: &Path, env: &[(&str, &str)]) -> Self {
        Self::start_with(data, env, &["--https-listen-port", "0", "--disable-agent"])
    }

    pub fn start_with(data: &Path, env: &[(&str, &str)], args: &[&str]) -> Self {
        let all = [
            &[
                "server",
                "--data-dir",
                data.to_str().unwrap(),
                "--bind-address",
                "127.0.0.1",
            ],
            args,
        ]
        .concat();
        let process = Process::start(k3s(&all, env));
        let line = process.wait_for("listens on");
        let address = line
            .split("listens on ")
            .nth(1)
            .unwrap()
            .trim_end_matches('"');
        Self {
            url: format!("https://{address}"),
            process,
            data: data.into(),
        }
    }

    pub fn token_file(&self) -> String {
        self.data.join("server/node-token").to_str().unwrap().into()
    }

    pub fn token(&self) -> String {
        fs::read_to_string(self.token_file()).unwrap().trim().into()
    }

    pub fn password(&self) -> String {
        self.token().split_once("::server:").unwrap().1.into()
    }

    /// The certificates of `/cacerts`, fetched without trust as a joining node must.
    pub fn cacerts(&self) -> String {
        let client = builder()
            .tls_danger_accept_invalid_certs(true)
            .build()
            .unwrap();
        client
            .get(format!("{}/cacerts", self.url))
            .send()
            .unwrap()
            .text()
            .unwrap()
    }

    /// A client that trusts this server alone, with a certificate and key of its own if given.
    pub fn client(&self, identity: Option<&str>) -> Client {
        let roots = Certificate::from_pem_bundle(self.cacerts().as_bytes()).unwrap();
        let mut builder = builder().tls_certs_only(roots);
        if let Some(pem) = identity {
            builder = builder.identity(Identity::from_pem(pem.as_bytes()).unwrap());
        }
        builder.build().unwrap()
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client(None).get(format!("{}{path}", self.url))
    }

    /// What a kubelet asks for itself.
    pub fn kubelet(&self, name: &str, password: &str) -> Response {
        let headers = [
            ("k3s-Node-Name", name),
            ("k3s-Node-Password", password),
            ("k3s-Node-IP", "192.0.2.1"),
        ];
        let request = self
            .get("/v1-k3s/client-kubelet.crt")
            .basic_auth("node", Some(self.password()));
        headers
            .iter()
            .fold(request, |request, (name, value)| {
                request.header(*name, *value)
            })
            .send()
            .unwrap()
    }

    /// An agent of this server, with `root` in place of `/`.
    pub fn agent(&self, root: &Folder, args: &[&str], env: &[(&str, &str)]) -> Process {
        let token_file = self.token_file();
        let mut command = k3s(
            &[&["agent"], args].concat(),
            &[("K3S_URL", &self.url), ("K3S_TOKEN_FILE", &token_file)],
        );
        command
            .env("STANDIN_ROOT", &root.0)
            .envs(env.iter().copied());
        Process::start(command)
    }

    pub fn kubectl(&self, words: &str) -> String {
        let args: Vec<&str> = ["kubectl"].into_iter().chain(words.split(' ')).collect();
        let output = k3s(&args, &[("K3S_DATA_DIR", self.data.to_str().unwrap())])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{words}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.data.join("requests.log")).unwrap()
    }
}

fn builder() -> reqwest::blocking::ClientBuilder {
    // The first test to come sets it for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy()
}

/// Waits until something is so.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The certificates of a bundle.
pub fn ders(pem: &str) -> Vec<Vec<u8>> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(|der| der.unwrap().to_vec())
        .collect()
}
