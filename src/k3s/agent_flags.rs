//! Lists the flags of `k3s agent`, which are also the keys of its configuration files, and says
//! which of them muster refuses.
//!
//! The flags are those of k3s 1.34 to 1.37 (`pkg/cli/cmds/agent.go`). A k3s server ignores unknown
//! keys in its configuration file (`ValidFlags` in `pkg/configfilearg`). An agent does not ignore
//! them, not even the flags of `k3s server`: it ends at once with "flag provided but not defined".

use crate::host::process::SECRET_VARIABLES;

/// The flags that take a value.
const WITH_VALUE: [&str; 34] = [
    "airgap-extra-registry",
    "bind-address",
    "config",
    "container-runtime-endpoint",
    "data-dir",
    "default-runtime",
    "flannel-cni-conf",
    "flannel-conf",
    "flannel-iface",
    "image-credential-provider-bin-dir",
    "image-credential-provider-config",
    "image-service-endpoint",
    "kube-proxy-arg",
    "kubelet-arg",
    "lb-server-port",
    "log",
    "node-external-dns",
    "node-external-ip",
    "node-internal-dns",
    "node-ip",
    "node-label",
    "node-name",
    "node-taint",
    "pause-image",
    "private-registry",
    "resolv-conf",
    "server",
    "snapshotter",
    "token",
    "token-file",
    "v",
    "vmodule",
    "vpn-auth",
    "vpn-auth-file",
];
/// The flags that need no value. Without a value they are true.
const SWITCHES: [&str; 12] = [
    "alsologtostderr",
    "debug",
    "disable-apiserver-lb",
    "disable-default-registry-endpoint",
    "docker",
    "enable-pprof",
    "nonroot-devices",
    "prefer-bundled-bin",
    "protect-kernel-defaults",
    "rootless",
    "selinux",
    "with-node-id",
];
/// The short names of flags, each with its full name.
const ALIASES: [(&str, &str); 6] = [
    ("c", "config"),
    ("d", "data-dir"),
    ("i", "node-ip"),
    ("l", "log"),
    ("s", "server"),
    ("t", "token"),
];

/// The full name of a flag that may have been given by its short name.
pub fn full_name(name: &str) -> &str {
    let alias = ALIASES.iter().find(|(short, _)| *short == name);
    alias.map_or(name, |(_, full)| full)
}

/// Whether this flag needs no value. `name` is a full name.
pub fn is_switch(name: &str) -> bool {
    SWITCHES.contains(&name)
}

/// Whether `k3s agent` has this flag. `name` is a full name.
pub fn is_known(name: &str) -> bool {
    WITH_VALUE.contains(&name) || is_switch(name)
}

/// Whether the value of this flag is a secret, which no message may show. `name` is a full name.
pub fn is_secret(name: &str) -> bool {
    let variable = name.replace('-', "_").to_ascii_uppercase();
    let secret = |known: &str| known.strip_prefix("K3S_") == Some(variable.as_str());
    SECRET_VARIABLES.iter().any(|known| secret(known))
}

/// Why muster does not accept this flag with this value; `None` when muster accepts it. `name` is a
/// full name, and `value` may be the text of a list.
pub fn refusal(name: &str, value: &str) -> Option<&'static str> {
    // k3s reads these texts as false (Go, strconv.ParseBool). The empty text is not one of them,
    // because k3s reports it as an error.
    let on = !["0", "f", "F", "false", "False", "FALSE"].contains(&value);
    match name {
        "node-name" => Some(
            "muster names the node, from its MAC address; remove the flag; to change how the \
             names begin, set MUSTER_HOSTNAME_PREFIX",
        ),
        "with-node-id" if on => Some(
            "muster names the node, and with this flag k3s would join under a longer name; remove \
             the flag",
        ),
        "kubelet-arg" | "kube-proxy-arg" if value.contains("hostname-override") => Some(
            "muster names the node, and the server refuses another name; remove hostname-override",
        ),
        "server" => {
            Some("muster and k3s must use the same server; remove the flag, and set K3S_URL")
        }
        "token" | "token-file" | "agent-token" | "cluster-secret" => {
            Some("muster and k3s must use the same token; remove the flag, and set K3S_TOKEN_FILE")
        }
        "rootless" if on => {
            Some("muster prepares the machine for a k3s that runs as root; remove the flag")
        }
        "data-dir" | "config" if !value.starts_with('/') => Some("must be an absolute path"),
        _ if is_known(name) => None,
        _ => Some("k3s agent does not have this flag, and would end at once; remove the flag"),
    }
}

#[cfg(test)]
mod tests;
