//! The checked values of all settings.

use super::value::{BadSetting, Value};
use crate::board::hostname::Naming;
use crate::board::node::Node;
use crate::digest::Sha256;
use crate::host::Host;
use crate::host::process::Variable;
use crate::k3s::password;
use crate::k3s::release::Tag;
use crate::k3s::token::{JoinToken, Token};
use anyhow::{Result, anyhow};
use std::path::PathBuf;
use url::Url;

/// Which NIC names the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interface {
    /// The one that netbooted, else the only physical one.
    Auto,
    Named(String),
}

/// Which k3s is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// The one that the server runs.
    Server,
    Tag(Tag),
    /// The one that this channel's URL answers with.
    Channel(Url),
}

/// Where releases are downloaded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mirror {
    /// The k3s server's own `/static/k3s`.
    Server,
    Github,
    /// A base URL laid out `<base>/<tag>/<asset>`.
    Base(Url),
}

/// Where the join token is.
#[derive(Clone, Debug)]
pub(super) enum TokenPlace {
    /// In the file that the value names.
    File(Value),
    /// In the value itself.
    Inline(Value),
}

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub interface: Interface,
    /// The interface as it was given, for messages about it.
    pub interface_value: Value,
    pub naming: Naming,
    /// Whether muster runs a DHCP client.
    pub dhcp: bool,
    /// Time servers; empty when `MUSTER_NTP` is `no`.
    pub ntp: Vec<String>,
    pub(super) url: Option<Url>,
    pub(super) token: TokenPlace,
    pub(super) node_secret: Option<Value>,
    pub version: Version,
    /// The folder where k3s is installed.
    pub bin_dir: PathBuf,
    /// Whether the image carries k3s already.
    pub skip_download: bool,
    /// More arguments for `k3s agent`.
    pub exec: Vec<String>,
    /// In the order in which they were given.
    pub mirrors: Vec<Mirror>,
    /// The one digest of k3s that is accepted.
    pub pin: Option<Sha256>,
    pub https_proxy: Option<String>,
    pub no_proxy: Option<String>,
    pub(super) ca_file: Option<Value>,
    /// `K3S_*` variables that muster does not use itself, for k3s's environment.
    pub for_k3s: Vec<Variable>,
    /// The log filter (env_logger).
    pub log: Value,
    /// Warnings about the settings. They are logged as soon as the log is set up.
    pub warnings: Vec<String>,
}

impl Settings {
    /// The k3s server's URL. It is an error when it was not given.
    pub fn url(&self) -> Result<&Url> {
        let missing = "K3S_URL=\"\" (not given): name the k3s server, such as \
                       K3S_URL=\"https://10.0.0.2:6443\" in /etc/conf.d/muster";
        self.url
            .as_ref()
            .ok_or_else(|| BadSetting(missing.into()).into())
    }

    /// The k3s server's URL without a slash at its end, as `K3S_URL` is written.
    pub fn server(&self) -> Result<&str> {
        Ok(self.url()?.as_str().trim_end_matches('/'))
    }

    /// Reads the join token.
    pub fn token(&self, host: &Host) -> Result<JoinToken> {
        let (value, text) = match &self.token {
            TokenPlace::Inline(value) => (value, value.text.clone()),
            TokenPlace::File(value) => match value.read_secret(host)? {
                Some(text) => (value, text),
                None => return Ok(JoinToken::Unreadable),
            },
        };
        // k3s would take several lines for one password, which no server has.
        if text.trim().contains('\n') {
            return Err(value.bad("the join token has more than one line"));
        }
        let token = Token::parse(text.trim());
        let token = token.map_err(|why| value.bad(format_args!("the join token {why}")))?;
        Ok(JoinToken::Read(token))
    }

    /// The file from which `k3s agent` can read the token; `None` when the token was not given in a
    /// file.
    pub fn token_file(&self) -> Option<&str> {
        match &self.token {
            TokenPlace::File(value) => Some(&value.text),
            TokenPlace::Inline(_) => None,
        }
    }

    /// The files beside the settings file that a boot reads: the token's and the node secret's.
    pub fn secret_files(&self) -> Vec<String> {
        let secret = self.node_secret.as_ref().map(|value| value.text.clone());
        let token = self.token_file().map(String::from);
        token.into_iter().chain(secret).collect()
    }

    /// The secret that keys the node password instead of the token; `None` when that setting was
    /// not given. In a dry run whose user may not read the file, the secret is empty.
    pub fn node_secret(&self, host: &Host) -> Result<Option<String>> {
        let Some(value) = &self.node_secret else {
            return Ok(None);
        };
        let text = value.read_secret(host)?.unwrap_or_default();
        Ok(Some(text.trim().to_string()))
    }

    /// The password by which the server knows this node, derived from the node secret, else from the
    /// token.
    pub fn node_password(&self, host: &Host, node: &Node, token: &JoinToken) -> Result<String> {
        let secret = match (self.node_secret(host)?, token) {
            (Some(secret), _) => secret,
            (None, JoinToken::Read(token)) => token.secret().into(),
            // A plan shows no password, so it needs none.
            (None, JoinToken::Unreadable) => String::new(),
        };
        Ok(password::derive(&secret, node))
    }

    /// The CAs for https mirrors, in PEM; `None` for the public ones. When the file is missing, the
    /// public ones are used with a warning, as OpenSSL and Go do.
    pub fn ca_file(&self, host: &Host) -> Option<Vec<u8>> {
        let value = self.ca_file.as_ref()?;
        let file = host
            .read(&value.text)
            .and_then(|bytes| bytes.ok_or_else(|| anyhow!("there is no such file")));
        file.inspect_err(|error| {
            let error = value.bad(format_args!("{error:#}"));
            log::warn!(target: "settings", "{error}; using the public CAs");
        })
        .ok()
    }

    /// Whether the fetch step needs the k3s server.
    pub fn fetch_needs_server(&self) -> bool {
        !self.skip_download
            && (self.version == Version::Server || self.mirrors.contains(&Mirror::Server))
    }
}
