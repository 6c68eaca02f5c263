//! Checks the given values and turns them into [`Settings`].

use super::checked::{Interface, Settings, TokenPlace};
use super::given::{self, Given};
use super::sources::Source;
use super::value::Value;
use super::{agent_arguments, doubts, installer, origins, releases};
use crate::board::hostname::{BadNaming, Naming};
use crate::digest::Sha256;
use crate::host::network_time::TimeServers;
use crate::http::proxy_url;
use anyhow::Result;
use std::time::Duration;
use url::Url;

/// The longest time over which boards may spread their registration (seconds). A board does nothing
/// visible during this time, so a longer time is taken as a mistake.
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
        resolv_conf: given.for_k3s("K3S_RESOLV_CONF"),
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

/// A variable of k3s that must be the absolute path of a file or a folder.
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
        return Err(value.bad("must not have a path: write only https://<host>:<port>"));
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

fn https_proxy(given: &Given) -> Result<Option<Url>> {
    let Some(value) = given.get("HTTPS_PROXY") else {
        return Ok(None);
    };
    match proxy_url(&value.text) {
        Some(url) => Ok(Some(url)),
        // Other programs may be able to use this proxy. [`doubts`] warns of it.
        None if value.source == Source::Environment => Ok(None),
        None => Err(value.bad(doubts::NO_PROXY_URL)),
    }
}

/// Whether k3s would reach its server through the proxy. A value that k3s cannot read as true or
/// false (Go, `strconv.ParseBool`) counts as false, as in k3s.
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
        .map_err(|_| length.bad("must be the number of hex digits in a hostname, from 1 to 40"))?;
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
    let seconds =
        seconds.ok_or_else(|| value.bad("must be a number of seconds, from 0 to 3600"))?;
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
            Err(value.bad("has the word `no` and a time server: write `no` alone, or remove `no`"))
        }
        _ if !named.iter().all(is_name) => {
            Err(value.bad("must be the names or addresses of time servers, or the word no"))
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
mod tests;
