//! Lists the variables of k3s's install script, and what muster does with each of them.
//!
//! The names are those of `install.sh` in k3s's repository, as of August 2026. A test compares them
//! with the table in `docs/settings.md`.

use super::checked::Symlinks;
use super::given::Given;
use super::table::SETTINGS;
use anyhow::Result;

/// The beginning of the names of all variables of the install script.
pub const PREFIX: &str = "INSTALL_K3S_";

/// What muster does with a variable of the install script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The variable is a setting of muster, with the same meaning as in the install script.
    Setting,
    /// The variable is an error. The message gives this text as the reason.
    Refused(&'static str),
    /// The variable has no effect. A warning gives this text as the reason.
    Ignored(&'static str),
}

/// The variables that are not settings of muster.
const OTHERS: [(&str, Answer); 10] = [
    (
        "INSTALL_K3S_COMMIT",
        Answer::Refused(
            "a build of a commit is in no release, and no checksum file has the digest of such a \
             build: set INSTALL_K3S_VERSION instead",
        ),
    ),
    (
        "INSTALL_K3S_PR",
        Answer::Refused(
            "a build of a pull request cannot be downloaded without a login: set \
             INSTALL_K3S_VERSION instead",
        ),
    ),
    (
        "INSTALL_K3S_FORCE_RESTART",
        Answer::Ignored("to restart k3s, run: rc-service muster restart"),
    ),
    (
        "INSTALL_K3S_NAME",
        Answer::Ignored("the service is called muster"),
    ),
    (
        "INSTALL_K3S_SELINUX_WARN",
        Answer::Ignored("Alpine has no SELinux policy of k3s"),
    ),
    (
        "INSTALL_K3S_SKIP_ENABLE",
        Answer::Ignored("the overlay enables the service"),
    ),
    (
        "INSTALL_K3S_SKIP_SELINUX_RPM",
        Answer::Ignored("Alpine has no RPM packages"),
    ),
    (
        "INSTALL_K3S_SKIP_START",
        Answer::Ignored(
            "muster always starts k3s; to install k3s without a start, run: muster fetch",
        ),
    ),
    (
        "INSTALL_K3S_SYSTEMD_DIR",
        Answer::Ignored("muster runs under OpenRC"),
    ),
    (
        "INSTALL_K3S_TYPE",
        Answer::Ignored("muster runs under OpenRC"),
    ),
];

/// What muster does with the variable of this name; `None` when the install script has no such
/// variable.
pub fn answer(name: &str) -> Option<Answer> {
    if SETTINGS.iter().any(|setting| setting.name == name) {
        return name.starts_with(PREFIX).then_some(Answer::Setting);
    }
    let other = OTHERS.iter().find(|(other, _)| *other == name);
    other.map(|(_, answer)| *answer)
}

/// The names of all variables of the install script.
pub fn names() -> impl Iterator<Item = &'static str> {
    let settings = SETTINGS.iter().map(|setting| setting.name);
    let settings = settings.filter(|name| name.starts_with(PREFIX));
    settings.chain(OTHERS.iter().map(|(name, _)| *name))
}

/// Whether muster must not write to the folder of k3s (`INSTALL_K3S_BIN_DIR_READ_ONLY`).
fn is_read_only(given: &Given) -> Result<bool> {
    given
        .or_default("INSTALL_K3S_BIN_DIR_READ_ONLY")
        .yes_or_no()
}

/// Whether k3s is already in the image and is not downloaded. This is also so when muster must not
/// write to the folder of k3s.
pub(super) fn skip_download(given: &Given) -> Result<bool> {
    let value = given.or_default("INSTALL_K3S_SKIP_DOWNLOAD");
    // The install script also accepts the names of what to skip: `binary` skips the download of
    // k3s, and `selinux` skips a package that Alpine does not have.
    let skip = match value.text.as_str() {
        "binary" => true,
        "selinux" => false,
        _ => value.yes_or_no()?,
    };
    Ok(skip | is_read_only(given)?)
}

/// Which links to k3s are made. There are none when muster must not write to the folder of k3s.
pub(super) fn symlinks(given: &Given) -> Result<Symlinks> {
    let value = given.or_default("INSTALL_K3S_SYMLINK");
    let symlinks = match value.text.as_str() {
        "" => Symlinks::Missing,
        "skip" => Symlinks::Skip,
        "force" => Symlinks::Force,
        _ => return Err(value.bad("must be skip or force, or have no value")),
    };
    match is_read_only(given)? {
        true => Ok(Symlinks::Skip),
        false => Ok(symlinks),
    }
}
