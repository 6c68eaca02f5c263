//! The manual page and the completions say what `muster --help` says.

use muster::arguments::help;
use muster::boot::Step;
use muster::paths;
use muster::settings::SETTINGS;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../man/muster.8");

/// The lines of a section of the page.
fn section(name: &str) -> impl Iterator<Item = &'static str> {
    let mut lines = PAGE.lines();
    lines.find(|line| *line == format!(".Sh {name}")).unwrap();
    lines.take_while(|line| !line.starts_with(".Sh "))
}

/// The words of a text that begin with two hyphens.
fn options(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_lowercase() && c != '-')
        .filter(|word| word.starts_with("--"))
        .map(str::to_string)
        .collect()
}

/// The words that follow `muster` in the usage: the commands.
fn commands() -> Vec<String> {
    let help = help();
    let usage = help
        .lines()
        .filter_map(|line| line.strip_prefix("  muster "));
    let words = usage.filter_map(|line| line.split(' ').next());
    let commands = words.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
    commands.map(str::to_string).collect()
}

#[test]
fn the_page_has_the_options_and_the_commands_of_the_help() {
    // `.Fl -root` is --root.
    let text = PAGE.replace("Fl -", "--");
    assert_eq!(options(&text), options(&help()));
    let items = section("COMMANDS").filter_map(|line| line.strip_prefix(".It Cm "));
    let items: Vec<&str> = items.map(|item| item.split(' ').next().unwrap()).collect();
    assert_eq!(items, commands());
    let synopsis = section("SYNOPSIS").filter_map(|line| line.strip_prefix(".Cm "));
    assert_eq!(synopsis.collect::<Vec<_>>(), commands());
}

#[test]
fn the_page_has_the_steps_in_their_order() {
    let items = section("DESCRIPTION").filter_map(|line| line.strip_prefix(".It Cm "));
    let steps: Vec<&str> = Step::all().map(Step::name).collect();
    assert_eq!(items.collect::<Vec<_>>(), steps);
}

#[test]
fn the_page_has_the_table_of_settings() {
    let mut expected = String::new();
    for setting in &SETTINGS {
        expected += &format!(".It Ev {}\n{}\n", setting.name, setting.meaning);
        if !setting.default.is_empty() {
            expected += &format!(".br\ndefault: {}\n", setting.default);
        }
    }
    let rows = section("SETTINGS").skip_while(|line| !line.starts_with(".It "));
    let rows = rows.take_while(|line| *line != ".El");
    let rows: String = rows.map(|line| format!("{line}\n")).collect();
    assert_eq!(rows, expected, "man/muster.8, section SETTINGS");
}

#[test]
fn the_files_of_the_page_are_those_of_a_node() {
    let own = [paths::CONF, paths::TOKEN, paths::NODES];
    for file in section("FILES").filter_map(|line| line.strip_prefix(".It Pa ")) {
        let written = paths::WRITTEN.iter().any(|written| written.path == file);
        assert!(written || own.contains(&file), "{file}");
    }
}

/// What bash offers at the end of this command line.
fn completed(line: &str) -> BTreeSet<String> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let words: Vec<&str> = line.split(' ').collect();
    // bash calls the function with the words of the line, and `compopt` works only then.
    let script = format!(
        "compopt() {{ :; }}; muster() {{ \"$MUSTER\" \"$@\"; }}; . completions/muster.bash
         COMP_WORDS=({}) COMP_CWORD={}; _muster; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.iter().map(|w| format!("'{w}' ")).collect::<String>(),
        words.len() - 1
    );
    let mut bash = Command::new("bash");
    bash.args(["-euc", &script]).current_dir(project);
    let output = bash.env("MUSTER", env!("CARGO_BIN_EXE_muster")).output();
    let output = output.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(error, "", "{line}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(str::to_string).collect()
}

#[test]
fn bash_completes_what_the_help_names() {
    let steps = Step::all().map(|step| step.name().to_string());
    let mut all: BTreeSet<String> = steps.chain(commands()).collect();
    all.extend(options(
        "--dry-run --mac --root --conf --set --supervised --help --version",
    ));
    assert_eq!(completed("muster "), all);
    let settings = SETTINGS.iter().map(|setting| format!("{}=", setting.name));
    assert_eq!(completed("muster --set "), settings.collect());
    assert_eq!(
        completed("muster --set MUSTER_NT"),
        ["MUSTER_NTP=".to_string()].into()
    );
    let status = options("--json --svg --root --conf --set");
    assert_eq!(completed("muster status "), status);
    assert_eq!(completed("muster --set A = b status "), status);
    assert_eq!(completed("muster --root / status --j"), options("--json"));
    assert_eq!(
        completed("muster identity net"),
        ["network".to_string()].into()
    );
    assert_eq!(
        completed("muster --conf Cargo.to"),
        ["Cargo.toml".to_string()].into()
    );
    for option in ["--macs", "--svg"] {
        let line = format!("muster watch {option} Cargo.to");
        assert_eq!(completed(&line), ["Cargo.toml".to_string()].into());
    }
    assert_eq!(
        completed("muster name Cargo.to"),
        ["Cargo.toml".to_string()].into()
    );
}
