//! `docs/netboot.md` and the README show what the tools do: their commands run, and what the page says that they print is what
//! they print.

use crate::release;
use crate::support::{Folder, project, succeed};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

const TOOLS: [&str; 2] = ["genapkovl-muster.sh", "netboot-tree.sh"];

fn page() -> String {
    fs::read_to_string(project().join("docs/netboot.md")).unwrap()
}

/// The code blocks of this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(found) = line.strip_prefix("```") {
            let block = lines.by_ref().take_while(|line| *line != "```");
            let block: String = block.map(|line| format!("{line}\n")).collect();
            if found == language {
                blocks.push(block);
            }
        }
    }
    blocks
}

/// The page's commands, run one after the other in a folder that has the files they name: what the reader would have then.
fn followed(page: &str) -> Folder {
    let folder = release::releases();
    let token = format!("K10{}::node:secret\n", "ab".repeat(32));
    folder.write("agent-token", &token, 0o600);
    folder.write(".ssh/id_ed25519.pub", "ssh-ed25519 AAAA someone\n", 0o644);
    let built = "target/aarch64-unknown-linux-musl/release/muster";
    folder.write(built, "#!/bin/sh\n", 0o755);
    folder.write("srv/readme", "", 0o644);
    let mut tar = Command::new("tar");
    tar.args(["-czf", "alpine-rpi-3.23.0-aarch64.tar.gz", "-C", "rpi", "."]);
    succeed(tar.current_dir(folder.path("")));
    fs::remove_file(folder.path("worker.apkovl.tar.gz")).unwrap();
    for block in blocks(page, "sh") {
        if !block.contains("overlay/") {
            continue; // not a command of these tools
        }
        let tools = format!("{}/overlay/", project().display());
        let script = below(&folder, &block.replace("overlay/", &tools));
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", &script])
            .current_dir(folder.path(""))
            .env("HOME", folder.path(""))
            .env("CARGO_TARGET_DIR", folder.path("target"));
        succeed(&mut shell);
    }
    folder
}

/// The text with the page's `/srv` put below the folder.
fn below(folder: &Folder, text: &str) -> String {
    text.replace("/srv/", &format!("{}/", folder.path("srv").display()))
}

#[test]
fn its_commands_run_and_make_what_it_shows() {
    let page = page();
    let folder = followed(&page);
    let conf = fs::read_to_string(folder.path("srv/muster/dnsmasq.conf")).unwrap();
    let shown = blocks(&page, "ini");
    let shown = shown.iter().find(|block| block.contains("dhcp-range"));
    assert_eq!(below(&folder, shown.unwrap()), conf);
    let listed = blocks(&page, "text")
        .into_iter()
        .find(|block| block.starts_with("/srv/muster/"))
        .unwrap();
    for line in listed.lines() {
        let path = line.split_whitespace().next().unwrap();
        assert!(folder.path(&path[1..]).exists(), "{path}");
    }
}

#[test]
fn the_commands_of_the_readme_make_the_folder_of_the_page() {
    let readme = fs::read_to_string(project().join("README.md")).unwrap();
    let (readme, page) = (followed(&readme), followed(&page()));
    let [readme, page] = [&readme, &page].map(|folder| {
        let mut tree = release::tree(&folder.path("srv/muster"));
        // It holds the time at which each of the two was made.
        tree.remove("http/worker.apkovl.tar.gz").unwrap();
        tree.into_iter().map(|(name, (mode, content))| {
            let content = content.map(|bytes| {
                let text = String::from_utf8_lossy(&bytes);
                text.replace(&folder.path("").display().to_string(), "")
            });
            (name, mode, content)
        })
    });
    assert!(readme.eq(page));
}

#[test]
fn every_option_that_it_names_is_in_the_help_of_its_tool() {
    let folder = Folder::new();
    let help = TOOLS.map(|tool| {
        let output = succeed(&mut folder.tool(&["sh"], tool, &["--help"]));
        options(&String::from_utf8(output.stdout).unwrap())
    });
    let page = page();
    let mut commands = 0;
    for block in blocks(&page, "sh") {
        for (tool, help) in TOOLS.iter().zip(&help) {
            if block.contains(tool) {
                commands += 1;
                assert!(options(&block).is_subset(help), "{tool}: {block}");
            }
        }
    }
    assert_eq!(commands, 2);
    let known = &help[0] | &help[1];
    for span in page.split('`').filter(|span| span.starts_with("--")) {
        assert!(options(span).is_subset(&known), "{span}");
    }
}

/// The `--options` of a text.
fn options(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| word.starts_with("--"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_board_that_it_names_has_the_name_that_it_says() {
    let page = page();
    let mut muster = Command::new(env!("CARGO_BIN_EXE_muster"));
    let output = succeed(muster.args(["name", "dc:a6:32:01:02:03"]).env_clear()).stdout;
    let output = String::from_utf8(output).unwrap();
    let name = output
        .split_whitespace()
        .find(|word| word.starts_with("worker-"))
        .unwrap();
    assert!(page.contains("`muster name dc:a6:32:01:02:03`"));
    assert!(page.contains(&format!("--node {name}=")), "{name}");
}
