//! The settings: their names, defaults and meanings, the places they come from, and their checked values.

pub mod sources;

use crate::digest::Sha256;
use crate::host::{Host, Variable};
use crate::hostname::{BadNaming, Naming};
use crate::release::Tag;
use crate::token::Token;
use anyhow::{Result, anyhow};
use reqwest::Url;
use sources::Source;
use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A setting as users see it: the help, the README's table and the reader all take it from here.
pub struct Setting {
    pub name: &'static str,
    /// Empty where there is none.
    pub default: &'static str,
    pub meaning: &'static str,
}

const fn setting(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting {
        name,
        default,
        meaning,
    }
}

/// Every setting. Names that k3s or its installer already has keep their meaning.
pub const SETTINGS: [Setting; 21] = [
    setting("K3S_URL", "", "the k3s server, https:// only; required"),
    setting(
        "K3S_TOKEN_FILE",
        "/etc/muster/token",
        "the file with the join token",
    ),
    setting("K3S_TOKEN", "", "the join token itself; better in a file"),
    setting(
        "INSTALL_K3S_VERSION",
        "",
        "a release tag; unset: the version the server runs",
    ),
    setting("INSTALL_K3S_CHANNEL", "", "follow this channel instead"),
    setting(
        "INSTALL_K3S_CHANNEL_URL",
        "https://update.k3s.io/v1-release/channels",
        "where channels are asked",
    ),
    setting("INSTALL_K3S_BIN_DIR", "/usr/local/bin", "where k3s goes"),
    setting(
        "INSTALL_K3S_SKIP_DOWNLOAD",
        "false",
        "true: the image carries k3s already",
    ),
    setting("INSTALL_K3S_EXEC", "", "more arguments for k3s agent"),
    setting(
        "MUSTER_MIRRORS",
        "server github",
        "release mirrors in order: server, github, base URLs",
    ),
    setting(
        "MUSTER_K3S_SHA256",
        "",
        "the one digest accepted; allows http:// mirrors",
    ),
    setting(
        "MUSTER_INTERFACE",
        "eth0",
        "the NIC that names the node, or auto",
    ),
    setting(
        "MUSTER_HOSTNAME_PREFIX",
        "worker-",
        "what hostnames begin with",
    ),
    setting("MUSTER_HOSTNAME_LENGTH", "6", "hex digits behind it"),
    setting(
        "MUSTER_DHCP",
        "yes",
        "no: something else configures the interface",
    ),
    setting("MUSTER_NTP", "pool.ntp.org", "time servers, or no"),
    setting(
        "MUSTER_NODE_SECRET_FILE",
        "",
        "keys the node password, in place of the token",
    ),
    setting("MUSTER_LOG", "info", "what to log (an env_logger filter)"),
    setting("HTTPS_PROXY", "", "a proxy for https, as everywhere"),
    setting("NO_PROXY", "", "hosts to reach without it, as everywhere"),
    setting(
        "SSL_CERT_FILE",
        "",
        "CAs for https mirrors, in place of the public ones",
    ),
];

/// A setting that cannot be used: the command exits with 2. It names the setting, its value and where that came from.
#[derive(Debug)]
pub struct BadSetting(String);

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadSetting {}

/// A value as it was given, and where.
#[derive(Clone, Debug)]
pub struct Value {
    name: &'static str,
    pub text: String,
    pub source: Source,
}

impl Value {
    /// The error that this value is wrong, and why. A secret's value is not shown.
    pub fn bad(&self, why: impl fmt::Display) -> anyhow::Error {
        let shown = if is_secret(self.name) {
            "<redacted>"
        } else {
            &self.text
        };
        BadSetting(format!("{}={shown:?} ({}): {why}", self.name, self.source)).into()
    }

    fn yes_or_no(&self) -> Result<bool> {
        match self.text.to_ascii_lowercase().as_str() {
            "yes" | "true" | "1" | "on" => Ok(true),
            "no" | "false" | "0" | "off" => Ok(false),
            _ => Err(self.bad("must be yes or no")),
        }
    }

    fn absolute_path(&self) -> Result<PathBuf> {
        match self.text.starts_with('/') {
            true => Ok(PathBuf::from(&self.text)),
            false => Err(self.bad("must be an absolute path")),
        }
    }

    fn url(&self, text: &str, schemes: &[&str]) -> Result<Url> {
        let url =
            Url::parse(text).map_err(|error| self.bad(format_args!("is not a URL: {error}")))?;
        if !schemes.contains(&url.scheme()) {
            return Err(self.bad(format_args!("must begin with {}://", schemes[0])));
        }
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(self.bad("a URL with user, password, query or fragment is not taken here"));
        }
        Ok(url)
    }
}

fn is_secret(name: &str) -> bool {
    // A proxy's URL may hold a password.
    name.ends_with("_TOKEN") || name.ends_with("_SECRET") || name.ends_with("_PROXY")
}

/// Which NIC names the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interface {
    Auto,
    Named(String),
}

/// Which k3s is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// The one that the server runs.
    Server,
    Tag(Tag),
    /// The one that this channel's URL answers with.
    Channel(Url),
}

/// Where releases are fetched from.
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
enum TokenPlace {
    File(Value),
    Here(Value),
}

/// What was read of the join token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenFound {
    /// The token, and the file that `k3s agent` is to read it from.
    Read(Token),
    /// A plan's user may not read it.
    Unreadable,
}

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    pub interface: Interface,
    /// As given, for messages about what was found there.
    pub interface_value: Value,
    pub naming: Naming,
    pub dhcp: bool,
    /// Time servers; none when `MUSTER_NTP` is `no`.
    pub ntp: Vec<String>,
    url: Option<Url>,
    token: TokenPlace,
    node_secret: Option<Value>,
    pub version: Version,
    pub bin_dir: PathBuf,
    pub skip_download: bool,
    /// More arguments for `k3s agent`.
    pub exec: Vec<String>,
    pub mirrors: Vec<Mirror>,
    pub pin: Option<Sha256>,
    pub https_proxy: Option<String>,
    pub no_proxy: Option<String>,
    ca_file: Option<Value>,
    /// `K3S_*` settings that are k3s's own business, for its environment.
    pub for_k3s: Vec<Variable>,
    pub log: Value,
    /// What the operator should know, for the log once there is one.
    pub warnings: Vec<String>,
}

/// Settings by name: the strongest value given for each.
struct Given(BTreeMap<&'static str, Value>);

impl Given {
    /// The value given, else the default; `None` where there is neither. Empty counts as not given.
    fn get(&self, name: &str) -> Option<Value> {
        let given = self.0.get(name).filter(|value| !value.text.is_empty());
        given
            .cloned()
            .or_else(|| Given::default(name).filter(|value| !value.text.is_empty()))
    }

    fn default(name: &str) -> Option<Value> {
        let setting = SETTINGS.iter().find(|setting| setting.name == name)?;
        Some(Value {
            name: setting.name,
            text: setting.default.into(),
            source: Source::Default,
        })
    }

    /// As [`Given::get`], for a setting that has a default.
    fn or_default(&self, name: &'static str) -> Value {
        self.get(name).unwrap_or(Value {
            name,
            text: String::new(),
            source: Source::Default,
        })
    }
}

/// The settings given to this run, before they are checked.
pub struct Raw {
    /// `--set NAME=VALUE`, in order.
    pub flags: Vec<(String, String)>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// The settings file.
    pub conf: String,
}

impl Settings {
    /// Reads all places and checks every value, used or not: a mistake shows at once, not at the step that trips over it.
    pub fn load(host: &Host, raw: &Raw) -> Result<Settings> {
        let mut given = Given(BTreeMap::new());
        let mut for_k3s = BTreeMap::new();
        // From the weakest place to the strongest: the last word stands.
        let conf = host.read_text(&raw.conf)?;
        for (line, name, value) in sources::conf_assignments(&conf) {
            let source = Source::File(raw.conf.clone(), line);
            match value {
                Ok(value) => take(&mut given, &mut for_k3s, &name, value, source)?,
                Err(_) if known(&name).is_none() && !name.starts_with("MUSTER_") => {}
                Err(why) => return Err(BadSetting(format!("{name} ({source}): {why}")).into()),
            }
        }
        for (name, value) in &raw.environment {
            // Proxies are written in lower case as often; curl's and Go's rule.
            let upper = name.to_ascii_uppercase();
            let name = if upper.ends_with("_PROXY") {
                &upper
            } else {
                name
            };
            take(
                &mut given,
                &mut for_k3s,
                name,
                value.clone(),
                Source::Environment,
            )?;
        }
        for (name, value) in sources::kernel_words(&host.read_text("/proc/cmdline")?) {
            take(&mut given, &mut for_k3s, &name, value, Source::Kernel)?;
        }
        for (name, value) in &raw.flags {
            if known(name).is_none() && !name.starts_with("K3S_") {
                return Err(BadSetting(format!("{name} (--set): there is no such setting")).into());
            }
            take(&mut given, &mut for_k3s, name, value.clone(), Source::Flag)?;
        }
        let mut settings = check(&given, for_k3s.into_values().collect())?;
        if let Some(Value {
            source: Source::File(path, _),
            ..
        }) = given.0.get("K3S_TOKEN")
            && host
                .metadata(path)
                .is_some_and(|meta| meta.permissions().mode() & 0o044 != 0)
        {
            settings.warnings.push(format!(
                "K3S_TOKEN stands in {path}, which every user can read: move it to a file of mode 0600 (K3S_TOKEN_FILE)"
            ));
        }
        Ok(settings)
    }

    /// The k3s server's URL. The error says that it is missing.
    pub fn url(&self) -> Result<&Url> {
        self.url.as_ref().ok_or_else(|| {
            BadSetting("K3S_URL=\"\" (not given): name the k3s server, such as K3S_URL=\"https://10.0.0.2:6443\" in /etc/conf.d/muster".into()).into()
        })
    }

    /// Reads the join token.
    pub fn token(&self, host: &Host) -> Result<TokenFound> {
        let (value, text) = match &self.token {
            TokenPlace::Here(value) => (value, value.text.clone()),
            TokenPlace::File(value) => match read_secret(host, value)? {
                Some(text) => (value, text),
                None => return Ok(TokenFound::Unreadable),
            },
        };
        Ok(TokenFound::Read(Token::parse(text.trim()).map_err(
            |why| value.bad(format_args!("the join token {why}")),
        )?))
    }

    /// The file that `k3s agent` can read the token from; `None` when the token was not given in a file.
    pub fn token_file(&self) -> Option<&str> {
        match &self.token {
            TokenPlace::File(value) => Some(&value.text),
            TokenPlace::Here(_) => None,
        }
    }

    /// What keys the node password apart from the token: `Ok(None)` when that setting is not given. On a plan whose user may
    /// not read the file, the inner value is empty.
    pub fn node_secret(&self, host: &Host) -> Result<Option<String>> {
        let Some(value) = &self.node_secret else {
            return Ok(None);
        };
        let text = read_secret(host, value)?.unwrap_or_default();
        Ok(Some(text.trim().to_string()))
    }

    /// The CAs for https mirrors, in PEM; `None` for the public ones, also where the file is missing: as OpenSSL and Go do, since
    /// fewer CAs are trusted then, not more.
    pub fn ca_file(&self, host: &Host) -> Option<Vec<u8>> {
        let value = self.ca_file.as_ref()?;
        let found = host
            .read(&value.text)
            .and_then(|bytes| bytes.ok_or_else(|| anyhow!("there is no such file")));
        found
            .inspect_err(|error| {
                log::warn!(
                    "{}; going on with the public CAs",
                    value.bad(format_args!("{error:#}"))
                )
            })
            .ok()
    }

    /// Whether the fetch step needs the k3s server.
    pub fn fetch_needs_server(&self) -> bool {
        !self.skip_download
            && (self.version == Version::Server || self.mirrors.contains(&Mirror::Server))
    }
}

/// The text of a secret's file; `None` when this is a plan and its user may not read it.
fn read_secret(host: &Host, value: &Value) -> Result<Option<String>> {
    let bytes = match host.read(&value.text) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(value.bad("there is no such file")),
        Err(error) => {
            let denied = error
                .root_cause()
                .downcast_ref::<std::io::Error>()
                .map(std::io::Error::kind);
            if host.plans() && denied == Some(std::io::ErrorKind::PermissionDenied) {
                log::warn!(
                    "{}={:?} ({}): this user may not read it; the plan goes on without it",
                    value.name,
                    value.text,
                    value.source
                );
                return Ok(None);
            }
            return Err(value.bad(format_args!("{error:#}")));
        }
    };
    let text = String::from_utf8(bytes).map_err(|_| value.bad("does not hold text"))?;
    match text.trim().is_empty() {
        true => Err(value.bad("the file is empty")),
        false => Ok(Some(text)),
    }
}

fn known(name: &str) -> Option<&'static str> {
    SETTINGS
        .iter()
        .map(|setting| setting.name)
        .find(|known| *known == name)
}

/// Takes one value from one place, over what weaker places said.
fn take(
    given: &mut Given,
    for_k3s: &mut BTreeMap<String, Variable>,
    name: &str,
    text: String,
    source: Source,
) -> Result<()> {
    let open_to_all = match source {
        Source::Kernel => Some("every pod can read the kernel command line"),
        Source::Flag => Some("every process can read a command's arguments"),
        _ => None,
    };
    if let Some(why) = open_to_all
        .filter(|_| ["K3S_TOKEN", "K3S_AGENT_TOKEN", "K3S_CLUSTER_SECRET"].contains(&name))
    {
        return Err(BadSetting(format!(
            "{name}=<redacted> ({source}): refused, {why}; put the token in /etc/muster/token"
        ))
        .into());
    }
    if let Some(name) = known(name) {
        given.0.insert(name, Value { name, text, source });
    } else if name.starts_with("MUSTER_") {
        return Err(BadSetting(format!(
            "{name}={text:?} ({source}): there is no such setting; muster --help lists them"
        ))
        .into());
    } else if name == "K3S_NODE_NAME" {
        let why = "muster names the node, from its MAC address; see MUSTER_HOSTNAME_PREFIX";
        return Err(BadSetting(format!("{name}={text:?} ({source}): {why}")).into());
    } else if name.starts_with("K3S_") {
        for_k3s.insert(
            name.into(),
            Variable {
                name: name.into(),
                value: text,
                shown: false,
            },
        );
    }
    Ok(())
}

fn check(given: &Given, for_k3s: Vec<Variable>) -> Result<Settings> {
    let interface_value = given.or_default("MUSTER_INTERFACE");
    let interface = match interface_value.text.as_str() {
        "auto" => Interface::Auto,
        // What the kernel takes as a name (Linux, dev_valid_name): also keeps it one path segment.
        name if name.len() < 16
            && name != "."
            && name != ".."
            && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace()) =>
        {
            Interface::Named(name.into())
        }
        _ => return Err(interface_value.bad("is not the name of a network interface")),
    };
    let url = match given.get("K3S_URL") {
        None => None,
        Some(value) => {
            let url = value.url(&value.text, &["https"])?;
            if url.path() != "/" {
                return Err(value.bad("must not have a path, just https://<host>:<port>"));
            }
            Some(url)
        }
    };
    let pin = match given.get("MUSTER_K3S_SHA256") {
        None => None,
        Some(value) => {
            Some(Sha256::parse(&value.text).ok_or_else(|| value.bad("must be 64 hex digits"))?)
        }
    };
    let skip_download = given.or_default("INSTALL_K3S_SKIP_DOWNLOAD");
    // The installer also takes the names of what to skip; `selinux` skips a package that Alpine has not.
    let skip_download = match skip_download.text.as_str() {
        "binary" => true,
        "selinux" => false,
        _ => skip_download.yes_or_no()?,
    };
    let https_proxy = given.get("HTTPS_PROXY");
    if let Some(value) = &https_proxy {
        Url::parse(&value.text)
            .map_err(|error| value.bad(format_args!("is not a URL: {error}")))?;
    }
    Ok(Settings {
        interface,
        interface_value,
        naming: naming(given)?,
        dhcp: given.or_default("MUSTER_DHCP").yes_or_no()?,
        ntp: ntp(given)?,
        url,
        token: token_place(given)?,
        node_secret: given
            .get("MUSTER_NODE_SECRET_FILE")
            .map(|value| value.absolute_path().map(|_| value))
            .transpose()?,
        version: version(given)?,
        bin_dir: given.or_default("INSTALL_K3S_BIN_DIR").absolute_path()?,
        skip_download,
        exec: exec(given)?,
        mirrors: mirrors(given, pin.is_some())?,
        pin,
        https_proxy: https_proxy.map(|value| value.text),
        no_proxy: given.get("NO_PROXY").map(|value| value.text),
        ca_file: given.get("SSL_CERT_FILE"),
        for_k3s,
        log: given.or_default("MUSTER_LOG"),
        warnings: Vec::new(),
    })
}

fn naming(given: &Given) -> Result<Naming> {
    // The one setting whose empty value means something: names without a prefix.
    let prefix = given
        .0
        .get("MUSTER_HOSTNAME_PREFIX")
        .cloned()
        .unwrap_or_else(|| given.or_default("MUSTER_HOSTNAME_PREFIX"));
    let length = given.or_default("MUSTER_HOSTNAME_LENGTH");
    let digits = length
        .text
        .parse()
        .map_err(|_| length.bad("must be a number of hex digits, 1 to 40"))?;
    Naming::new(&prefix.text, digits).map_err(|bad| match bad {
        BadNaming::Prefix(why) => prefix.bad(why),
        BadNaming::Length(why) => length.bad(why),
    })
}

fn ntp(given: &Given) -> Result<Vec<String>> {
    let value = given.or_default("MUSTER_NTP");
    let servers: Vec<String> = value
        .text
        .split([' ', ','])
        .filter(|word| !word.is_empty())
        .map(String::from)
        .collect();
    match servers.as_slice() {
        [no] if no == "no" => Ok(Vec::new()),
        _ if servers.iter().all(|name| {
            name.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".:-".contains(&b))
        }) =>
        {
            Ok(servers)
        }
        _ => Err(value.bad("must be names or addresses of time servers, or no")),
    }
}

fn token_place(given: &Given) -> Result<TokenPlace> {
    let file = given.or_default("K3S_TOKEN_FILE");
    match given.get("K3S_TOKEN") {
        // k3s: a token file that was named beats the token.
        Some(token) if file.source == Source::Default => Ok(TokenPlace::Here(token)),
        _ => file.absolute_path().map(|_| TokenPlace::File(file)),
    }
}

fn version(given: &Given) -> Result<Version> {
    let base = given.or_default("INSTALL_K3S_CHANNEL_URL");
    let base_url = base.url(&base.text, &["https"])?;
    if let Some(value) = given.get("INSTALL_K3S_VERSION") {
        let tag = Tag::parse(&value.text)
            .ok_or_else(|| value.bad("is not a release tag, such as v1.34.1+k3s1"))?;
        return Ok(Version::Tag(tag));
    }
    let Some(value) = given.get("INSTALL_K3S_CHANNEL") else {
        return Ok(Version::Server);
    };
    if !value
        .text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
    {
        return Err(value.bad("is not a channel's name, such as stable or v1.34"));
    }
    Ok(Version::Channel(below(&base_url, &[&value.text])))
}

fn exec(given: &Given) -> Result<Vec<String>> {
    let value = given.or_default("INSTALL_K3S_EXEC");
    let mut words = shlex::split(&value.text).ok_or_else(|| value.bad("a quote is not closed"))?;
    // The installer takes the command in front; here it can be this one only.
    match words.first().map(String::as_str) {
        Some("agent") => {
            words.remove(0);
        }
        Some("server") => return Err(value.bad("muster makes agents; take `server` out")),
        _ => {}
    }
    let secret = |word: &String| {
        let flag = word.split('=').next().unwrap_or_default();
        matches!(
            flag,
            "--token"
                | "-token"
                | "-t"
                | "--t"
                | "--agent-token"
                | "-agent-token"
                | "--cluster-secret"
                | "-cluster-secret"
        )
    };
    if words.iter().any(secret) {
        let why = "refused: every process can read a token given as an argument; put it in /etc/muster/token";
        return Err(BadSetting(format!(
            "INSTALL_K3S_EXEC=<redacted> ({}): {why}",
            value.source
        ))
        .into());
    }
    Ok(words)
}

fn mirrors(given: &Given, pinned: bool) -> Result<Vec<Mirror>> {
    let value = given.or_default("MUSTER_MIRRORS");
    let mirror = |word: &str| match word {
        "server" => Ok(Mirror::Server),
        "github" => Ok(Mirror::Github),
        _ if !word.contains("://") => {
            Err(value.bad(format_args!("{word} is neither server, github nor a URL")))
        }
        _ => {
            let url = value.url(word, &["https", "http"])?;
            match url.scheme() == "http" && !pinned {
                true => Err(value.bad(format_args!(
                    "{word} is plain http, which is taken with MUSTER_K3S_SHA256 only"
                ))),
                false => Ok(Mirror::Base(url)),
            }
        }
    };
    value
        .text
        .split([' ', ','])
        .filter(|word| !word.is_empty())
        .map(mirror)
        .collect()
}

/// `segments` below a URL, each of them escaped as one path segment.
pub fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // Only URLs without a host cannot hold segments, and none of those passes `Value::url`.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
