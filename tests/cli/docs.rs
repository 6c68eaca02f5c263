//! The table "Files on a node" in `docs/design.md` names the files that `src/paths.rs` names.

use muster::paths;
use std::collections::BTreeSet;

/// The rows of the table: the path and the mode of each file.
fn documented() -> Vec<(String, String)> {
    let page = include_str!("../../docs/design.md");
    let (_, section) = page.split_once("\n## Files on a node\n").unwrap();
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
    let links = [(paths::NODE_CONFIG.to_string(), "link".to_string())];
    let expected: BTreeSet<(String, String)> = written.chain(links).collect();
    let documented = documented();
    let unique: BTreeSet<(String, String)> = documented.iter().cloned().collect();
    assert_eq!(unique, expected);
    assert_eq!(documented.len(), expected.len(), "a row is there twice");
}
