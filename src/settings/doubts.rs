//! Finds probable mistakes in the given settings. A valid value that is probably a mistake gives a
//! warning, and so does a variable for k3s whose name resembles a setting. This module also writes
//! the error for a name that is no setting.

use super::given::Given;
use super::sources::Source;
use super::table::SETTINGS;
use crate::http::proxy_url;
use crate::similar::{did_you_mean, similar};

/// What is wrong with a proxy that muster cannot use.
pub(super) const NO_PROXY_URL: &str =
    "must be the URL of an http or https proxy, such as http://proxy.lan:3128";

/// A warning for each value that is probably a mistake.
pub(super) fn warnings(given: &Given) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(url) = given.get("K3S_URL")
        && !has_port(&url.text)
    {
        warnings.push(format!(
            "K3S_URL={:?} ({}) has no port, so port 443 is used, but k3s usually listens on port 6443",
            url.text, url.source
        ));
    }
    if let Some(proxy) = given.get("HTTPS_PROXY")
        && proxy_url(&proxy.text).is_none()
    {
        warnings.push(proxy.bad(NO_PROXY_URL).to_string());
    }
    let version = given.get("INSTALL_K3S_VERSION");
    if let (Some(_), Some(channel)) = (&version, given.get("INSTALL_K3S_CHANNEL")) {
        warnings.push(format!(
            "INSTALL_K3S_CHANNEL={:?} ({}) is not used, because INSTALL_K3S_VERSION is set",
            channel.text, channel.source
        ));
    }
    if let (None, Some(digest)) = (&version, given.get("MUSTER_K3S_SHA256")) {
        warnings.push(format!(
            "MUSTER_K3S_SHA256 ({}) is the digest of one release: set INSTALL_K3S_VERSION too; \
             otherwise muster accepts no k3s after an upgrade of the server",
            digest.source
        ));
    }
    for (name, source) in given.names_for_k3s() {
        let settings = SETTINGS.iter().map(|setting| setting.name);
        if let Some(meant) = similar(name, settings) {
            warnings.push(format!(
                "{name} ({source}) is not a setting of muster and is passed on to k3s; did you \
                 mean {meant}?"
            ));
        }
    }
    warnings
}

/// The error's message for a name that is no setting. The value is not shown, because it may be a
/// secret: an operator may think that `MUSTER_TOKEN` is a setting.
pub(super) fn unknown(name: &str, source: &Source) -> String {
    let settings = SETTINGS.iter().map(|setting| setting.name);
    let hint = did_you_mean(name, settings, "muster --help lists the settings");
    format!("{name} ({source}): there is no such setting; {hint}")
}

/// Whether `url` was written with a port. `url` must have neither a user nor a path. The type `Url`
/// cannot tell this, because `Url` removes the port when it is the default port of the scheme.
fn has_port(url: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let authority = url.trim_end_matches('/');
    authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| digits(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        for url in ["https://a:6443", "https://a:443/", "https://[fd00::2]:6443"] {
            assert!(has_port(url), "{url}");
        }
        for url in ["https://a", "https://a/", "https://[fd00::2]", "https://a:"] {
            assert!(!has_port(url), "{url}");
        }
    }
}
