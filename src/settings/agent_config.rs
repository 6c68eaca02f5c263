//! The configuration files that `k3s agent` will read, and the flags in them and in its arguments.
//!
//! k3s reads `K3S_CONFIG_FILE`, else the file of `--config`, else its default, and then the `.yaml`
//! and `.yml` files in the folder `<config file>.d` in the order of their names (k3s,
//! `pkg/configfilearg`). A value in a file replaces one in the environment, and an argument
//! replaces a value in a file. So a file could give k3s another node name or another server than
//! muster has checked. That is why muster reads these files too.

use super::agent_arguments;
use super::checked::Settings;
use super::value::{BadSetting, is_unreadable_in_plan};
use crate::board::hostname::Hostname;
use crate::host::Host;
use crate::k3s::{agent_flags, yaml};
use crate::paths;
use anyhow::Result;
use log::warn;

/// The flags in the configuration files and in the arguments of `k3s agent`.
#[derive(Debug, Default)]
pub struct AgentConfig {
    /// Flags by their full names, with their values. Of two flags with the same name, the later one
    /// is used.
    flags: Vec<(String, String)>,
}

impl AgentConfig {
    /// A configuration with these flags, for tests.
    #[cfg(test)]
    pub fn of(flags: &[(&str, &str)]) -> AgentConfig {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        AgentConfig {
            flags: flags.iter().map(owned).collect(),
        }
    }

    /// The value of a flag; `None` when it was not given. `name` is its full name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let given = self.flags.iter().rfind(|(flag, _)| flag == name);
        given.map(|(_, value)| value.as_str())
    }

    /// The folder where k3s keeps its data.
    pub fn data_dir(&self) -> &str {
        self.get("data-dir").unwrap_or(paths::DATA_DIR)
    }
}

impl Settings {
    /// The configuration file of `k3s agent`, which need not exist.
    pub fn config_file(&self) -> &str {
        let argument = || {
            let mut flags = agent_arguments::flags(&self.exec).flatten();
            flags.find(|flag| flag.name == "config")
        };
        match &self.config_file {
            Some(value) => &value.text,
            None => argument().map_or(paths::K3S_CONFIG, |flag| flag.value),
        }
    }

    /// The path of the symbolic link to the node's own configuration.
    pub fn node_config(&self) -> String {
        format!("{}.d/{}", self.config_file(), paths::NODE_CONFIG_NAME)
    }

    /// Reads and checks the configuration files that `k3s agent` will read for this node. Fails,
    /// naming file and line, when one of them has a key that muster refuses or cannot be read.
    pub fn agent_config(&self, host: &Host, node: &Hostname) -> Result<AgentConfig> {
        let mut config = AgentConfig::default();
        if let Some(value) = &self.data_dir {
            let data_dir = ("data-dir".into(), value.text.clone());
            config.flags.push(data_dir);
        }
        let files = self.config_files(host, node);
        if let (Some(value), true) = (&self.config_file, files.is_empty()) {
            let error = value.bad("there is no such file; k3s continues without it");
            warn!(target: "settings", "{error}");
        }
        for file in files {
            read(host, &file, &mut config)?;
        }
        for flag in agent_arguments::flags(&self.exec).flatten() {
            config.flags.push((flag.name.into(), flag.value.into()));
        }
        Ok(config)
    }

    /// The configuration files that exist, in the order in which k3s reads them.
    fn config_files(&self, host: &Host, node: &Hostname) -> Vec<String> {
        let main = self.config_file();
        let folder = format!("{main}.d");
        let own = format!("{}/{node}.yaml", paths::NODES);
        let mut names = host.list(&folder);
        // The link to the node's own file may be from an earlier run, or not there yet.
        names.retain(|name| name != paths::NODE_CONFIG_NAME);
        names.push(paths::NODE_CONFIG_NAME.into());
        names.sort();
        let drop_ins = names.iter().filter_map(|name| {
            let lower = name.to_ascii_lowercase();
            if name == paths::NODE_CONFIG_NAME {
                Some(own.clone())
            } else if lower.ends_with(".yaml") || lower.ends_with(".yml") {
                Some(format!("{folder}/{name}"))
            } else {
                None
            }
        });
        let files = std::iter::once(main.into()).chain(drop_ins);
        let is_file = |file: &String| host.metadata(file).is_some_and(|meta| !meta.is_dir());
        files.filter(is_file).collect()
    }
}

/// Reads one file and checks its keys.
fn read(host: &Host, file: &str, config: &mut AgentConfig) -> Result<()> {
    let text = match host.read_text(file) {
        Err(error) if is_unreadable_in_plan(host, &error) => {
            warn!(target: "settings", "{error:#}; the dry run continues without it");
            return Ok(());
        }
        text => text?,
    };
    let entries = yaml::top_level(&text)
        .map_err(|(line, why)| BadSetting(format!("{file} line {line}: {why}")))?;
    for entry in entries {
        // `key+` adds to the values of an earlier file.
        let name = entry.key.strip_suffix('+').unwrap_or(&entry.key);
        let name = agent_flags::full_name(name);
        if let Some(why) = agent_flags::refusal(name, &entry.value) {
            let (key, line) = (&entry.key, entry.line);
            // The value of an unknown key is not shown: somebody may have mistyped `token`.
            let hidden = agent_flags::is_secret(name) || !agent_flags::is_known(name);
            let shown = match hidden {
                true => key.clone(),
                false => format!("{key}={:?}", entry.value),
            };
            return Err(BadSetting(format!("{shown} ({file} line {line}): {why}")).into());
        }
        config.flags.push((name.into(), entry.value));
    }
    Ok(())
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the files that an operator would"
)]
mod tests {
    use super::*;
    use crate::host::Mode;
    use crate::settings::{self, Sources};
    use std::fs;

    /// The configuration of the node `worker-1` with these files and settings, or the error's text.
    fn config(files: &[(&str, &str)], set: &[(&str, &str)]) -> Result<AgentConfig, String> {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = root.path().join(file.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host = Host::new(root.path(), Mode::Perform);
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let sources = Sources {
            flags: set.iter().map(owned).collect(),
            environment: Vec::new(),
            conf: paths::CONF.into(),
        };
        let node = Hostname::parse("worker-1").unwrap();
        let settings = settings::load(&host, &sources);
        let config = settings.and_then(|settings| settings.agent_config(&host, &node));
        config.map_err(|error| error.to_string())
    }

    #[test]
    fn each_file_is_checked_and_named_with_the_line() {
        let moved = ("K3S_CONFIG_FILE", "/etc/k3s.yaml");
        let argument = ("INSTALL_K3S_EXEC", "--config /opt/k3s.yml");
        for (file, set) in [
            ("/etc/rancher/k3s/config.yaml", &[][..]),
            ("/etc/rancher/k3s/config.yaml.d/10-site.yaml", &[]),
            ("/etc/rancher/k3s/config.yaml.d/60-site.YML", &[]),
            ("/etc/muster/nodes/worker-1.yaml", &[]),
            ("/etc/k3s.yaml", &[moved]),
            ("/etc/k3s.yaml.d/x.yaml", &[moved, argument]),
            ("/opt/k3s.yml", &[argument]),
        ] {
            for (key, shown) in [
                ("node-name", "x"),
                ("with-node-id", "true"),
                ("server", "https://x:6443"),
                ("s", "https://x:6443"),
                ("token", ""),
                ("token-file", "/x"),
                ("rootless", "true"),
                ("tls-san+", ""),
            ] {
                let (value, shown) = match shown {
                    "" => ("secret", key.to_string()),
                    value => (value, format!("{key}={value:?}")),
                };
                let text = format!("# first\nnode-label: [a=b]\n{key}: {value}\n");
                let error = config(&[(file, &text)], set).unwrap_err();
                let start = format!("{shown} ({file} line 3): ");
                assert!(error.starts_with(&start), "{error}");
                assert!(!error.contains("secret"), "{error}");
            }
        }
        let unread = ("/etc/rancher/k3s/config.yaml", "{node-name: x}");
        let error = config(&[unread], &[]).unwrap_err();
        assert!(
            error.starts_with("/etc/rancher/k3s/config.yaml line 1: "),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_k3s_does_not_read_is_not_checked() {
        for file in [
            "/etc/rancher/k3s/config.yaml.d/notes.txt",
            "/etc/rancher/k3s/config.yaml.d/folder.yaml/x.yaml",
            "/etc/rancher/k3s/config.yaml.d/50-node.yaml",
            "/etc/muster/nodes/worker-2.yaml",
        ] {
            assert!(config(&[(file, "node-name: x\n")], &[]).is_ok(), "{file}");
        }
        let other = ("/etc/rancher/k3s/config.yaml", "node-name: x\n");
        assert!(config(&[other], &[("K3S_CONFIG_FILE", "/etc/k3s.yaml")]).is_ok());
    }

    #[test]
    fn the_strongest_data_dir_counts() {
        let data_dir = |files: &[(&str, &str)], set: &[(&str, &str)]| {
            config(files, set).unwrap().data_dir().to_string()
        };
        let main = ("/etc/rancher/k3s/config.yaml", "data-dir: /main\n");
        let drop_in = ("/etc/rancher/k3s/config.yaml.d/10.yaml", "d: '/ten'\n");
        let node = ("/etc/muster/nodes/worker-1.yaml", "data-dir: \"/node\"\n");
        let late = (
            "/etc/rancher/k3s/config.yaml.d/90.yaml",
            "data-dir: /ninety\n",
        );
        let variable = ("K3S_DATA_DIR", "/variable");
        let argument = ("INSTALL_K3S_EXEC", "-d /argument");
        assert_eq!(data_dir(&[], &[]), paths::DATA_DIR);
        assert_eq!(data_dir(&[], &[variable]), "/variable");
        assert_eq!(data_dir(&[main], &[variable]), "/main");
        assert_eq!(data_dir(&[main, drop_in], &[variable]), "/ten");
        assert_eq!(data_dir(&[main, drop_in, node], &[]), "/node");
        assert_eq!(data_dir(&[late, node], &[]), "/ninety");
        assert_eq!(data_dir(&[late, node], &[argument]), "/argument");
    }

    #[test]
    fn paths_must_be_absolute() {
        for (name, shown) in [
            ("K3S_CONFIG_FILE", "<redacted>"),
            ("K3S_DATA_DIR", "https://x"),
        ] {
            let error = config(&[], &[(name, "https://x")]).unwrap_err();
            let start = format!("{name}={shown:?} (--set): must be an absolute path");
            assert!(error.starts_with(&start), "{error}");
        }
    }
}
