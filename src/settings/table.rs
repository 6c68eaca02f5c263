//! Lists the settings with their names, defaults and meanings. The help, the README and the parser
//! of settings use this list.

use crate::paths;

/// A setting as users see it.
pub struct Setting {
    /// The name, which is the same in every place where the setting can be given.
    pub name: &'static str,
    /// The default value; empty when there is none.
    pub default: &'static str,
    /// The meaning, in at most 52 characters, so that the help fits into 80 columns.
    pub meaning: &'static str,
}

const fn setting(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting {
        name,
        default,
        meaning,
    }
}

/// All settings, in the order of the help. A setting that k3s or its installer also has means the
/// same here.
pub const SETTINGS: [Setting; 28] = [
    setting(
        "K3S_URL",
        "",
        "the URL of the k3s server, with https://; required",
    ),
    setting(
        "K3S_TOKEN_FILE",
        paths::TOKEN,
        "the file with the join token",
    ),
    setting(
        "K3S_TOKEN",
        "",
        "the join token itself; a token file is safer",
    ),
    setting(
        "INSTALL_K3S_VERSION",
        "",
        "k3s release tag; unset: the version the server runs",
    ),
    setting(
        "INSTALL_K3S_CHANNEL",
        "",
        "k3s release channel; used if no version is set",
    ),
    setting(
        "INSTALL_K3S_CHANNEL_URL",
        "https://update.k3s.io/v1-release/channels",
        "the base URL of the release channels",
    ),
    setting(
        "INSTALL_K3S_BIN_DIR",
        paths::BIN_DIR,
        "the folder where k3s is installed",
    ),
    setting(
        "INSTALL_K3S_SKIP_DOWNLOAD",
        "false",
        "true: k3s is already in the image",
    ),
    setting(
        "INSTALL_K3S_BIN_DIR_READ_ONLY",
        "false",
        "true: never write to the folder of k3s",
    ),
    setting(
        "INSTALL_K3S_SYMLINK",
        "",
        "links named kubectl, crictl, ctr: skip or force",
    ),
    setting("INSTALL_K3S_EXEC", "", "more arguments for k3s agent"),
    setting(
        "MUSTER_MIRRORS",
        "server github",
        "download mirrors, in order: server, github or a URL",
    ),
    setting(
        "INSTALL_K3S_ARTIFACT_URL",
        "",
        "a base URL in place of the mirror github",
    ),
    setting(
        "MUSTER_K3S_SHA256",
        "",
        "the only SHA-256 that the k3s binary may have",
    ),
    setting(
        "MUSTER_AIRGAP_IMAGES",
        "no",
        "yes: fetch the archive of container images too",
    ),
    setting(
        "MUSTER_INTERFACE",
        "eth0",
        "the NIC whose MAC address names the node, or auto",
    ),
    setting(
        "MUSTER_HOSTNAME_PREFIX",
        "worker-",
        "the text that hostnames begin with",
    ),
    setting(
        "MUSTER_HOSTNAME_LENGTH",
        "6",
        "the number of hex digits that follow the prefix",
    ),
    setting(
        "MUSTER_DHCP",
        "yes",
        "yes: muster runs a DHCP client; no: it does not",
    ),
    setting(
        "MUSTER_NTP",
        "pool.ntp.org",
        "time servers; no: do not ask any",
    ),
    setting(
        "MUSTER_SPREAD",
        "2",
        "seconds over which boards spread their registration",
    ),
    setting(
        "MUSTER_NODE_SECRET_FILE",
        "",
        "file to derive node password from; unset: the token",
    ),
    setting(
        "MUSTER_LOG",
        "info",
        "the log filter, in the syntax of env_logger",
    ),
    setting(
        "MUSTER_SYSLOG",
        "",
        "log server HOST[:PORT], or no; unset: as DHCP says",
    ),
    setting(
        "MUSTER_LED",
        "auto",
        "the LED that blinks during a boot: auto, no or NAME",
    ),
    setting("HTTPS_PROXY", "", "the proxy for https:// URLs"),
    setting("NO_PROXY", "", "hosts that are reached without the proxy"),
    setting(
        "SSL_CERT_FILE",
        "",
        "the CA file for https:// mirrors; unset: public CAs",
    ),
];
