//! The pages say what is true: the files, links, messages, settings and commands that they name
//! exist.

use crate::root::{Root, stderr};
use muster::paths;
use muster::settings::SETTINGS;
use muster::settings::installer::{self, Answer};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The path and the text of each page of the project, relative to its top folder.
fn pages() -> Vec<(PathBuf, String)> {
    let folders = ["", "docs", "fuzz", "tests/k3s"];
    let entries = folders.map(|folder| fs::read_dir(project().join(folder)).unwrap());
    let files = entries.into_iter().flatten();
    let files = files.map(|entry| entry.unwrap().path());
    let pages = files.filter(|file| file.extension().is_some_and(|ext| ext == "md"));
    pages
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            (file.strip_prefix(project()).unwrap().into(), text)
        })
        .collect()
}

/// The texts between single backticks on one line, outside of code blocks.
fn spans(page: &str) -> Vec<&str> {
    let mut inside = false;
    let text = page.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    text.flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect()
}

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

#[test]
fn links_between_pages_lead_to_files() {
    let mut links = 0;
    for (page, text) in pages() {
        let folder = project().join(&page);
        let folder = folder.parent().unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            links += 1;
            assert!(folder.join(target).exists(), "{}: {target}", page.display());
        }
    }
    assert!(links > 10, "{links}");
}

#[test]
fn paths_in_the_project_that_pages_name_exist() {
    const FOLDERS: [&str; 12] = [
        "src/",
        "docs/",
        "tests/",
        "overlay/",
        "openrc/",
        "fuzz/",
        "man/",
        "completions/",
        "packaging/",
        "link/",
        ".ci/",
        ".github/",
    ];
    let mut named = 0;
    for (page, text) in pages() {
        for span in spans(&text) {
            let word = span.split_whitespace().next().unwrap_or_default();
            // `{a,b}` and `*` stand for several files.
            let plain = word.split(['{', '*']).next().unwrap();
            let is_named = FOLDERS.iter().any(|folder| plain.starts_with(folder));
            // Fuzzing makes this folder.
            if !is_named || plain.starts_with("fuzz/artifacts/") {
                continue;
            }
            named += 1;
            let path = match plain == word {
                true => project().join(plain),
                false => project().join(plain).parent().unwrap().into(),
            };
            assert!(path.exists(), "{}: {span}", page.display());
        }
    }
    assert!(named > 20, "{named}");
}

#[test]
fn the_settings_that_pages_name_exist() {
    let mut named = 0;
    for (page, text) in pages() {
        // The stand-in has settings of its own, and these are names that are refused.
        for word in text.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_')
        {
            if word.starts_with("MUSTER_") && word != "MUSTER_" && word != "MUSTER_BUILD_EPOCH" {
                named += 1;
                let known = SETTINGS.iter().any(|setting| setting.name == word);
                assert!(known, "{}: {word}", page.display());
            }
        }
    }
    assert!(named > 30, "{named}");
}

/// The page's way to keep the node passwords over a rotation of the token.
#[test]
fn the_secret_that_operations_cuts_from_a_token_gives_the_same_node_password() {
    let page = include_str!("../../docs/operations.md");
    let line = page.lines().find(|line| line.contains("sed 's/^K10"));
    let line = line.unwrap().trim();
    let root = Root::new();
    let password = |flags: &[&str]| {
        let _ = fs::remove_file(root.path("etc/rancher/node/password"));
        // The step writes the password, and then there is no k3s to start.
        let output = root.muster(&[flags, &["join"]].concat());
        assert!(
            stderr(&output).contains("there is no"),
            "{}",
            stderr(&output)
        );
        fs::read_to_string(root.path("etc/rancher/node/password")).unwrap()
    };
    let by_token = password(&[]);
    root.write("keep/etc/muster/node-secret", "");
    fs::copy(root.path("etc/muster/token"), root.path("agent-token")).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-ec", line]).current_dir(root.folder());
    assert!(shell.status().unwrap().success(), "{line}");
    let cut = fs::read_to_string(root.path("keep/etc/muster/node-secret")).unwrap();
    root.write("etc/muster/node-secret", &cut);
    root.write(
        "etc/muster/token",
        &format!("K10{}::node:another\n", "0".repeat(64)),
    );
    let secret = ["--set", "MUSTER_NODE_SECRET_FILE=/etc/muster/node-secret"];
    assert_eq!(password(&secret), by_token);
    assert_ne!(password(&[]), by_token, "without the secret file");
}
