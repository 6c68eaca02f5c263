//! What the site knows of its boards: requests, leases and nodes.

use crate::site::TAG;
use crate::tools::{k3s, text, wait_for};
use crate::{Kind, PATIENCE, Site};
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A request at the k3s server.
#[derive(Clone, Debug)]
pub struct Request {
    pub at: SystemTime,
    pub client: String,
    pub method: String,
    pub path: String,
    pub status: u16,
    /// The node that asked, or `-`.
    pub node: String,
}

impl Site {
    /// The release that the server runs.
    pub fn tag(&self) -> &'static str {
        TAG
    }

    /// The join token.
    pub fn token(&self) -> String {
        let file = self.path("k3s/server/node-token");
        let token = fs::read_to_string(file).expect("the server's token");
        token.trim().into()
    }

    /// What the k3s server was asked.
    pub fn server_requests(&self) -> Vec<Request> {
        let log = fs::read_to_string(self.path("k3s/requests.log")).unwrap_or_default();
        let request = |line: &str| {
            let mut fields = line.split(' ');
            let milliseconds = fields.next()?.parse().ok()?;
            Some(Request {
                at: UNIX_EPOCH + Duration::from_millis(milliseconds),
                client: fields.next()?.into(),
                method: fields.next()?.into(),
                path: fields.next()?.into(),
                status: fields.next()?.parse().ok()?,
                node: fields.next()?.into(),
            })
        };
        // The last line may not be whole yet.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().filter_map(request).collect()
    }

    /// The requests that the server refused: 401 and 403.
    pub fn refusals(&self) -> Vec<Request> {
        let mut requests = self.server_requests();
        requests.retain(|request| matches!(request.status, 401 | 403));
        requests
    }

    /// What the mirror was asked for: path, status, bytes of body sent.
    pub fn mirror_requests(&self) -> Vec<(String, u16, u64)> {
        self.nginx_requests("mirror")
    }

    /// What the web server was asked for: path, status, bytes of body sent.
    pub fn web_requests(&self) -> Vec<(String, u16, u64)> {
        self.nginx_requests("web")
    }

    fn nginx_requests(&self, name: &str) -> Vec<(String, u16, u64)> {
        let log = self.path(name).join("access.log");
        let log = fs::read_to_string(log).unwrap_or_default();
        let request = |line: &str| {
            let (_, rest) = line.split_once("\"GET ")?;
            let (path, rest) = rest.split_once(' ')?;
            let mut numbers = rest.split_once("\" ")?.1.split(' ');
            Some((
                path.to_string(),
                numbers.next()?.parse().ok()?,
                numbers.next()?.parse().ok()?,
            ))
        };
        log.lines().filter_map(request).collect()
    }

    /// The address and the hostname sent, by MAC address.
    pub fn leases(&self) -> BTreeMap<String, (String, String)> {
        let text = fs::read_to_string(self.path("leases")).unwrap_or_default();
        let lease = |line: &str| {
            let fields: Vec<&str> = line.split(' ').collect();
            (fields.len() == 5).then(|| (fields[1].into(), (fields[2].into(), fields[3].into())))
        };
        text.lines().filter_map(lease).collect()
    }

    /// `k3s kubectl` with these arguments.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let mut command = self.command(text(&k3s(Kind::Namespace)));
        command.arg("kubectl").args(arguments);
        command.env("K3S_DATA_DIR", self.path("k3s"));
        let output = command.output().expect("kubectl");
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

    /// Since when the server has known the node.
    pub fn known_since(&self, name: &str) -> SystemTime {
        let record = self.path("k3s/server/nodes").join(name);
        let record = fs::read_to_string(record).expect("a node");
        let seconds = record.lines().next().and_then(|line| line.parse().ok());
        UNIX_EPOCH + Duration::from_secs(seconds.expect("a time"))
    }

    /// Waits until the server has heard the node after `since` and has it Ready; the time from then to its first word.
    /// `ended` is the output of a board that cannot join any more.
    pub fn wait_joined(
        &self,
        name: &str,
        since: SystemTime,
        ended: impl Fn() -> Option<String>,
    ) -> Duration {
        let path = format!("/api/v1/nodes/{name}");
        let patience = match self.kind() {
            Kind::Namespace => 4 * PATIENCE,
            Kind::Machine => self.kind().patience(),
        };
        let heard = || {
            let requests = self.server_requests();
            let first = requests.into_iter().find(|request| {
                let accepted = matches!(request.status, 200 | 201);
                request.at >= since && request.path == path && accepted
            });
            if let (None, Some(output)) = (&first, ended()) {
                panic!("{name} ended without joining; it printed:\n{output}");
            }
            first
        };
        let first = wait_for(&format!("{name} joins"), patience, heard);
        wait_for(&format!("{name} is Ready"), PATIENCE, || {
            (self.nodes().get(name).map(String::as_str) == Some("Ready")).then_some(())
        });
        first.at.duration_since(since).expect("it is later")
    }
}
