//! Reads and writes the record of this boot: a file that tells the node's identity, and which k3s
//! the node runs. muster writes the record after the server accepted the node and k3s was verified.
//!
//! The record is in `/run`, which is a tmpfs, so the record does not survive a reboot. While the
//! record exists, k3s can be restarted without a network request ([`super::restart`]).

use crate::board::hostname::Hostname;
use crate::board::mac::Mac;
use crate::board::node::Node;
use crate::digest::Sha256;
use crate::host::Host;
use crate::host::log_server::FoundServer;
use crate::host::process::Variable;
use crate::paths;
use anyhow::Result;
use serde_json::{Map, Value, json};

/// The contents of the record.
#[derive(Clone, Debug)]
pub struct Record {
    pub node: Node,
    /// The node's IP address when k3s was last started.
    pub address: Option<String>,
    /// The k3s server's URL.
    pub server: String,
    /// The release of k3s; `None` when muster does not know it.
    pub tag: Option<String>,
    /// The path of the k3s binary.
    pub program: String,
    /// The digest of the k3s binary.
    pub sha256: Sha256,
    /// The arguments of k3s.
    pub arguments: Vec<String>,
    /// The environment variables that k3s gets from muster. They may hold a secret, such as the
    /// password of a proxy.
    pub environment: Vec<Variable>,
    /// The log server whose name this boot looked up, with the address that was found, so that a
    /// restart of k3s sends no DNS request for this name.
    pub log_server: Option<FoundServer>,
}

impl Record {
    /// Reads the record of this boot; `None` when it is missing or damaged.
    pub fn read(host: &Host) -> Option<Record> {
        let text = host.read_text(paths::RECORD.path).ok()?;
        let record: Value = serde_json::from_str(&text).ok()?;
        let text = |name: &str| record[name].as_str().map(String::from);
        Some(Record {
            node: Node {
                mac: Mac::parse(&text("mac")?).ok()?,
                name: Hostname::parse(&text("name")?)?,
                interface: text("interface")?,
                serial: text("serial"),
            },
            address: text("address"),
            server: text("server")?,
            tag: text("tag"),
            program: text("program")?,
            sha256: Sha256::parse(&text("sha256")?)?,
            arguments: strings(&record["arguments"])?,
            environment: variables(&record["environment"])?,
            log_server: found_server(&record["log_server"]),
        })
    }

    /// Writes the record. It replaces an earlier record.
    pub fn write(&self, host: &Host) -> Result<()> {
        let environment: Map<String, Value> = self
            .environment
            .iter()
            .map(|variable| (variable.name.clone(), variable.value.as_str().into()))
            .collect();
        let record = json!({
            "name": self.node.name.as_str(),
            "mac": self.node.mac.to_string(),
            "interface": self.node.interface,
            "serial": self.node.serial,
            "address": self.address,
            "server": self.server,
            "tag": self.tag,
            "program": self.program,
            "sha256": self.sha256.to_string(),
            "arguments": self.arguments,
            "environment": environment,
            "log_server": self.log_server.as_ref().map(|(host, address)| {
                json!({ "host": host, "address": address.to_string() })
            }),
        });
        host.write_note(paths::RECORD, &format!("{record:#}\n"))
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    let texts = value.as_array()?.iter();
    texts.map(|text| Some(text.as_str()?.into())).collect()
}

fn variables(value: &Value) -> Option<Vec<Variable>> {
    let variables = value.as_object()?.iter();
    variables
        .map(|(name, value)| {
            Some(Variable {
                name: name.clone(),
                value: value.as_str()?.into(),
                shown: false,
            })
        })
        .collect()
}

fn found_server(value: &Value) -> Option<FoundServer> {
    let address = value["address"].as_str()?.parse().ok()?;
    Some((value["host"].as_str()?.into(), address))
}

#[cfg(test)]
pub(crate) mod tests;
