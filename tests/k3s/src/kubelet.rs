//! What a kubelet tells the API server: its node, and its lease, which it renews as a heartbeat. The
//! requests are Kubernetes's own, so that an agent can join a real server too.

use crate::client::Client;
use crate::log;
use crate::objects::Collection;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

pub struct Kubelet {
    /// It asks with the kubelet's certificate.
    client: Client,
    name: String,
    labels: Value,
}

impl Kubelet {
    /// A kubelet that gives its node these labels, each of them `KEY=VALUE`.
    pub fn new(client: Client, name: &str, labels: &[String]) -> Self {
        let pairs = labels.iter().map(|label| {
            let (key, value) = label.split_once('=').unwrap_or((label, ""));
            (key.to_owned(), Value::from(value))
        });
        Self {
            client,
            name: name.into(),
            labels: Value::Object(pairs.collect()),
        }
    }

    /// Creates the node's object, or brings the one that is there already up to date.
    pub fn register(&mut self) -> Result<()> {
        let labels = self.labels.clone();
        let ready = json!({
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "the stand-in is running",
            "lastHeartbeatTime": log::now(),
        });
        let info = json!({"kubeletVersion": crate::version()});
        let status = json!({"conditions": [ready], "nodeInfo": info});
        let node = json!({
            "kind": "Node",
            "apiVersion": "v1",
            "metadata": {"name": self.name, "labels": labels},
            "status": status,
        });
        if self.send("POST", Collection::Nodes.path(), &node, 409)? == 409 {
            let own = self.path(Collection::Nodes);
            self.send("PATCH", &own, &json!({"metadata": {"labels": labels}}), 200)?;
            let own_status = format!("{own}/status");
            self.send("PATCH", &own_status, &json!({"status": status}), 200)?;
        }
        Ok(())
    }

    /// Renews the lease, or creates it.
    pub fn heartbeat(&mut self) -> Result<()> {
        let spec = json!({
            "holderIdentity": self.name,
            "leaseDurationSeconds": 40,
            "renewTime": log::now(),
        });
        let own = self.path(Collection::Leases);
        if self.send("PATCH", &own, &json!({"spec": spec}), 404)? == 404 {
            let lease = json!({
                "kind": "Lease",
                "apiVersion": "coordination.k8s.io/v1",
                "metadata": {"name": self.name},
                "spec": spec,
            });
            self.send("POST", Collection::Leases.path(), &lease, 201)?;
        }
        Ok(())
    }

    /// The path of the node's own object.
    fn path(&self, kind: Collection) -> String {
        format!("{}/{}", kind.path(), self.name)
    }

    /// Sends an object, or what has changed of it. Returns the status of the answer: success, or the
    /// one that is expected beside it.
    fn send(&mut self, method: &str, path: &str, body: &Value, expected: u16) -> Result<u16> {
        let content = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let headers = [("Content-Type", content), ("Accept", "application/json")];
        let body = body.to_string();
        let answer = self.client.request(method, path, &headers, body.as_bytes());
        let (status, answer) = answer.with_context(|| format!("{method} {path}"))?;
        if !matches!(status, 200 | 201) && status != expected {
            let answer = String::from_utf8_lossy(&answer);
            bail!("{method} {path}: {status}: {}", answer.trim_end());
        }
        Ok(status)
    }
}
