//! Tables in `docs/` are compared with the code: the files on a node with `src/paths.rs`, and the
//! variables of k3s's install script with `src/settings/installer.rs`.

use muster::paths;
use muster::settings::installer::{self, Answer};
use std::collections::BTreeSet;

/// The first two cells of each row of a section's table.
fn documented(page: &str, section: &str) -> Vec<(String, String)> {
    let (_, section) = page.split_once(&format!("\n## {section}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_string()).collect();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(cells)
        .map(|cells: Vec<String>| (cells[1].trim_matches('`').to_string(), cells[2].clone()))
        .collect()
}

#[test]
fn the_documented_files_on_a_node_are_those_that_muster_writes() {
    let written = paths::WRITTEN
        .iter()
        .map(|file| (file.path.to_string(), format!("{:04o}", file.mode)));
    let links = paths::K3S_LINKS.into_iter().chain([paths::NODE_CONFIG]);
    let links = links.map(|link| (link.to_string(), "link".to_string()));
    let expected: BTreeSet<(String, String)> = written.chain(links).collect();
    let documented = documented(include_str!("../../docs/design.md"), "Files on a node");
    let unique: BTreeSet<(String, String)> = documented.iter().cloned().collect();
    assert_eq!(unique, expected);
    assert_eq!(documented.len(), expected.len(), "a row is there twice");
}

#[test]
fn every_variable_of_the_install_script_is_documented_with_its_answer() {
    let answer = |name: &str| match installer::answer(name) {
        Some(Answer::Setting) => "honoured",
        Some(Answer::Refused(_)) => "refused",
        Some(Answer::Ignored(_)) => "ignored",
        None => "unknown",
    };
    let expected: BTreeSet<(String, String)> = installer::names()
        .map(|name| (name.to_string(), answer(name).to_string()))
        .collect();
    let page = include_str!("../../docs/settings.md");
    let documented = documented(page, "Variables of k3s's install script");
    let unique: BTreeSet<(String, String)> = documented.iter().cloned().collect();
    assert_eq!(unique, expected);
    assert_eq!(documented.len(), 19, "the install script has 19 variables");
}
