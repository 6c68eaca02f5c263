//! Runs k3s's own check of the kernel and of k3s's files (`k3s check-config`), if k3s is installed.

use super::Report;
use crate::host::Host;
use crate::host::process::Variable;
use crate::life::restart;
use crate::settings::{AgentConfig, Settings};

/// Runs k3s's check, and adds each failure to the report as a warning. They are only warnings
/// because k3s also reports features that only some clusters need. The check is run only when the
/// installed k3s is accepted ([`restart::verified`]) and has already unpacked its own files
/// (215 MB). Without these files, the check would unpack them, and so change the machine.
pub fn check_config(report: &mut Report, host: &Host, settings: &Settings, config: &AgentConfig) {
    let unpacked = format!("{}/data/current/bin", config.data_dir());
    if host.metadata(unpacked).is_none() || restart::verified(host, settings).is_err() {
        return;
    }
    let variable = |name: &str, value: &str| Variable {
        name: name.into(),
        value: value.into(),
        shown: true,
    };
    let mut environment = settings.for_k3s.clone();
    environment.push(variable("K3S_DATA_DIR", config.data_dir()));
    environment.push(variable("NO_COLOR", "1"));
    let program = settings.bin_dir.join("k3s");
    match host.output(&program, &["check-config"], &environment) {
        Ok(output) if output.success => report.ok("k3s", "k3s check-config finds no failure"),
        Ok(output) => {
            for failure in failures(&output.text) {
                report.warning("k3s", format_args!("k3s check-config: {failure}"));
            }
        }
        Err(error) => report.warning("k3s", format_args!("{error:#}")),
    }
}

/// Returns the lines in the output of k3s's check that report a failure, without the line that
/// counts the failures. When no line reports a failure, the last line is returned: the check itself
/// has failed, and this line says why.
fn failures(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        let line = without_colors(line);
        line.trim().trim_start_matches("- ").to_string()
    });
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    let failed = lines.iter().filter(|line| line.ends_with("(fail)"));
    let failed = failed.filter(|line| !line.starts_with("STATUS"));
    let failed: Vec<String> = failed.cloned().collect();
    match failed.is_empty() {
        true => lines.last().cloned().into_iter().collect(),
        false => failed,
    }
}

/// The line without color sequences (`ESC [ ... m`). Older releases of k3s print them although
/// `NO_COLOR` is set.
fn without_colors(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let mut text = parts.next().unwrap_or_default().to_string();
    for part in parts {
        text.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failed_lines_are_found_with_and_without_colors() {
        let text = "\nGenerally Necessary:\n- cgroup hierarchy: cgroups V2 mounted\n\
                    - CONFIG_VETH: missing (fail)\n\
                    - \x1b[1mCONFIG_KEYS\x1b[0m: \x1b[1;31mmissing (fail)\x1b[0m\n\
                    - CONFIG_RT: missing\n\nSTATUS: 2 (fail)\n";
        let expected = ["CONFIG_VETH: missing (fail)", "CONFIG_KEYS: missing (fail)"];
        assert_eq!(failures(text), expected);
        let error = "warning\nerror: cannot find kernel config\n";
        assert_eq!(failures(error), ["error: cannot find kernel config"]);
    }
}
