//! Parses `INSTALL_K3S_EXEC`, the arguments that the operator adds for `k3s agent`.

use super::value::{BadSetting, Value};
use crate::k3s::agent_flags;
use anyhow::Result;

/// Splits the value into arguments as a shell does, and leaves out the first word if it is the
/// command `agent`. Fails on a quote that is not closed, on the command `server`, on a word that is
/// neither a flag nor the value of one, and on a flag that muster refuses.
pub(super) fn parse(value: &Value) -> Result<Vec<String>> {
    // This check comes first, because the errors of the later checks show the value, and a value
    // with a secret must not be shown.
    let mut around = value
        .text
        .split(|c: char| c.is_whitespace() || "\"'".contains(c));
    if let Some(flag) = around.find_map(secret_flag) {
        let why = "every process can read a secret given as an argument";
        let remedy = match flag {
            "vpn-auth" => {
                "write the secret to a file of mode 0600, and give the path of the file in \
                 --vpn-auth-file"
            }
            _ => "put the join token in /etc/muster/token",
        };
        let source = &value.source;
        let error = format!("INSTALL_K3S_EXEC=<redacted> ({source}): refused: {why}; {remedy}");
        return Err(BadSetting(error).into());
    }
    let mut words = shlex::split(&value.text).ok_or_else(|| value.bad("a quote is not closed"))?;
    // k3s's installer accepts a k3s command as the first word. Here only `agent` is accepted.
    match words.first().map(String::as_str) {
        Some("agent") => {
            words.remove(0);
        }
        Some("server") => {
            return Err(value.bad("muster runs only k3s agents: remove the word server"));
        }
        _ => {}
    }
    for flag in flags(&words) {
        let Flag { name, value: given } = flag.map_err(|word| {
            value.bad(format_args!(
                "{word} is not a flag, and k3s would ignore the words after it"
            ))
        })?;
        match agent_flags::refusal(name, given) {
            None => {}
            // The value is not shown, because the flag may be a mistyped `--token`.
            Some(why) if !agent_flags::is_known(name) => {
                let source = &value.source;
                let error = format!("INSTALL_K3S_EXEC ({source}): {name}: {why}");
                return Err(BadSetting(error).into());
            }
            Some(why) => return Err(value.bad(format_args!("{name}: {why}"))),
        }
    }
    Ok(words)
}

/// A flag by its full name, with its value. A flag that needs no value and has none gets the value
/// `true`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flag<'a> {
    pub name: &'a str,
    pub value: &'a str,
}

/// The flags among the arguments, as k3s reads them. A word that is neither a flag nor the value of
/// one is an error.
pub(super) fn flags(words: &[String]) -> impl Iterator<Item = Result<Flag<'_>, &str>> {
    let mut words = words.iter().map(String::as_str);
    std::iter::from_fn(move || {
        let word = words.next()?;
        let Some(flag) = without_hyphens(word) else {
            return Some(Err(word));
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (agent_flags::full_name(name), value),
            None => {
                let name = agent_flags::full_name(flag);
                let value = match agent_flags::is_switch(name) {
                    true => "true",
                    false => words.next().unwrap_or_default(),
                };
                (name, value)
            }
        };
        Some(Ok(Flag { name, value }))
    })
}

/// Removes the hyphens before a flag, and keeps everything else, also `=` and a value. As in Go,
/// `-name` and `--name` are the same flag. Returns `None` when the word is not a flag.
fn without_hyphens(word: &str) -> Option<&str> {
    let flag = word.strip_prefix('-')?;
    Some(flag.strip_prefix('-').unwrap_or(flag)).filter(|flag| !flag.is_empty())
}

/// If this word is a flag that holds a secret, the full name of the flag.
fn secret_flag(word: &str) -> Option<&str> {
    let name = without_hyphens(word)?.split('=').next()?;
    Some(agent_flags::full_name(name)).filter(|name| agent_flags::is_secret(name))
}

#[cfg(test)]
mod tests;
