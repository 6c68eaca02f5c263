//! Parses `INSTALL_K3S_EXEC`, the arguments that the operator adds for `k3s agent`.

use super::value::{BadSetting, Value};
use crate::k3s::agent_flags;
use anyhow::Result;

/// Splits the value into arguments as a shell does, without a command `agent` in front. Fails on a
/// quote that is not closed, on the command `server`, on a word that is no flag, and on a flag that
/// muster refuses.
pub(super) fn parse(value: &Value) -> Result<Vec<String>> {
    // A value that holds a token is not shown, whatever is wrong with it.
    let mut around = value
        .text
        .split(|c: char| c.is_whitespace() || "\"'".contains(c));
    if let Some(flag) = around.find_map(secret_flag) {
        let why = "every process can read a secret given as an argument";
        let remedy = match flag {
            "vpn-auth" => "name a file that holds it in --vpn-auth-file",
            _ => "put it in /etc/muster/token",
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
        Some("server") => return Err(value.bad("muster runs only k3s agents: remove `server`")),
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
            // The value is not shown: somebody may have mistyped `token`.
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

/// A flag by its full name, with its value. A flag that is given alone has the value `true`.
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

/// The flag's name, with its value if it has `=`. As in Go, one hyphen and two are the same.
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
mod tests {
    use super::*;
    use crate::settings::sources::Source;

    fn parse(text: &str) -> Result<Vec<String>, String> {
        let value = Value {
            name: "INSTALL_K3S_EXEC",
            text: text.into(),
            source: Source::Environment,
        };
        super::parse(&value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_flag_that_holds_a_secret_is_refused_and_not_shown() {
        for flag in [
            "--token=secret",
            "-t secret",
            "--agent-token secret",
            "-cluster-secret=secret",
            "--vpn-auth name=tailscale,joinKey=secret",
            "'--token=secret",
        ] {
            let error = parse(flag).unwrap_err();
            assert!(error.contains("refused"), "{error}");
            assert!(
                !error.contains("secret,") && !error.contains("=secret"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_names_or_redirects_the_node_is_refused() {
        for (text, flag) in [
            ("--node-name foo", "node-name: "),
            ("agent --v=2 -node-name=foo", "node-name: "),
            ("--with-node-id", "with-node-id: "),
            ("-s https://other:6443", "server: "),
            ("--token-file /x", "token-file: "),
            ("--rootless --v 2", "rootless: "),
            ("--tls-san x", "tls-san: "),
            ("-d relative", "data-dir: "),
            ("--docker false --v 2", "false is not a flag"),
            ("agent x", "x is not a flag"),
            ("--", "-- is not a flag"),
        ] {
            let error = parse(text).unwrap_err();
            let shown = match flag {
                "tls-san: " => "INSTALL_K3S_EXEC (environment): ".into(),
                _ => format!("INSTALL_K3S_EXEC={text:?} (environment): "),
            };
            let start = format!("{shown}{flag}");
            assert!(error.starts_with(&start), "{text}: {error}");
        }
    }

    #[test]
    fn a_value_is_not_taken_for_a_flag() {
        for text in [
            "--node-label --server=x",
            "--with-node-id=false -d /mnt/k3s --docker",
            "--kubelet-arg=v=2 --selinux",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
        let words = parse("-i 10.0.0.1 --docker").unwrap();
        let flag = |name, value| Ok(Flag { name, value });
        let read: Vec<_> = flags(&words).collect();
        assert_eq!(read, [flag("node-ip", "10.0.0.1"), flag("docker", "true")]);
    }

    #[test]
    fn words_are_split_as_a_shell_does_and_a_leading_agent_is_dropped() {
        assert_eq!(
            parse("agent --node-label 't=a b'").unwrap(),
            ["--node-label", "t=a b"]
        );
        assert!(parse("server").is_err());
        assert!(parse("'open").is_err());
    }
}
