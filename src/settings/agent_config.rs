//! Reads the configuration files that `k3s agent` will read, and collects the flags in these files
//! and in the arguments of `k3s agent`.
//!
//! k3s first reads one configuration file: the one that `K3S_CONFIG_FILE` names, else the one that
//! `--config` names, else the default one. k3s then reads the `.yaml` and `.yml` files in the
//! folder `<config file>.d` in the order of their names (k3s, `pkg/configfilearg`). A value in a
//! file replaces a value in the environment, and an argument replaces a value in a file. So a file
//! could give k3s another node name or another server than muster has checked. That is why muster
//! reads these files too.

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
    /// The path of the configuration file of `k3s agent`. The file need not exist.
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

    /// Reads and checks the configuration files that `k3s agent` will read for this node. Fails
    /// when a file has a line that is not understood or a key that is refused; the error names the
    /// file and the line. Fails also when a file cannot be read, but a dry run skips a file that
    /// its user may not read.
    pub fn agent_config(&self, host: &Host, node: &Hostname) -> Result<AgentConfig> {
        let mut config = AgentConfig::default();
        let variables = [
            ("data-dir", &self.data_dir),
            ("resolv-conf", &self.resolv_conf),
        ];
        for (key, value) in variables {
            let flag = value.as_ref().map(|value| (key.into(), value.text.clone()));
            config.flags.extend(flag);
        }
        let files = self.config_files(host, node);
        if let (Some(value), true) = (&self.config_file, files.is_empty()) {
            let error = value.bad("there is no such file; k3s continues without this file");
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

    /// A message for each file in the folder of the nodes' own files that no board reads, because no
    /// board can have the name.
    pub fn stray_node_files(&self, host: &Host) -> Vec<String> {
        let files = host.list(paths::NODES).into_iter();
        let stray = files.filter(|file| match file.rsplit_once('.') {
            Some((name, "yaml")) => !self.naming.can_be(name),
            Some((_, ending)) => ["yml", "yaml"].contains(&&*ending.to_ascii_lowercase()),
            None => false,
        });
        let example = self.naming.of_address_file(b"dc:a6:32:01:02:03\n");
        let (folder, digits) = (paths::NODES, self.naming.length());
        stray
            .map(|file| {
                format!(
                    "{folder}/{file}: no board reads this file: give it the name of a board, such \
                     as {example}.yaml; a name is MUSTER_HOSTNAME_PREFIX and {digits} hex digits"
                )
            })
            .collect()
    }

    /// The configuration files that exist, in the order in which k3s reads them.
    fn config_files(&self, host: &Host, node: &Hostname) -> Vec<String> {
        let main = self.config_file();
        let folder = format!("{main}.d");
        let own = format!("{}/{node}.yaml", paths::NODES);
        let mut names = host.list(&folder);
        // The link to the node's own file may not exist yet, or may be from an earlier run and lead
        // to another file. So the name of the link is always in this list, and the file `own` is
        // read in place of the link.
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
            warn!(target: "settings", "{error:#}; muster continues without this file");
            return Ok(());
        }
        text => text?,
    };
    let entries = yaml::top_level(&text)
        .map_err(|(line, why)| BadSetting(format!("{file} line {line}: {why}")))?;
    for entry in entries {
        // With a `+` after the key, k3s adds the value to the values from earlier files.
        let name = entry.key.strip_suffix('+').unwrap_or(&entry.key);
        let name = agent_flags::full_name(name);
        if let Some(why) = agent_flags::refusal(name, &entry.value) {
            let (key, line) = (&entry.key, entry.line);
            // The value of an unknown key is not shown, because the key may be a mistyped `token`.
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
mod tests;
