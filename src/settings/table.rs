//! The list of settings, with what users are told about them.

use crate::paths;

/// A setting as users see it. The help, the README's table and the reader of settings use this list.
pub struct Setting {
    pub name: &'static str,
    /// The default value; empty when there is none.
    pub default: &'static str,
    /// What it means, short enough for the help.
    pub meaning: &'static str,
}

const fn setting(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting {
        name,
        default,
        meaning,
    }
}

/// Every setting. The names that k3s or its installer already has keep their
/// meaning.
pub const SETTINGS: [Setting; 21] = [
    setting("K3S_URL", "", "the k3s server, https:// only; required"),
    setting(
        "K3S_TOKEN_FILE",
        paths::TOKEN,
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
    setting(
        "INSTALL_K3S_BIN_DIR",
        paths::BIN_DIR,
        "the folder where k3s is installed",
    ),
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
    setting(
        "MUSTER_HOSTNAME_LENGTH",
        "6",
        "hex digits that follow the prefix",
    ),
    setting(
        "MUSTER_DHCP",
        "yes",
        "no: something else configures the interface",
    ),
    setting("MUSTER_NTP", "pool.ntp.org", "time servers, or no"),
    setting(
        "MUSTER_NODE_SECRET_FILE",
        "",
        "keys the node password, instead of the token",
    ),
    setting("MUSTER_LOG", "info", "what to log (an env_logger filter)"),
    setting("HTTPS_PROXY", "", "a proxy for https, as everywhere"),
    setting("NO_PROXY", "", "hosts to reach without it, as everywhere"),
    setting(
        "SSL_CERT_FILE",
        "",
        "CAs for https mirrors, instead of the public ones",
    ),
];
