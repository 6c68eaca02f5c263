//! Checks the given values and turns them into [`Settings`].

use super::checked::{Interface, Settings, TokenPlace};
use super::given::{self, Given};
use super::sources::Source;
use super::value::Value;
use super::{agent_arguments, doubts, installer, origins, releases};
use crate::board::hostname::{BadNaming, Naming};
use crate::digest::Sha256;
use crate::host::network_time::TimeServers;
use anyhow::Result;
use std::time::Duration;
use url::Url;

/// The longest time over which boards may spread their registration (seconds). A board seems to do
/// nothing meanwhile, so a longer time can only be a mistake.
const SPREAD_MAX: u64 = 3600;

/// Checks every value, also of settings that this run does not use.
pub(super) fn check(given: &Given) -> Result<Settings> {
    let interface_value = given.or_default("MUSTER_INTERFACE");
    let pin = pin(given)?;
    Ok(Settings {
        interface: interface(&interface_value)?,
        interface_value,
        naming: naming(given)?,
        dhcp: given.or_default("MUSTER_DHCP").yes_or_no()?,
        ntp: ntp(given)?,
        led: given.or_default("MUSTER_LED").led()?,
        log_server: given.or_default("MUSTER_SYSLOG").log_server()?,
        url: url(given)?,
        token: token_place(given)?,
        node_secret: node_secret(given)?,
        spread: spread(given)?,
        version: releases::version(given)?,
        bin_dir: given.or_default("INSTALL_K3S_BIN_DIR").absolute_path()?,
        skip_download: installer::skip_download(given)?,
        symlinks: installer::symlinks(given)?,
        exec: agent_arguments::parse(&given.or_default("INSTALL_K3S_EXEC"))?,
        mirrors: releases::mirrors(given)?,
        pin,
        airgap_images: given.or_default("MUSTER_AIRGAP_IMAGES").yes_or_no()?,
        https_proxy: https_proxy(given)?,
        no_proxy: given.get("NO_PROXY").map(|value| value.text),
        proxy_to_server: proxy_to_server(given),
        ca_file: given.get("SSL_CERT_FILE"),
        config_file: absolute_for_k3s(given, "K3S_CONFIG_FILE")?,
        data_dir: absolute_for_k3s(given, "K3S_DATA_DIR")?,
        for_k3s: given.k3s_variables(),
        log: given.or_default("MUSTER_LOG"),
        origins: origins::origins(given),
        warnings: [given.warnings.clone(), doubts::warnings(given)].concat(),
    })
}

fn interface(value: &Value) -> Result<Interface> {
    match value.text.as_str() {
        "auto" => Ok(Interface::Auto),
        // These are the kernel's rules for the name of an interface (Linux, dev_valid_name). Such a
        // name is also safe as one component of a path.
        name if name.len() < 16
            && name != "."
            && name != ".."
            && !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace()) =>
        {
            Ok(Interface::Named(name.into()))
        }
        _ => Err(value.bad("is not the name of a network interface")),
    }
}

/// A variable of k3s that names a file or a folder, and neither a URL nor a relative path.
fn absolute_for_k3s(given: &Given, name: &'static str) -> Result<Option<Value>> {
    let value = given.for_k3s(name);
    value.as_ref().map(Value::absolute_path).transpose()?;
    Ok(value)
}

fn url(given: &Given) -> Result<Option<Url>> {
    let Some(value) = given.get("K3S_URL") else {
        return Ok(None);
    };
    let url = value.url(&value.text, &["https"])?;
    if url.path() != "/" {
        return Err(value.bad("must not have a path, just https://<host>:<port>"));
    }
    Ok(Some(url))
}

fn pin(given: &Given) -> Result<Option<Sha256>> {
    let Some(value) = given.get("MUSTER_K3S_SHA256") else {
        return Ok(None);
    };
    match Sha256::parse(&value.text) {
        Some(digest) => Ok(Some(digest)),
        None => Err(value.bad("must be 64 hex digits")),
    }
}

fn https_proxy(given: &Given) -> Result<Option<String>> {
    let Some(value) = given.get("HTTPS_PROXY") else {
        return Ok(None);
    };
    Url::parse(&value.text).map_err(|_| value.bad("must be a URL, as in http://proxy.lan:3128"))?;
    Ok(Some(value.text))
}

/// Whether k3s would reach its server through the proxy. A value that is no truth value for k3s
/// (Go, `strconv.ParseBool`) counts as false there too.
fn proxy_to_server(given: &Given) -> bool {
    let allowed = given.for_k3s("K3S_AGENT_HTTP_PROXY_ALLOWED");
    allowed
        .is_some_and(|value| ["1", "t", "T", "true", "True", "TRUE"].contains(&value.text.as_str()))
}

fn node_secret(given: &Given) -> Result<Option<Value>> {
    let Some(value) = given.get("MUSTER_NODE_SECRET_FILE") else {
        return Ok(None);
    };
    value.absolute_path()?;
    Ok(Some(value))
}

fn naming(given: &Given) -> Result<Naming> {
    // An empty prefix is valid: the hostnames then have no prefix. For all other settings, an empty
    // value counts as not given.
    let prefix = given
        .given("MUSTER_HOSTNAME_PREFIX")
        .cloned()
        .unwrap_or_else(|| given.or_default("MUSTER_HOSTNAME_PREFIX"));
    let length = given.or_default("MUSTER_HOSTNAME_LENGTH");
    let digits = length
        .text
        .parse()
        .map_err(|_| length.bad("must be the number of hex digits, from 1 to 40"))?;
    Naming::new(&prefix.text, digits).map_err(|bad| match bad {
        BadNaming::Prefix(why) => prefix.bad(why),
        BadNaming::Length(why) => length.bad(why),
    })
}

fn spread(given: &Given) -> Result<Duration> {
    let value = given.or_default("MUSTER_SPREAD");
    let seconds = value
        .text
        .parse()
        .ok()
        .filter(|seconds| *seconds <= SPREAD_MAX);
    let seconds = seconds.ok_or_else(|| value.bad("must be a number of seconds, 0 to 3600"))?;
    Ok(Duration::from_secs(seconds))
}

fn ntp(given: &Given) -> Result<Option<TimeServers>> {
    let value = given.or_default("MUSTER_NTP");
    let servers = |text: &str| -> Vec<String> {
        let words = text.split([' ', ',']);
        words
            .filter(|word| !word.is_empty())
            .map(String::from)
            .collect()
    };
    let named = servers(&value.text);
    let is_name = |name: &String| {
        name.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".:-".contains(&b))
    };
    match named.as_slice() {
        [] => Err(value.bad("names no time server")),
        [no] if no == "no" => Ok(None),
        _ if named.iter().any(|name| name == "no") => {
            Err(value.bad("is `no` and a name: write `no` alone, or leave it out"))
        }
        _ if !named.iter().all(is_name) => {
            Err(value.bad("must be names or addresses of time servers, or no"))
        }
        _ if value.source == Source::Default => Ok(Some(TimeServers {
            named: Vec::new(),
            last: named,
        })),
        _ => {
            let default = given::default("MUSTER_NTP").map(|value| value.text);
            let last = servers(&default.unwrap_or_default());
            Ok(Some(TimeServers { named, last }))
        }
    }
}

fn token_place(given: &Given) -> Result<TokenPlace> {
    let file = given.or_default("K3S_TOKEN_FILE");
    match given.get("K3S_TOKEN") {
        // As in k3s, when K3S_TOKEN_FILE and K3S_TOKEN are both given, the file is used.
        Some(token) if file.source == Source::Default => Ok(TokenPlace::Inline(token)),
        _ => file.absolute_path().map(|_| TokenPlace::File(file)),
    }
}

#[cfg(test)]
mod tests {
    use crate::host::{Host, Mode};
    use crate::settings::checked::Symlinks;
    use crate::settings::{self, Interface, Mirror, Settings, Sources, Version};

    /// The settings that these `--set` flags give, or the error's text.
    fn settings(flags: &[(&str, &str)]) -> Result<Settings, String> {
        let root = tempfile::tempdir().unwrap();
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let sources = Sources {
            flags: flags.iter().map(owned).collect(),
            environment: Vec::new(),
            conf: "/none".into(),
        };
        let host = Host::new(root.path(), Mode::Plan);
        settings::load(&host, &sources).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.interface, Interface::Named("eth0".into()));
        assert_eq!(settings.version, Version::Server);
        assert_eq!(settings.mirrors, [Mirror::Server, Mirror::Github]);
        assert!(settings.dhcp && !settings.skip_download && settings.fetch_needs_server());
        assert!(settings.url().is_err(), "K3S_URL is required");
    }

    #[test]
    fn invalid_values_name_setting_and_source() {
        for (name, value) in [
            ("MUSTER_INTERFACE", "a/b"),
            ("K3S_URL", "https://k3s/path"),
            ("K3S_URL", "http://k3s"),
            ("MUSTER_K3S_SHA256", "abc"),
            ("INSTALL_K3S_SKIP_DOWNLOAD", "perhaps"),
            ("HTTPS_PROXY", "proxy"),
            ("MUSTER_NODE_SECRET_FILE", "relative"),
            ("MUSTER_NTP", "a_b"),
            ("MUSTER_SYSLOG", "udp://logs"),
            ("MUSTER_LED", "leds/ACT"),
            ("MUSTER_SPREAD", "2s"),
            ("MUSTER_SPREAD", "3601"),
            ("MUSTER_AIRGAP_IMAGES", "all"),
            ("INSTALL_K3S_VERSION", "stable"),
            ("INSTALL_K3S_CHANNEL", "a/b"),
            ("INSTALL_K3S_EXEC", "server"),
            ("INSTALL_K3S_EXEC", "'open"),
            ("MUSTER_MIRRORS", "ftp://mirror"),
            ("MUSTER_MIRRORS", "mirror"),
            ("MUSTER_MIRRORS", "https://mirror?x"),
            ("INSTALL_K3S_ARTIFACT_URL", "mirror"),
            ("INSTALL_K3S_BIN_DIR_READ_ONLY", "perhaps"),
            ("INSTALL_K3S_SYMLINK", "yes"),
        ] {
            let error = settings(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(&format!("{name}=")), "{error}");
            assert!(error.contains("(--set): "), "{error}");
        }
    }

    #[test]
    fn a_read_only_folder_has_k3s_already_and_gets_no_links() {
        let read_only = ("INSTALL_K3S_BIN_DIR_READ_ONLY", "true");
        let settings = settings(&[read_only, ("INSTALL_K3S_SYMLINK", "force")]).unwrap();
        assert!(settings.skip_download && settings.symlinks == Symlinks::Skip);
    }

    #[test]
    fn the_artifact_url_takes_the_place_of_github() {
        let artifacts = ("INSTALL_K3S_ARTIFACT_URL", "https://artifacts/k3s");
        let base = Mirror::Base("https://artifacts/k3s".parse().unwrap());
        let mirrors = settings(&[artifacts]).unwrap().mirrors;
        assert_eq!(mirrors, [Mirror::Server, base]);
        let other = [artifacts, ("MUSTER_MIRRORS", "server")];
        assert_eq!(settings(&other).unwrap().mirrors, [Mirror::Server]);
    }

    #[test]
    fn the_server_is_reached_through_the_proxy_only_where_k3s_does_it_too() {
        let proxy = ("HTTPS_PROXY", "http://proxy:3128");
        let allowed = |value| {
            let allowed = ("K3S_AGENT_HTTP_PROXY_ALLOWED", value);
            settings(&[proxy, allowed]).unwrap().proxy_to_server
        };
        assert!(allowed("true") && allowed("1"));
        assert!(!allowed("") && !allowed("yes") && !allowed("false"));
        assert!(!settings(&[proxy]).unwrap().proxy_to_server);
    }

    #[test]
    fn plain_http_mirrors_need_the_server_unless_the_digest_is_pinned() {
        let needs_server = |mirror, pin: &str| {
            let version = ("INSTALL_K3S_VERSION", "v1.34.1+k3s1");
            let mirrors = ("MUSTER_MIRRORS", mirror);
            let settings = settings(&[version, mirrors, ("MUSTER_K3S_SHA256", pin)]);
            settings.unwrap().fetch_needs_server()
        };
        assert!(needs_server("http://mirror, github", ""));
        assert!(!needs_server("http://mirror, github", &"0".repeat(64)));
        assert!(!needs_server("https://mirror, github", ""));
    }
}
