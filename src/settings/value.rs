//! Holds the value of a setting as it was given, and makes the checks that several settings share.

use super::sources::Source;
use crate::host::Host;
use crate::host::process::SECRET_VARIABLES;
use crate::report::LogServer;
use crate::report::led::Led;
use anyhow::Result;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use url::Url;

/// A setting, or a key in a configuration file of k3s, that cannot be used. The message names the
/// setting or key, and the place where it was given. The command exits with status 2.
#[derive(Debug)]
pub struct BadSetting(pub String);

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadSetting {}

impl BadSetting {
    /// Whether a setting is the cause of `error`.
    pub fn is_cause_of(error: &anyhow::Error) -> bool {
        error.chain().any(|cause| cause.is::<BadSetting>())
    }
}

/// A value as it was given, and where it came from.
#[derive(Clone, Debug)]
pub struct Value {
    /// The setting's name.
    pub name: &'static str,
    pub text: String,
    pub source: Source,
}

impl Value {
    /// Returns the error that this value is wrong, with the reason `why`. The error does not show
    /// the value of a secret.
    pub fn bad(&self, why: impl fmt::Display) -> anyhow::Error {
        let shown = self.shown();
        BadSetting(format!("{}={shown:?} ({}): {why}", self.name, self.source)).into()
    }

    /// The value as messages show it.
    pub(super) fn shown(&self) -> &str {
        match self.is_secret() {
            true => "<redacted>",
            false => &self.text,
        }
    }

    /// Whether messages must not show the value.
    fn is_secret(&self) -> bool {
        // A proxy's URL may hold a password, and so may the URL of k3s's configuration. A setting
        // with the path of a secret's file may have the secret itself by mistake. A token may be in
        // any setting by mistake.
        let of_secret = self.name.ends_with("_FILE") && self.name != "SSL_CERT_FILE";
        SECRET_VARIABLES.contains(&self.name)
            || self.name.ends_with("_PROXY")
            || of_secret && !is_path(&self.text)
            || self.text.starts_with("K10")
    }

    /// Reads the value as yes (`true`) or no (`false`).
    pub(super) fn yes_or_no(&self) -> Result<bool> {
        match self.text.to_ascii_lowercase().as_str() {
            "yes" | "true" | "1" | "on" => Ok(true),
            "no" | "false" | "0" | "off" => Ok(false),
            _ => Err(self.bad("must be yes or no")),
        }
    }

    /// The value as a LED.
    pub(super) fn led(&self) -> Result<Led> {
        Led::parse(&self.text)
            .ok_or_else(|| self.bad("must be auto, no, or the name of a LED in /sys/class/leds"))
    }

    /// The value as the place where the log is sent.
    pub(super) fn log_server(&self) -> Result<LogServer> {
        LogServer::parse(&self.text).ok_or_else(|| {
            self.bad(
                "must be the name or address of a log server, such as logs.lan:514, or the word no",
            )
        })
    }

    /// The value as an absolute path.
    pub(super) fn absolute_path(&self) -> Result<PathBuf> {
        match self.text.starts_with('/') {
            true => Ok(PathBuf::from(&self.text)),
            false if self.is_secret() => Err(self.bad(
                "must be an absolute path; the value is hidden, because it may be the secret itself",
            )),
            false => Err(self.bad("must be an absolute path")),
        }
    }

    /// Parses `text` as a URL with one of these schemes. `text` is the value of the setting, or one
    /// word of the value.
    pub(super) fn url(&self, text: &str, schemes: &[&str]) -> Result<Url> {
        let example = match (self.name, schemes) {
            ("K3S_URL", _) => "begin with https://, as in https://k3s.lan:6443",
            (_, [_]) => "begin with https://",
            _ => "begin with https:// or http://",
        };
        if !schemes
            .iter()
            .any(|scheme| begins_with_scheme(text, scheme))
        {
            return Err(self.bad(format_args!("must be a URL and {example}")));
        }
        let url =
            Url::parse(text).map_err(|error| self.bad(format_args!("is not a URL: {error}")))?;
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(self.bad("a URL with user, password, query or fragment is not accepted"));
        }
        Ok(url)
    }

    /// Returns the error for a value that is the path of a missing file.
    pub(super) fn no_such_file(&self, host: &Host) -> anyhow::Error {
        let root = host.path("/");
        match root.components().as_path() {
            root if root == Path::new("/") => self.bad("there is no such file"),
            root => self.bad(format_args!(
                "there is no such file below {}",
                root.display()
            )),
        }
    }

    /// Reads a file of certificates (PEM). The value is its path.
    pub(super) fn read_certificates(&self, host: &Host) -> Result<Vec<u8>> {
        let bytes = host.read(&self.text);
        let bytes = bytes.map_err(|error| self.bad(format_args!("{error:#}")))?;
        let bytes = bytes.ok_or_else(|| self.no_such_file(host))?;
        match CertificateDer::pem_slice_iter(&bytes).next() {
            Some(Ok(_)) => Ok(bytes),
            Some(Err(error)) => Err(self.bad(format_args!("the file is damaged: {error}"))),
            None => Err(self.bad("the file has no certificate (-----BEGIN CERTIFICATE-----)")),
        }
    }

    /// Reads the text of a file. The value is its path. Returns `None` in a dry run whose user
    /// may not read the file.
    pub(super) fn read_secret(&self, host: &Host) -> Result<Option<String>> {
        let bytes = match host.read(&self.text) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(self.no_such_file(host)),
            Err(error) => {
                if is_unreadable_in_plan(host, &error) {
                    let why = "this user may not read the file; muster continues without the file";
                    log::warn!(target: "settings", "{}", self.bad(why));
                    return Ok(None);
                }
                return Err(self.bad(format_args!("{error:#}")));
            }
        };
        let text = String::from_utf8(bytes).map_err(|_| self.bad("the file is not UTF-8 text"))?;
        match text.trim().is_empty() {
            true => Err(self.bad("the file is empty")),
            false => Ok(Some(text)),
        }
    }
}

/// Whether a text looks like a path and not like a secret. A secret in base64 may begin with a
/// slash, and has the characters `+` and `=`, which few paths have.
fn is_path(text: &str) -> bool {
    let starts = ["/", "./", "../", "~/"];
    starts.iter().any(|start| text.starts_with(start)) && !text.contains(['+', '='])
}

/// Whether a text begins with a URL's scheme, in upper or lower case, and `://`.
fn begins_with_scheme(text: &str, scheme: &str) -> bool {
    let found = text.split_once("://");
    found.is_some_and(|(found, _)| found.eq_ignore_ascii_case(scheme))
}

/// Whether this is a dry run, and `error` says that its user may not read a file.
pub(super) fn is_unreadable_in_plan(host: &Host, error: &anyhow::Error) -> bool {
    let kind = error.root_cause().downcast_ref().map(io::Error::kind);
    host.plans() && kind == Some(io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests;
