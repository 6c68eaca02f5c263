//! Reads and checks the settings.
//!
//! [`table`] lists the settings. [`sources`] lists the places where a setting can be given. `given`
//! collects the values; when a setting is given in several places, the value from the place with
//! the highest priority is used. `origins` tells where each value comes from. `parse` checks the
//! values, with `agent_arguments` for `INSTALL_K3S_EXEC` and `releases` for versions and mirrors.
//! [`installer`] lists the variables of k3s's install script. [`checked`] holds the checked values.
//! [`agent_config`] reads k3s's own configuration files.

mod agent_arguments;
pub mod agent_config;
mod agent_interface;
pub mod checked;
mod doubts;
mod given;
pub mod installer;
mod origins;
mod parse;
mod releases;
pub mod sources;
pub mod table;
pub mod value;

pub use agent_config::AgentConfig;
pub use checked::{Interface, Mirror, Settings, Symlinks, Version};
pub use sources::Sources;
pub use table::SETTINGS;
pub use value::{BadSetting, Value};

use crate::host::Host;
use anyhow::Result;
use given::Given;
use sources::Source;
use std::os::unix::fs::PermissionsExt;

/// Reads the settings from all places and checks every value, also those that this run does not
/// need, so that a mistake is reported before muster changes the machine.
pub fn load(host: &Host, sources: &Sources) -> Result<Settings> {
    let given = Given::collect(host, sources)?;
    let mut settings = parse::check(&given)?;
    let token = given.given("K3S_TOKEN").map(|value| &value.source);
    if let Some(Source::File(path, _)) = token
        && is_open(host, path)
    {
        settings.warnings.push(format!(
            "K3S_TOKEN is in {path}, which every user can read: move the token to a file of mode \
             0600, and give the path of the file in K3S_TOKEN_FILE"
        ));
    }
    let secrets = settings.secret_values();
    let warnings: Vec<String> = secrets
        .filter(|value| is_open(host, &value.text))
        .map(|Value { name, text, .. }| {
            format!("{name}: every user can read {text}; to prevent this, run: chmod 600 {text}")
        })
        .collect();
    settings.warnings.extend(warnings);
    Ok(settings)
}

/// Whether every user can read a file.
fn is_open(host: &Host, path: &str) -> bool {
    host.metadata(path)
        .is_some_and(|meta| meta.permissions().mode() & 0o004 != 0)
}
