//! Collects the values of all settings. When a setting is given in several places, the value from
//! the place with the highest priority is used ([`Source`]).

use super::doubts;
use super::installer::{self, Answer};
use super::sources::{self, Source, Sources};
use super::table::SETTINGS;
use super::value::{BadSetting, Value};
use crate::host::Host;
use crate::host::process::{SECRET_VARIABLES, Variable};
use anyhow::Result;
use std::collections::BTreeMap;

/// The value of each setting that was given, and the variables that are passed on to k3s.
#[derive(Default)]
pub(super) struct Given {
    pub values: BTreeMap<&'static str, Value>,
    for_k3s: BTreeMap<String, (String, Source)>,
    /// The values that were replaced by later ones, when a setting was given more than once.
    pub hidden: Vec<Value>,
    /// Warnings about variables that have no effect, and about shell code in the settings file.
    pub warnings: Vec<String>,
}

impl Given {
    /// Reads all places, the one with the lowest priority first, so that a later value replaces an
    /// earlier one.
    pub fn collect(host: &Host, sources: &Sources) -> Result<Given> {
        let mut given = Given::default();
        let conf = host.read_text(&sources.conf)?;
        for (line, name, value) in sources::conf_assignments(&conf) {
            let source = Source::File(sources.conf.clone(), line);
            match value {
                Ok(value) => given.take(&name, value, source)?,
                Err(_) if !is_looked_at(&name) => {}
                Err(why) => return Err(BadSetting(format!("{name} ({source}): {why}")).into()),
            }
        }
        if let Some(line) = sources::conf_code(&conf) {
            given.warnings.push(format!(
                "{} line {line} is shell code, which OpenRC runs and muster does not: write only \
                 lines of the form NAME=\"value\"",
                sources.conf
            ));
        }
        for (name, value) in &sources.environment {
            given.take(name, value.clone(), Source::Environment)?;
        }
        for (name, value) in sources::kernel_words(&host.read_text("/proc/cmdline")?) {
            given.take(&name, value, Source::Kernel)?;
        }
        for (name, value) in &sources.flags {
            if !is_looked_at(proxy_in_upper_case(name)) {
                let error = doubts::unknown(name, &Source::Flag);
                return Err(BadSetting(error).into());
            }
            given.take(name, value.clone(), Source::Flag)?;
        }
        Ok(given)
    }

    /// Stores one value from one place. It replaces a value that was stored before. Fails when
    /// muster refuses a variable of this name from this place.
    fn take(&mut self, name: &str, text: String, source: Source) -> Result<()> {
        let name = proxy_in_upper_case(name);
        let readable_by = match source {
            Source::Kernel => Some("every pod can read the kernel command line"),
            Source::Flag => Some("every process can read a command's arguments"),
            _ => None,
        };
        let error = if name == "K3S_VPN_AUTH" {
            format!(
                "{name}=<redacted> ({source}): refused, because every program that k3s starts would \
                 inherit this secret; write the secret to a file of mode 0600, and give the path of \
                 the file in K3S_VPN_AUTH_FILE"
            )
        } else if let Some(why) = readable_by.filter(|_| SECRET_VARIABLES.contains(&name)) {
            format!(
                "{name}=<redacted> ({source}): refused, because {why}; put the token in \
                 /etc/muster/token"
            )
        } else if let Some(name) = known(name) {
            let earlier = self.values.insert(name, Value { name, text, source });
            self.hidden.extend(earlier);
            return Ok(());
        } else if name.starts_with("MUSTER_") {
            doubts::unknown(name, &source)
        } else if name == "K3S_NODE_NAME" {
            format!(
                "{name} ({source}): muster names the node, from its MAC address; \
                 remove {name}; to change how the names begin, set MUSTER_HOSTNAME_PREFIX"
            )
        } else if name.starts_with(installer::PREFIX) {
            match installer::answer(name) {
                Some(Answer::Refused(why)) => format!("{name} ({source}): {why}"),
                Some(Answer::Ignored(why)) => {
                    let warning = format!("{name} ({source}) has no effect: {why}");
                    self.warnings.push(warning);
                    return Ok(());
                }
                _ => format!(
                    "{name} ({source}): k3s's install script has no such variable; \
                     docs/settings.md in the repository of muster lists the variables"
                ),
            }
        } else {
            if is_for_k3s(name) {
                self.for_k3s.insert(name.into(), (text, source));
            }
            return Ok(());
        };
        Err(BadSetting(error).into())
    }

    /// The value that was given, even an empty one; `None` when no place gave a value.
    pub fn given(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// The value that was given, else the default; `None` when there is neither. An empty value
    /// counts as not given.
    pub fn get(&self, name: &str) -> Option<Value> {
        let given = self.given(name).filter(|value| !value.text.is_empty());
        given
            .cloned()
            .or_else(|| default(name).filter(|value| !value.text.is_empty()))
    }

    /// Does the same as [`Given::get`], but returns an empty value when there is neither a value
    /// nor a default.
    pub fn or_default(&self, name: &'static str) -> Value {
        self.get(name).unwrap_or(Value {
            name,
            text: String::new(),
            source: Source::Default,
        })
    }

    /// A variable that is passed on to k3s; `None` when it is empty or was not given.
    pub fn for_k3s(&self, name: &'static str) -> Option<Value> {
        let (text, source) = self.for_k3s.get(name)?;
        (!text.is_empty()).then(|| Value {
            name,
            text: text.clone(),
            source: source.clone(),
        })
    }

    /// The `K3S_*` names that are passed on to k3s, each with the place where it was given.
    pub fn names_for_k3s(&self) -> impl Iterator<Item = (&str, &Source)> {
        let all = self.for_k3s.iter();
        all.map(|(name, (_, source))| (name.as_str(), source))
            .filter(|(name, _)| name.starts_with("K3S_"))
    }

    /// The variables that muster passes on to k3s's environment.
    pub fn k3s_variables(&self) -> Vec<Variable> {
        let variable = |name: &str, value: &str| Variable {
            name: name.into(),
            value: value.into(),
            shown: false,
        };
        let only = self.for_k3s.iter();
        let only = only.map(|(name, (value, _))| variable(name, value));
        // HTTPS_PROXY and NO_PROXY are settings of muster, and k3s gets them too.
        let proxies = PROXIES.iter().filter_map(|name| self.get(name));
        only.chain(proxies.map(|value| variable(value.name, &value.text)))
            .collect()
    }
}

/// The variables about proxies. k3s's install script also passes them on to k3s.
const PROXIES: [&str; 3] = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
/// The beginnings of the names of the other variables that the install script passes on to k3s.
/// `KINE_` is not in the list, because only k3s servers use such variables.
const FOR_K3S: [&str; 2] = ["K3S_", "CONTAINERD_"];

/// The name, in upper case if it is one of [`PROXIES`]. muster accepts these names in lower case
/// too, as Go does.
fn proxy_in_upper_case(name: &str) -> &str {
    let mut proxies = PROXIES.iter();
    proxies
        .find(|proxy| name.eq_ignore_ascii_case(proxy))
        .map_or(name, |proxy| proxy)
}

/// Whether a variable that is no setting of muster is passed on to k3s.
fn is_for_k3s(name: &str) -> bool {
    PROXIES.contains(&name) || FOR_K3S.iter().any(|start| name.starts_with(start))
}

/// Whether muster uses a variable of this name, passes it on to k3s, or reports an error or a
/// warning about it. muster ignores all other variables.
fn is_looked_at(name: &str) -> bool {
    let is_own = name.starts_with("MUSTER_") || name.starts_with(installer::PREFIX);
    is_own || known(name).is_some() || is_for_k3s(name)
}

pub(super) fn default(name: &str) -> Option<Value> {
    let setting = SETTINGS.iter().find(|setting| setting.name == name)?;
    Some(Value {
        name: setting.name,
        text: setting.default.into(),
        source: Source::Default,
    })
}

fn known(name: &str) -> Option<&'static str> {
    SETTINGS
        .iter()
        .map(|setting| setting.name)
        .find(|known| *known == name)
}

#[cfg(test)]
mod tests;
