//! What the site knows of its boards: requests and leases.

use crate::Site;
use crate::is_standin;
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
    /// What the k3s server was asked. Only the stand-in tells that.
    pub fn server_requests(&self) -> Vec<Request> {
        assert!(is_standin(), "a test of requests must ask needs_standin");
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
}
