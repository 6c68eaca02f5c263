//! Parses `INSTALL_K3S_EXEC`, the arguments that the operator adds for `k3s agent`.

use super::value::{BadSetting, Value};
use anyhow::Result;

/// The flags of `k3s agent` that hold a token, without the hyphens in front (k3s, `pkg/cli/cmds`).
const TOKEN_FLAGS: [&str; 4] = ["token", "t", "agent-token", "cluster-secret"];

/// Splits the value into arguments as a shell does, without a command `agent` in front. Fails on a
/// quote that is not closed, on the command `server`, and on a flag that holds a token.
pub(super) fn parse(value: &Value) -> Result<Vec<String>> {
    let mut words = shlex::split(&value.text).ok_or_else(|| value.bad("a quote is not closed"))?;
    // k3s's installer accepts a k3s command as the first word. Here only `agent` is accepted.
    match words.first().map(String::as_str) {
        Some("agent") => {
            words.remove(0);
        }
        Some("server") => return Err(value.bad("muster runs only k3s agents: remove `server`")),
        _ => {}
    }
    if words.iter().any(|word| is_token_flag(word)) {
        // The value is not shown, because it holds a token.
        let why = "refused: every process can read a token given as an argument; \
                   put it in /etc/muster/token";
        let source = &value.source;
        let error = format!("INSTALL_K3S_EXEC=<redacted> ({source}): {why}");
        return Err(BadSetting(error).into());
    }
    Ok(words)
}

/// Whether the word is a flag that holds a token, such as `-t` or `--token=secret`.
fn is_token_flag(word: &str) -> bool {
    let flag = word.split('=').next().unwrap_or_default();
    flag.starts_with('-') && TOKEN_FLAGS.contains(&flag.trim_start_matches('-'))
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
    fn a_token_flag_is_refused_and_not_shown() {
        for flag in [
            "--token=secret",
            "-t secret",
            "--agent-token secret",
            "-cluster-secret=secret",
        ] {
            let error = parse(flag).unwrap_err();
            assert!(error.contains("refused"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
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
