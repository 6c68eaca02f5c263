//! Parses command lines as k3s does: `--name value` or `--name=value`, with one dash or two.
//! Switches have no value.

use crate::config;
use anyhow::{Result, bail};
use std::env;
use std::path::Path;

/// The flags of k3s's server and agent that have a value.
const WITH_VALUE: &[&str] = &[
    "advertise-address",
    "agent-token",
    "agent-token-file",
    "bind-address",
    "cluster-cidr",
    "cluster-dns",
    "cluster-domain",
    "config",
    "container-runtime-endpoint",
    "data-dir",
    "datastore-endpoint",
    "default-runtime",
    "disable",
    "egress-selector-mode",
    "etcd-arg",
    "flannel-backend",
    "flannel-conf",
    "flannel-iface",
    "https-listen-port",
    "image-credential-provider-bin-dir",
    "image-credential-provider-config",
    "image-service-endpoint",
    "kube-apiserver-arg",
    "kube-controller-manager-arg",
    "kube-proxy-arg",
    "kube-scheduler-arg",
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
    "nonroot-devices",
    "pause-image",
    "private-registry",
    "resolv-conf",
    "server",
    "service-cidr",
    "service-node-port-range",
    "snapshotter",
    "supervisor-metrics",
    "tls-san",
    "token",
    "token-file",
    "v",
    "vmodule",
    "vpn-auth",
    "vpn-auth-file",
    "write-kubeconfig",
    "write-kubeconfig-group",
    "write-kubeconfig-mode",
];

/// The switches of k3s's server and agent.
const SWITCHES: &[&str] = &[
    "alsologtostderr",
    "cluster-init",
    "debug",
    "disable-agent",
    "disable-apiserver-lb",
    "disable-cloud-controller",
    "disable-default-registry-endpoint",
    "disable-helm-controller",
    "disable-kube-proxy",
    "disable-network-policy",
    "docker",
    "embedded-registry",
    "enable-pprof",
    "prefer-bundled-bin",
    "protect-kernel-defaults",
    "rootless",
    "secrets-encryption",
    "selinux",
    "tls-san-security",
    "with-node-id",
];

/// The flags of one run. If a flag occurs twice, the last one counts.
#[derive(Debug, Default)]
pub struct Flags(Vec<(String, String)>);

/// What a run does with a key of a config file that is no flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownKey {
    /// It goes on without the key, as k3s's server does (k3s, `ValidFlags` in `pkg/configfilearg`).
    Skip,
    /// It ends, as k3s's agent does.
    Fail,
}

impl Flags {
    /// Reads the flags of a server or an agent. As in k3s, the settings of the config files come
    /// before the flags of the command line. So the command line overrides the files, and the
    /// files, which count as flags, override the environment.
    pub fn read(words: &[String], root: &Path, unknown_key: UnknownKey) -> Result<Self> {
        let given = Self::parse(words)?;
        let from_env = env::var("K3S_CONFIG_FILE").ok();
        let file = given
            .last("config")
            .or(from_env.as_deref())
            .unwrap_or("/etc/rancher/k3s/config.yaml");
        let mut flags = Self(config::read(root, file)?);
        let unknown = flags.0.iter().find(|(name, _)| !is_known(name));
        if let (Some((name, _)), UnknownKey::Fail) = (unknown, unknown_key) {
            bail!("flag provided but not defined: -{name}");
        }
        flags.0.retain(|(name, _)| {
            let known = is_known(name);
            if !known {
                crate::log::info(&format!("Unknown flag --{name} found in {file}, skipping"));
            }
            // A list on the command line replaces the list in the file.
            known && !given.0.iter().any(|(other, _)| other == name)
        });
        flags.0.extend(given.0);
        Ok(flags)
    }

    fn parse(words: &[String]) -> Result<Self> {
        let mut flags = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(flag) = word.strip_prefix("--").or(word.strip_prefix('-')) else {
                bail!("flag provided but not defined: {word}");
            };
            let (name, value) = flag
                .split_once('=')
                .map_or((flag, None), |(name, value)| (name, Some(value)));
            let name = match name {
                "s" => "server",
                "t" => "token",
                "d" => "data-dir",
                "c" => "config",
                "i" => "node-ip",
                name => name,
            };
            if !is_known(name) {
                bail!("flag provided but not defined: -{name}");
            }
            let value = match (value, SWITCHES.contains(&name)) {
                (Some(value), _) => value.to_owned(),
                (None, true) => "true".into(),
                (None, false) => match words.next() {
                    Some(value) => value.clone(),
                    None => bail!("flag needs an argument: -{name}"),
                },
            };
            flags.push((name.to_owned(), value));
        }
        Ok(Self(flags))
    }

    /// Returns the value of a flag.
    pub fn last(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns a flag, else an environment variable that is not empty.
    pub fn or_env(&self, name: &str, variable: &str) -> Option<String> {
        self.last(name)
            .map(String::from)
            .or_else(|| crate::env_var(variable))
    }

    /// Returns all values of a flag that may be repeated. Commas separate values too.
    pub fn all(&self, name: &str) -> Vec<String> {
        let values = self
            .0
            .iter()
            .filter(|(other, _)| other == name)
            .flat_map(|(_, value)| value.split(','));
        values.map(String::from).collect()
    }
}

fn is_known(name: &str) -> bool {
    WITH_VALUE.contains(&name) || SWITCHES.contains(&name)
}
