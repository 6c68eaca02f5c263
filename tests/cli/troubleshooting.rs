//! `docs/troubleshooting.md` has all messages that stop a boot or make it wait, and no others.
//!
//! A text in the source of the boot counts as such a message, unless it is in a macro or a function
//! that only informs ([`INFORMING`]), or is in the list [`NO_MESSAGES`]. So a new message, however it
//! is made, fails the test until the page has it.

use crate::literals::{Literal, literals};
use crate::message_words::{has_words, spans};
use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../../docs/troubleshooting.md");

/// The source of the boot and of `muster check`: files, and folders with all that is below them.
const SOURCES: [&str; 12] = [
    "boot.rs",
    "handover.rs",
    "supervise.rs",
    "board",
    "check",
    "download",
    "host",
    "http",
    "k3s",
    "life",
    "settings",
    "steps",
];

/// The macros and functions whose texts inform: log lines below an error, the lines of a plan, and
/// what can only be seen where the program is wrong.
const INFORMING: [&str; 19] = [
    "debug!",
    "info!",
    "trace!",
    "warn!",
    "log!",
    "ask",
    "effect",
    "set_clock",
    "set_result",
    "add_result",
    "problem_solved",
    "resume_step",
    "expect",
    "panic!",
    "unreachable!",
    // What `muster check` found right, and what it could not find out.
    "ok",
    "row",
    "unknown",
    "all_unknown",
];
/// The macros and functions that make an error. Inside of an informing one, they decide.
const FAILING: [&str; 9] = [
    "anyhow!",
    "bail!",
    "ensure!",
    "context",
    "with_context",
    "bad",
    "Err",
    "BadSetting",
    "report_problem",
];

/// Texts that are no messages: the file, and how the text begins.
const NO_MESSAGES: &[(&str, &str)] = &[
    ("handover.rs", "(version unknown)"),
    ("handover.rs", "… is ready … s after power-on"),
    ("check/k3s.rs", "k3s check-config: …"),
    ("check/connection.rs", "the clock is … s "),
    ("check/machine.rs", "not checked: "),
    // The last line and the counts.
    ("check/report.rs", ""),
    ("check/site.rs", "not checked: "),
    ("host/dhcp_client.rs", "make the DHCP client of"),
    // The plan.
    ("host/network_time.rs", "set the clock"),
    ("host/network_time.rs", "the clock agrees with"),
    ("life/health.rs", "send … to k3s"),
    // Only in the debug log: what is missing is the message.
    ("host/routers.rs", "cannot "),
    ("http/client.rs", "… …… HTTP/1.1"),
    ("http/connect.rs", "CONNECT "),
    // The names of the statuses.
    ("http/head.rs", " "),
    ("k3s/link.rs", "ask …, and check the answer"),
    // Words of the server's that muster looks for.
    ("k3s/refusal.rs", "apiserver disabled"),
    ("k3s/refusal.rs", "hash does not match"),
    (
        "settings/agent_interface.rs",
        "flannel-iface names this interface",
    ),
    (
        "settings/agent_interface.rs",
        "the default route uses this interface",
    ),
    ("settings/doubts.rs", "muster --help lists the settings"),
    // Why a variable means nothing here.
    ("settings/installer.rs", "Alpine has no"),
    ("settings/installer.rs", "muster always starts k3s"),
    ("settings/installer.rs", "muster runs under OpenRC"),
    ("settings/installer.rs", "to restart k3s, run: "),
    ("settings/installer.rs", "the overlay enables the service"),
    ("settings/installer.rs", "the service is called muster"),
    ("settings/sources.rs", "kernel command line"),
    // The help.
    ("settings/table.rs", ""),
    ("steps/fetch.rs", "install …"),
    ("steps/fetch.rs", " or does not fit into the memory"),
    ("steps/fetch.rs", "the server or "),
    ("steps/fetch.rs", "verified by"),
    ("steps/identity.rs", "127.0.0.1"),
    ("steps/identity.rs", "muster machine-id"),
    ("steps/network.rs", "wait for an address"),
    ("steps/register.rs", "ask … whether"),
    ("settings/value.rs", "this user may not read the file"),
    ("settings/agent_arguments.rs", "write the secret to a file"),
    ("download/writer.rs", "no thread panics"),
    // What is downloaded.
    ("download/asset.rs", "the image archive of k3s"),
    // Around a reason that has an entry.
    (
        "settings/agent_arguments.rs",
        "INSTALL_K3S_EXEC=<redacted> (…)",
    ),
    ("settings/agent_config.rs", "… line …: …"),
    ("settings/agent_config.rs", "… (… line …): …"),
    ("settings/checked.rs", "the join token …"),
    ("steps/identity.rs", "BOOTIF=…: …"),
    ("steps/identity.rs", "… holds …, which is …"),
];

/// What may be on the page and is no text of muster's.
const OF_THE_SYSTEM: [&str; 2] = ["WARN:", "failed to lookup address information"];

/// The messages of the source, each with its file.
fn messages() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut left: Vec<String> = SOURCES.map(String::from).to_vec();
    while let Some(name) = left.pop() {
        let path = top.join(&name);
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            left.extend(names.map(|entry| format!("{name}/{entry}")));
        } else if name.ends_with(".rs") && !name.ends_with("/tests.rs") {
            let source = fs::read_to_string(&path).unwrap();
            let texts = literals(&source).into_iter().filter(can_be_message);
            found.extend(texts.map(|literal| (name.clone(), literal.text)));
        }
    }
    found
}

/// Whether a text may be a message: it has words, and is not only for information.
fn can_be_message(literal: &Literal) -> bool {
    let decides =
        |name: &&String| FAILING.contains(&name.as_str()) || INFORMING.contains(&name.as_str());
    let decided = literal.within.iter().rev().find(decides);
    let fails = decided.is_some_and(|name| FAILING.contains(&name.as_str()));
    let is_word = |word: &&str| word.chars().filter(char::is_ascii_alphabetic).count() >= 2;
    let words = literal.text.split_whitespace().filter(is_word).count();
    match decided {
        Some(_) => fails && words >= 1,
        None => words >= 2,
    }
}

fn is_no_message((file, text): &(String, String), exception: &(&str, &str)) -> bool {
    file == exception.0 && text.starts_with(exception.1)
}

/// Whether the page's words are in the message. `…` stands for any text.
fn says(message: &str, words: &str) -> bool {
    // The source has only the name of what is retried, in a call of `retry`.
    if let Some(name) = words.strip_suffix(": …; retrying") {
        return message == name;
    }
    has_words(message, words)
}

/// The page's entries: each heading that is a message, and each row of a table of messages. For each
/// the words of its messages.
fn entries() -> Vec<Vec<&'static str>> {
    let heads = PAGE.lines().filter(|line| line.starts_with("### "));
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split(" | ").next().unwrap());
    let entries = heads.chain(cells);
    entries.map(|words| spans(words).collect()).collect()
}

/// Words of messages in the text of an entry: remedies that muster prints, and causes that are not
/// worth an entry.
fn words_in_text() -> impl Iterator<Item = &'static str> {
    let lines = PAGE.lines();
    let lines = lines.filter(|line| line.starts_with("- **") || line.starts_with("  "));
    let words = lines.flat_map(spans);
    words.filter(|words| words.split_whitespace().count() >= 4)
}

#[test]
fn each_message_of_the_source_has_an_entry() {
    let entries = entries();
    let words: Vec<&str> = entries
        .into_iter()
        .flatten()
        .chain(words_in_text())
        .collect();
    let messages = messages();
    assert!(messages.len() > 200, "{}", messages.len());
    let missing: Vec<&(String, String)> = messages
        .iter()
        .filter(|message| {
            let is_listed = |exception: &(&str, &str)| is_no_message(message, exception);
            !NO_MESSAGES.iter().any(is_listed)
        })
        .filter(|(_, message)| !words.iter().any(|words| says(message, words)))
        .collect();
    let list: Vec<String> = missing.iter().map(|m| format!("{m:?}")).collect();
    assert!(
        missing.is_empty(),
        "docs/troubleshooting.md has no entry for:\n{}",
        list.join("\n")
    );
}

#[test]
fn each_entry_is_a_message_of_the_source() {
    let messages = messages();
    let is_said = |words: &str| messages.iter().any(|(_, message)| says(message, words));
    let entries = entries();
    assert!(entries.len() > 100, "{}", entries.len());
    for words in entries.into_iter().flatten() {
        let known = is_said(words) || OF_THE_SYSTEM.contains(&words);
        assert!(known, "no message has {words:?}");
    }
    for exception in NO_MESSAGES {
        let is_there = messages
            .iter()
            .any(|message| is_no_message(message, exception));
        assert!(is_there, "{exception:?} is not in the source any more");
    }
}

/// Without an entry, some message would have none: so no entry can be removed, and none stands twice.
#[test]
fn no_entry_is_needless() {
    let (entries, messages) = (entries(), messages());
    let in_text: Vec<&str> = words_in_text().collect();
    let has = |entry: &[&str], message: &str| entry.iter().any(|words| says(message, words));
    for (index, entry) in entries.iter().enumerate() {
        let others = entries
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index);
        let others: Vec<&Vec<&str>> = others.map(|(_, entry)| entry).collect();
        let needed = messages.iter().any(|(_, message)| {
            has(entry, message)
                && !has(&in_text, message)
                && !others.iter().any(|other| has(other, message))
        });
        let is_of_the_system = entry.iter().any(|words| OF_THE_SYSTEM.contains(words));
        assert!(needed || is_of_the_system, "{entry:?}");
    }
}

#[test]
fn each_entry_has_cause_remedy_and_confirmation() {
    for entry in PAGE.split("\n### ").skip(1) {
        let entry = entry.split("\n## ").next().unwrap();
        for part in ["\n- **Cause:** ", "\n- **Remedy:** ", "\n- **Confirm:** "] {
            assert_eq!(entry.matches(part).count(), 1, "{part:?}: {entry}");
        }
    }
}
