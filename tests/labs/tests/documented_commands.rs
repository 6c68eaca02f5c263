//! The commands of README and docs are run as they are written there. A block of commands is marked
//! with `sh` in the page, and has a row here.

use muster_labs::{Kind, NamespaceBoard, Options, Output, Site, muster, needs_standin, server_k3s};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What runs the commands of a block.
enum Runs {
    /// This file runs them at a desk: on the site's machine, in a folder that has the files which the
    /// page names. The output must have each of these texts.
    AtADesk(&'static [&'static str]),
    /// This file runs each line on a board that has joined.
    OnABoard,
    /// Another file of the project runs them.
    Elsewhere(&'static str),
    /// No test can run them, for this reason.
    Never(&'static str),
}
use Runs::{AtADesk, Elsewhere, Never, OnABoard};

/// The page, the beginning of the block's first line, and what runs the block.
const BLOCKS: &[(&str, &str, Runs)] = &[
    ("CONTRIBUTING.md", "cargo mutants", Never("it takes hours")),
    (
        "README.md",
        "make demo",
        Never("it powers boards on for minutes; .ci/run runs its `make test`"),
    ),
    (
        "README.md",
        "make setup aarch64",
        Never(
            "it copies the token from a server by ssh; .ci/run runs its `make setup`, and builds the program of `make aarch64`",
        ),
    ),
    (
        "README.md",
        "SOURCE_DATE_EPOCH",
        Elsewhere("tests/overlay/netboot_page.rs"),
    ),
    ("README.md", "muster --dry-run", OnABoard),
    (
        "docs/migration.md",
        "muster name macs.txt",
        AtADesk(&["deleted"]),
    ),
    (
        "docs/mirrors.md",
        "tag=",
        Never("it downloads a release from GitHub"),
    ),
    (
        "docs/netboot.md",
        "SOURCE_DATE_EPOCH",
        Elsewhere("tests/overlay/netboot_page.rs"),
    ),
    (
        "docs/netboot.md",
        "overlay/netboot-tree.sh",
        Elsewhere("tests/overlay/netboot_page.rs"),
    ),
    (
        "docs/operations.md",
        "kubectl drain NAME --ignore-daemonsets --delete-emptydir-data",
        Never("the stand-in for k3s has no pods to drain"),
    ),
    (
        "docs/operations.md",
        "kubectl uncordon",
        Never("the stand-in for k3s has no pods to drain"),
    ),
    ("docs/operations.md", "mkdir -p keep", AtADesk(&[])),
    (
        "docs/operations.md",
        "muster name macs.txt",
        AtADesk(&["NotFound"]),
    ),
    (
        "docs/operations.md",
        "kubectl drain NAME",
        Never("the stand-in for k3s has no pods to drain"),
    ),
    (
        "docs/operations.md",
        "muster name macs.txt",
        AtADesk(&[ABSENT]),
    ),
    (
        "docs/rack.md",
        "muster name b8:27:eb:00:00:01",
        AtADesk(&["worker-b5b697", ABSENT]),
    ),
    (
        "docs/rack.md",
        "muster watch",
        AtADesk(&["listening on 0.0.0.0:5514", "listening on 192.0.2.10:5140"]),
    ),
    (
        "fuzz/README.md",
        "make fuzz",
        Never("it takes many minutes"),
    ),
];

/// The address of a board that was never switched on.
const ABSENT: &str = "52:54:00:12:34:99";
/// A command that runs until somebody ends it.
const WATCH: &str = "muster watch";

/// The secret part of the token in the desk's folder.
const SECRET: &str = "sekret";

fn project() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    top.canonicalize().unwrap()
}

/// The blocks of commands of all pages, each with the name of its page, in the order of the pages' names.
fn blocks() -> Vec<(String, String)> {
    let mut pages: Vec<String> = Vec::new();
    for folder in ["", "docs/", "fuzz/", "tests/k3s/"] {
        for entry in fs::read_dir(project().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                pages.push(format!("{folder}{name}"));
            }
        }
    }
    pages.sort();
    let mut blocks = Vec::new();
    for page in pages {
        let text = fs::read_to_string(project().join(&page)).unwrap();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                assert!(!language.is_empty(), "{page}: a block without a language");
                let indent = line.len() - line.trim_start().len();
                let block = lines.by_ref().take_while(|line| line.trim() != "```");
                let block: String = block
                    .map(|line| format!("{}\n", line.get(indent..).unwrap_or_default()))
                    .collect();
                if language == "sh" {
                    blocks.push((page.clone(), block));
                }
            }
        }
    }
    blocks
}

/// A folder with the files and programs that the pages name, on the site's machine.
struct Desk<'a> {
    site: &'a Site,
    folder: tempfile::TempDir,
}

impl Desk<'_> {
    fn new(site: &Site) -> Desk<'_> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let joined = Site::mac(1);
        write("macs.txt", &format!("{ABSENT}\n{joined}\n"));
        write("rack1.txt", &format!("{ABSENT}  # the lowest one\n"));
        write("boards.csv", &format!("mac,rack\n{joined},2\n"));
        let hash = "ab".repeat(32);
        write("agent-token", &format!("K10{hash}::node:{SECRET}\n"));
        let programs = folder.path().join("bin");
        fs::create_dir(&programs).unwrap();
        symlink(muster(Kind::Namespace), programs.join("muster")).unwrap();
        let kubectl = programs.join("kubectl");
        let script = format!(
            "#!/bin/sh\nK3S_DATA_DIR={} exec {} kubectl \"$@\"\n",
            site.path("k3s").display(),
            server_k3s().display()
        );
        fs::write(&kubectl, script).unwrap();
        fs::set_permissions(&kubectl, Permissions::from_mode(0o755)).unwrap();
        Desk { site, folder }
    }

    fn bash(&self, script: &str) -> Command {
        // The leases are those that dnsmasq keeps in its own folder.
        let script = format!(
            "set -e
             mount -t tmpfs tmpfs /var/lib/misc
             cp {} /var/lib/misc/dnsmasq.leases
             {script}",
            self.site.path("leases").display()
        );
        let programs = self.folder.path().join("bin");
        let path = std::env::var("PATH").unwrap();
        let mut command = self.site.command("unshare");
        command
            .args(["--mount", "--pid", "--fork", "--kill-child"])
            .args(["bash", "-c", &script])
            .env("PATH", format!("{}:{path}", programs.display()))
            .current_dir(self.folder.path());
        command
    }

    /// Runs a block of commands; returns what it printed.
    fn run(&self, block: &str) -> String {
        if block.starts_with(WATCH) {
            return block
                .lines()
                .map(|line| watched(&mut self.bash(line)))
                .collect();
        }
        // A loop goes on after a command that failed: not every board of a list has a secret or a node.
        let is_loop = block.contains("while ");
        let script = format!("{}{block}", if is_loop { "set +e\n" } else { "" });
        let output = self.bash(&script).output().unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        let success = is_loop || output.status.success();
        assert!(success, "{block}: {}{}", text[0], text[1]);
        text.concat()
    }
}

/// Starts a command that runs until somebody ends it, and ends it when it listens; returns what it printed.
fn watched(command: &mut Command) -> String {
    let mut output = Output::follow(command);
    output.wait_for("listening on");
    output.kill();
    // Its output ends when all of its processes have ended, and its port is free.
    output.end();
    output.text()
}

fn on_a_board(board: &NamespaceBoard, line: &str) {
    match line.starts_with(WATCH) {
        true => _ = watched(&mut board.command(&["sh", "-c", line])),
        false => _ = board.run(&["sh", "-c", line]),
    }
}

#[test]
fn the_commands_of_the_pages_run_as_they_are_written() {
    if needs_standin("the words that kubectl prints are the stand-in's") {
        return;
    }
    let site = Site::new(Options::default());
    let mut board = NamespaceBoard::new(&site, &Site::mac(1));
    board.power_on_without_muster();
    let _agent = board.boot_to_joined();
    // `muster watch --listen` names this address.
    let address = ["ip", "addr", "add", "192.0.2.10/32", "dev", "lo"];
    let added = site.command(address[0]).args(&address[1..]).status();
    assert!(added.unwrap().success());
    let desk = Desk::new(&site);

    let mut rows = BLOCKS.iter();
    for (page, block) in blocks() {
        let row = rows.next();
        let Some((.., runs)) = row.filter(|(of, first, _)| *of == page && block.starts_with(first))
        else {
            panic!("{page}: this block is not the next one in BLOCKS:\n{block}");
        };
        match runs {
            AtADesk(expected) => {
                let output = desk.run(&block);
                for text in *expected {
                    assert!(
                        output.contains(text),
                        "{page}: no {text:?}: {block}{output}"
                    );
                }
            }
            OnABoard => block.lines().for_each(|line| on_a_board(&board, line)),
            Elsewhere(file) => assert!(project().join(file).exists(), "{page}: {file}"),
            Never(reason) => println!("{page}: not run: {reason}"),
        }
    }
    assert!(rows.next().is_none(), "a row whose block is gone");
    // What `docs/operations.md` cuts out of the token.
    let secret = fs::read_to_string(desk.folder.path().join("keep/etc/muster/node-secret"));
    assert_eq!(secret.unwrap().trim(), SECRET);
}
