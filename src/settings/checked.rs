//! Holds the checked values of all settings.

use super::value::{BadSetting, Value};
use crate::board::hostname::Naming;
use crate::board::node::Node;
use crate::digest::Sha256;
use crate::host::Host;
use crate::host::network_time::TimeServers;
use crate::host::process::Variable;
use crate::http::Clients;
use crate::k3s::password;
use crate::k3s::release::Tag;
use crate::k3s::token::{JoinToken, Token};
use crate::report::LogServer;
use crate::report::led::Led;
use anyhow::Result;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Which network interface gives the node its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interface {
    /// The interface that the board netbooted from, if the kernel command line names it (`BOOTIF`);
    /// otherwise the only physical wired interface.
    Auto,
    Named(String),
}

/// Which release of k3s is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// The release that the k3s server runs.
    Server,
    Tag(Tag),
    /// The release that a request to this channel's URL returns.
    Channel(Url),
}

/// Where releases are downloaded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mirror {
    /// The path `/static/k3s` of the k3s server.
    Server,
    Github,
    /// A base URL. The files of a release are at `<base>/<tag>/<asset>`.
    Base(Url),
}

/// Which links to k3s, such as `kubectl`, are made in its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symlinks {
    /// The links whose command does not exist yet.
    Missing,
    /// All links. They replace files that exist.
    Force,
    /// No link.
    Skip,
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
    /// The value of `MUSTER_INTERFACE` as it was given, for messages.
    pub interface_value: Value,
    pub naming: Naming,
    /// Whether muster runs a DHCP client.
    pub dhcp: bool,
    /// Time servers; `None` when `MUSTER_NTP` is `no`.
    pub ntp: Option<TimeServers>,
    /// The LED that shows the state of the boot.
    pub led: Led,
    /// Where the log is sent.
    pub log_server: LogServer,
    pub(super) url: Option<Url>,
    pub(super) token: TokenPlace,
    pub(super) node_secret: Option<Value>,
    /// The time over which the boards of a site spread their registration.
    pub spread: Duration,
    pub version: Version,
    /// The folder where k3s is installed.
    pub bin_dir: PathBuf,
    /// Whether k3s is already in the image and is not downloaded.
    pub skip_download: bool,
    pub symlinks: Symlinks,
    /// More arguments for `k3s agent`.
    pub exec: Vec<String>,
    /// The mirrors, in the order in which they were given.
    pub mirrors: Vec<Mirror>,
    /// The pinned digest: a k3s with any other digest is not accepted.
    pub pin: Option<Sha256>,
    /// Whether the release's archive of container images is downloaded too.
    pub airgap_images: bool,
    pub(super) https_proxy: Option<Url>,
    pub(super) no_proxy: Option<String>,
    /// Whether the k3s server is reached through the proxy too.
    pub(super) proxy_to_server: bool,
    pub(super) ca_file: Option<Value>,
    pub(super) config_file: Option<Value>,
    pub(super) data_dir: Option<Value>,
    pub(super) resolv_conf: Option<Value>,
    /// The variables that muster passes on to k3s's environment: the proxies, and the variables of
    /// k3s that are no settings of muster.
    pub for_k3s: Vec<Variable>,
    /// The log filter (env_logger).
    pub log: Value,
    /// Texts for `muster check`, one for each setting that was given. A text has the value, the
    /// place where the value was given, and the values that this value overrides.
    pub origins: Vec<String>,
    /// Warnings about the settings, for the log or for the report of `muster check`.
    pub warnings: Vec<String>,
}

impl Settings {
    /// The k3s server's URL. Fails when `K3S_URL` was not given.
    pub fn url(&self) -> Result<&Url> {
        let missing = "K3S_URL=\"\" (not given): set the URL of the k3s server, such as \
                       K3S_URL=\"https://10.0.0.2:6443\", in /etc/conf.d/muster";
        self.url
            .as_ref()
            .ok_or_else(|| BadSetting(missing.into()).into())
    }

    /// The k3s server's URL without a slash at its end, as users write it in `K3S_URL`.
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
        // k3s would read several lines as one password, and no server has such a password.
        if text.trim().contains('\n') {
            return Err(value.bad("the join token has more than one line"));
        }
        let token = Token::parse(text.trim());
        let token = token.map_err(|why| value.bad(format_args!("the join token {why}")))?;
        Ok(JoinToken::Read(token))
    }

    /// The path of the token file, which `k3s agent` reads too; `None` when the token was given in
    /// `K3S_TOKEN` and not in a file.
    pub fn token_file(&self) -> Option<&str> {
        match &self.token {
            TokenPlace::File(value) => Some(&value.text),
            TokenPlace::Inline(_) => None,
        }
    }

    /// The paths of the secret files that a boot reads: the file with the join token and the file
    /// with the node secret.
    pub fn secret_files(&self) -> Vec<String> {
        self.secret_values()
            .map(|value| value.text.clone())
            .collect()
    }

    /// The settings that name the files of [`Settings::secret_files`].
    pub(super) fn secret_values(&self) -> impl Iterator<Item = &Value> {
        let token = match &self.token {
            TokenPlace::File(value) => Some(value),
            TokenPlace::Inline(_) => None,
        };
        token.into_iter().chain(&self.node_secret)
    }

    /// Messages for the operator about files that the settings name and that do not exist, and
    /// about a file of CAs that cannot be used.
    pub fn missing_files(&self, host: &Host) -> Vec<String> {
        let secrets = self
            .secret_values()
            .filter(|value| host.metadata(&value.text).is_none())
            .map(|value| value.no_such_file(host));
        let ca_file = self.ca_file.iter();
        let ca_file = ca_file.filter_map(|value| value.read_certificates(host).err());
        secrets
            .chain(ca_file)
            .map(|error| error.to_string())
            .collect()
    }

    /// The node secret. When it is given, the node password is derived from it and not from the
    /// token. `None` when `MUSTER_NODE_SECRET_FILE` was not given. In a dry run whose user may not
    /// read this file, the secret is empty.
    pub fn node_secret(&self, host: &Host) -> Result<Option<String>> {
        let Some(value) = &self.node_secret else {
            return Ok(None);
        };
        let text = value.read_secret(host)?.unwrap_or_default();
        Ok(Some(text.trim().to_string()))
    }

    /// The settings for the plan of another board, without a node secret whose file may still be
    /// elsewhere: a missing file is only a warning, since a plan does not show the password.
    pub fn without_missing_node_secret(&self, host: &Host) -> Settings {
        let mut settings = self.clone();
        let missing = |value: &mut Value| host.metadata(&value.text).is_none();
        if let Some(value) = settings.node_secret.take_if(missing) {
            let error = value.no_such_file(host);
            log::warn!(target: "settings", "{error}; the plan goes on without it");
        }
        settings
    }

    /// The node password, by which the server recognizes this node. It is derived from the node
    /// secret, or from the token when there is no node secret.
    pub fn node_password(&self, host: &Host, node: &Node, token: &JoinToken) -> Result<String> {
        let secret = match (self.node_secret(host)?, token) {
            (Some(secret), _) => secret,
            (None, JoinToken::Read(token)) => token.secret().into(),
            // The token is unreadable only in a dry run, and a dry run does not show the password.
            (None, JoinToken::Unreadable) => String::new(),
        };
        Ok(password::derive(&secret, node))
    }

    /// The HTTP clients with the proxy and the CAs of the settings. A file of CAs that cannot be
    /// used causes only a warning.
    pub fn clients(&self, host: &Host) -> Clients {
        let (proxy, exceptions) = (self.https_proxy.clone(), self.no_proxy.as_deref());
        let mut clients = Clients::new(proxy, exceptions, self.ca_file(host));
        if self.proxy_to_server {
            clients.allow_proxy_to_server();
        }
        clients
    }

    /// The CA certificates for https mirrors, in PEM; `None` means the public CAs. When the file in
    /// `SSL_CERT_FILE` cannot be read or has no certificate, the public CAs are used, as in OpenSSL
    /// and Go, and a warning is logged.
    fn ca_file(&self, host: &Host) -> Option<Vec<u8>> {
        let file = self.ca_file.as_ref()?.read_certificates(host);
        file.inspect_err(|error| {
            log::warn!(target: "settings", "{error}; muster uses the public CAs instead");
        })
        .ok()
    }

    /// Whether the fetch step needs the k3s server.
    pub fn fetch_needs_server(&self) -> bool {
        // For a plain http mirror the digest comes from the k3s server, unless the digest is
        // pinned. The digest of the image archive cannot be pinned.
        let is_plain =
            |mirror: &Mirror| matches!(mirror, Mirror::Base(url) if url.scheme() == "http");
        !self.skip_download
            && (self.version == Version::Server
                || self.mirrors.contains(&Mirror::Server)
                || (self.pin.is_none() || self.airgap_images) && self.mirrors.iter().any(is_plain))
    }
}
