//! Starts the built stand-in, reads its log, and sends requests to a server with muster's HTTP
//! client.

use muster::http::identity::SigningRequest;
use muster::http::{Ca, Client, Clients, Identity, Request, Response};
use rustls::pki_types::UnixTime;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use url::Url;

/// The longest wait for an event.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A folder that is deleted when it is dropped.
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

/// A `k3s` command that does not inherit this process's environment.
pub fn k3s(args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k3s"));
    command.args(args).env_clear().envs(env.iter().copied());
    command
}

/// A running `k3s` and its log.
pub struct Process {
    child: Child,
    /// The lock lets threads of a test share the process.
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

    /// Waits for the next line of the log that contains `text`.
    pub fn wait_for(&self, text: &str) -> String {
        let until = Instant::now() + TIMEOUT;
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

/// A server on a free port.
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

    /// Fetches `/cacerts` without certificate verification, as a joining node does.
    pub fn cacerts(&self) -> String {
        let client = clients().unverified().unwrap();
        let request = Request::get(&client, &self.url("/cacerts"));
        text(request.response().unwrap())
    }

    /// The URL of a path on this server.
    pub fn url(&self, path: &str) -> Url {
        format!("{}{path}", self.url).parse().unwrap()
    }

    /// Makes a client that trusts only this server's CA. `identity` is a client certificate with
    /// its key.
    pub fn client(&self, identity: Option<&str>) -> Client {
        let ca = Ca::check(self.cacerts().as_bytes(), None, UnixTime::now()).unwrap();
        // The key in the answer is used, and not that of the request.
        let request = SigningRequest::new().unwrap();
        let identity = identity.map(|pem| Identity::of_answer(pem.as_bytes(), &request).unwrap());
        clients().pinned(&ca, identity.as_ref()).unwrap()
    }

    pub fn get(&self, path: &str) -> Request {
        Request::get(&self.client(None), &self.url(path))
    }

    /// Requests a kubelet certificate.
    pub fn kubelet(&self, name: &str, password: &str) -> Response {
        let headers = [
            ("k3s-Node-Name", name),
            ("k3s-Node-Password", password),
            ("k3s-Node-IP", "192.0.2.1"),
        ];
        let request = self
            .get("/v1-k3s/client-kubelet.crt")
            .basic_auth("node", &self.password());
        headers
            .iter()
            .fold(request, |request, (name, value)| {
                request.header(name, value)
            })
            .response()
            .unwrap()
    }

    /// Starts an agent of this server, with `root` as its root folder.
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

fn clients() -> Clients {
    let mut clients = Clients::new(None, None, None);
    // The machine may be busy with other tests.
    clients.timeouts.connect = Duration::from_secs(60);
    clients.timeouts.stall = Duration::from_secs(60);
    clients
}

/// The body of an answer.
pub fn text(mut answer: Response) -> String {
    let mut text = String::new();
    answer.read_to_string(&mut text).unwrap();
    text
}

/// Waits until a condition holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + TIMEOUT;
    while !condition() {
        assert!(Instant::now() < until, "timed out: {what}");
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
