//! The k3s server of a site, and its own view of its nodes.
//!
//! It is the stand-in, or the k3s that `K3S` names, which may be a real one. Both are started and asked with the same command
//! lines: what a node is, the server tells by `k3s kubectl`. The boards run the stand-in's agent in both cases, since a namespace
//! has neither the cgroups nor the kernel that a real one needs for its containers. It joins as a real one does, with muster's
//! node password, and then creates its node and renews its lease with its kubelet's certificate, as a kubelet does.

use crate::tools::{board_k3s, run, text, top, wait_for};
use crate::{Kind, Output, PATIENCE, Service, Site};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How long a server may take until it answers: a real one unpacks itself first, and makes a database.
const START: Duration = Duration::from_secs(240);
/// A real server writes a node password and a link to its kubeconfig into this folder of the machine.
const OWN_ETC: &str = "mkdir -p /etc/rancher && mount -t tmpfs k3s /etc/rancher && exec \"$@\"";
/// What a real server would start beside what a board sees of it.
const NOT_NEEDED: &str = "coredns,local-storage,metrics-server,servicelb,traefik";
/// What follows the heartbeats of all nodes: a line for each, with the node's name and the time.
const HEARTBEATS: [&str; 8] = [
    "-n",
    "kube-node-lease",
    "get",
    "leases",
    "--watch",
    "--no-headers",
    "-o",
    "custom-columns=NAME:.metadata.name,RENEWED:.spec.renewTime",
];

/// The k3s that `K3S` names.
fn given() -> Option<PathBuf> {
    let path = std::env::var_os("K3S").filter(|path| !path.is_empty())?;
    let path = top().join(path);
    assert!(
        path.exists(),
        "K3S={}: there is no such file",
        path.display()
    );
    Some(path)
}

/// The program of the server: what `K3S` names, else the stand-in.
pub fn server_k3s() -> PathBuf {
    given().unwrap_or_else(|| board_k3s(Kind::Namespace))
}

/// Why a test needs the stand-in that reads [`Site::server_requests`].
pub const ASKED: &str = "a real server does not tell what it was asked";

/// Whether the calling test must end at once, because it needs what only the stand-in can do and `K3S` names another server.
/// The test is then named as skipped.
pub fn needs_standin(why: &str) -> bool {
    let skipped = given().is_some();
    if skipped {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("main");
        // Not by `eprintln!`, which the test's runner keeps to itself when a test succeeds.
        let line = format!("skipped with a real k3s: {test}: {why}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    skipped
}

/// Whether the server is the stand-in, which records the requests that it gets.
pub fn is_standin() -> bool {
    given().is_none()
}

impl Site {
    /// The release that the server runs.
    pub fn tag(&self) -> &'static str {
        static TAG: OnceLock<String> = OnceLock::new();
        TAG.get_or_init(|| {
            let version = run(&[text(&server_k3s()), "--version"]);
            // `k3s version v1.34.1+k3s1 (<commit>)`
            let tag = version.split_whitespace().nth(2);
            tag.expect("a version").into()
        })
    }

    pub(crate) fn start_server(&self, environment: &[(String, String)]) {
        let mut command = self.command("sh");
        command.args(["-c", OWN_ETC, "sh", text(&server_k3s()), "server"]);
        command.args(["--data-dir", text(&self.path("k3s"))]);
        command.args(["--write-kubeconfig", text(&self.kubeconfig())]);
        command.args(["--bind-address", self.address()]);
        // Without this a real server looks for a default route, and ends when there is none.
        command.args(["--node-ip", self.address()]);
        command.args(["--https-listen-port", "6443", "--tls-san", "k3s.lan"]);
        command.args(["--disable-agent", "--disable", NOT_NEEDED]);
        command.args(["--disable-cloud-controller", "--disable-helm-controller"]);
        command.envs(environment.iter().map(|(k, v)| (k, v)));
        self.run_service(Service::Server, &mut command);
        let token = self.path("k3s/server/node-token");
        wait_for("the k3s server's token", START, || {
            self.assert_runs(Service::Server);
            token.exists().then_some(())
        });
        self.wait_for_port(Service::Server, 6443);
        wait_for("the k3s server's nodes", START, || {
            self.assert_runs(Service::Server);
            let asked = self.kubectl_command().args(["get", "nodes"]).output();
            asked.expect("kubectl").status.success().then_some(())
        });
        let watch = Output::follow(self.kubectl_command().args(HEARTBEATS));
        *self.heartbeats.lock().unwrap() = Some(watch);
    }

    fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig.yaml")
    }

    /// The join token.
    pub fn token(&self) -> String {
        let file = self.path("k3s/server/node-token");
        let token = fs::read_to_string(file).expect("the server's token");
        token.trim().into()
    }

    /// The environment in which `k3s kubectl` asks this site's server. The stand-in's needs only the folder.
    pub fn kubectl_environment(&self) -> [(&'static str, PathBuf); 2] {
        [
            ("K3S_DATA_DIR", self.path("k3s")),
            ("KUBECONFIG", self.kubeconfig()),
        ]
    }

    fn kubectl_command(&self) -> Command {
        let mut command = self.command(text(&server_k3s()));
        command.arg("kubectl").envs(self.kubectl_environment());
        command
    }

    /// `k3s kubectl` with these arguments.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.kubectl_command().args(arguments).output();
        let output = output.expect("kubectl");
        assert!(
            output.status.success(),
            "kubectl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The nodes as the server sees them: name, and `Ready` or `NotReady`.
    pub fn nodes(&self) -> BTreeMap<String, String> {
        let text = self.kubectl(&["get", "nodes", "--no-headers"]);
        let node = |line: &str| {
            let mut fields = line.split_whitespace();
            Some((fields.next()?.to_string(), fields.next()?.to_string()))
        };
        text.lines().filter_map(node).collect()
    }

    /// What the server knows a node by, as long as it knows it.
    pub fn node_uid(&self, name: &str) -> String {
        let columns = "custom-columns=UID:.metadata.uid";
        let uid = self.kubectl(&["get", "node", name, "--no-headers", "-o", columns]);
        uid.trim().into()
    }

    /// When the server first heard the node at `since` or later, as far as it was heard since the server's start.
    pub fn heard(&self, name: &str, since: SystemTime) -> Option<SystemTime> {
        let heartbeats = self.heartbeats.lock().unwrap();
        // Without a server there is no answer.
        let watch = heartbeats.as_ref()?;
        let times = watch.lines().into_iter().filter_map(|line| {
            let mut fields = line.text.split_whitespace();
            let time = (fields.next()? == name).then(|| fields.next())??;
            Some(OffsetDateTime::parse(time, &Rfc3339).ok()?.into())
        });
        let first = times.filter(|time| *time >= since).min();
        let ended = first.is_none() && watch.has_ended();
        assert!(!ended, "kubectl has ended: {}", watch.text());
        first
    }

    /// Waits until the server has heard the node after `since` and has it Ready; the time from then to its first word.
    /// `ended` is the output of a board that cannot join any more.
    pub fn wait_joined(
        &self,
        name: &str,
        since: SystemTime,
        ended: impl Fn() -> Option<String>,
    ) -> Duration {
        let patience = match self.kind() {
            Kind::Namespace => 4 * PATIENCE,
            Kind::Machine => self.kind().patience(),
        };
        let first = wait_for(&format!("{name} joins"), patience, || {
            let first = self.heard(name, since);
            if let (None, Some(output)) = (&first, ended()) {
                panic!("{name} ended without joining; it printed:\n{output}");
            }
            first
        });
        wait_for(&format!("{name} is Ready"), PATIENCE, || {
            (self.nodes().get(name).map(String::as_str) == Some("Ready")).then_some(())
        });
        first.duration_since(since).expect("it is later")
    }
}
