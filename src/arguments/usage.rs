//! Holds the text of `--help`, and what is said about a word that is not in it.

use super::Usage;
use crate::boot::Step;
use crate::settings::SETTINGS;
use crate::similar::did_you_mean;
use std::fmt::Write;

const USAGE: &str = "\
muster turns a netbooted board into a worker of a k3s cluster.

Usage:
  muster [--dry-run] [--root DIR] [--conf FILE] [--set NAME=VALUE] [STEP]...
  muster --dry-run --mac ADDRESS --root DIR [STEP]...
  muster --supervised
  muster name [--json] [MAC | FILE | -]...
  muster check [--settings] [--json]
  muster status [--json | --svg]
  muster health
  muster watch [--listen ADDRESS] [--macs FILE] [--json] [--svg FILE]
  muster --help | --version

Without a command, muster runs all steps, or the given STEPs, in this order:
  identity, network, clock, prepare, register, fetch, join; then muster
  becomes k3s agent, unless the step join was left out.

  --supervised      after a failure, wait and try again, as the service does
  --dry-run         print what a boot would do; change nothing, send nothing
  --mac ADDRESS     with --dry-run and --root: print the plan of the board with
                    this MAC address, whose unpacked overlay is in DIR
  --root DIR        the root folder of the machine's files, instead of /
  --conf FILE       the settings file, instead of /etc/conf.d/muster
  --set NAME=VALUE  a setting; it overrides the kernel command line
                    (NAME=value), which overrides the environment, which
                    overrides the settings file

  name              print the hostname of each MAC address; give the addresses
                    as arguments, in a FILE or on standard input (-), as a
                    list, output of ip neigh or arp -n, or dnsmasq's leases;
                    exits 1 if two hostnames are the same; --json: as JSON
  check             check all that a boot needs and change nothing; exits 1 if
                    anything is missing or unknown; --settings: check only the
                    settings and files given there, offline; --json: as JSON
  status            print the steps of this boot and their errors; --json: as
                    JSON; --svg: as a picture
  health            keep running and look after a node that has joined, as the
                    service muster-health does: start the DHCP client and the
                    time daemon when they do not run, and restart k3s when the
                    node's address has changed
  watch             show what the boards of a rack report to this machine, one
                    row for each board; --listen: the IP address, the port or
                    both to listen on, instead of 0.0.0.0:5514; --macs: show
                    the boards of a FILE (as for muster name) even before they
                    report; --json: print a JSON object at each change; --svg:
                    write a picture of the rack to a FILE at each change

Settings:
";

const EXITS: &str = "
Exit status: 0 done, 1 failed, 2 usage or configuration error.
";

/// The help, at most 80 columns wide.
pub fn help() -> String {
    let mut text = String::from(USAGE);
    for setting in &SETTINGS {
        let _ = writeln!(text, "  {:<25} {}", setting.name, setting.meaning);
    }
    text + EXITS
}

/// The error for a word that is neither a step nor a command.
pub(super) fn unknown_step(word: &str) -> Usage {
    let names: Vec<&str> = Step::all().map(Step::name).collect();
    let usage = USAGE
        .lines()
        .filter_map(|line| line.strip_prefix("  muster "));
    let commands = usage.filter_map(|line| line.split(' ').next());
    let steps = format!("the steps are {}; see muster --help", names.join(", "));
    // Other words for what muster, or its service, does.
    let hint = match word {
        "plan" => "muster --dry-run prints what a boot would do".into(),
        "start" | "stop" | "restart" | "upgrade" => format!("run rc-service muster {word}"),
        _ => did_you_mean(word, commands.chain(names.iter().copied()), &steps),
    };
    Usage(format!(
        "STEP={word:?} (command line): there is no such step or command; {hint}"
    ))
}
