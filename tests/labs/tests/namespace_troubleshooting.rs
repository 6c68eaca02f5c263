//! For each entry of `docs/troubleshooting.md`: makes the fault with the real parts, sees the line, does
//! what the page says, and sees the boot succeed. Commands and settings are taken from the page itself.

#[path = "../../cli/message_words.rs"]
mod message_words;
#[path = "troubleshooting/page.rs"]
mod page;
#[path = "troubleshooting/rows.rs"]
mod rows;
#[path = "troubleshooting/settings.rs"]
mod settings;

use muster_labs::{
    Board, NamespaceBoard, Options, Output, PATIENCE, Service, Site, needs_standin, wait_for,
};
use page::{Entry, entries};
use rows::{ROWS, Row};
use settings::SETTINGS;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

/// How many boards work at the same time.
const BOARDS: usize = 6;

/// A fault that is made in the lab.
pub struct Fault {
    /// The site, which may be what is wrong.
    options: fn() -> Options,
    /// What is wrong in the overlay.
    overlay: fn(&Site, &mut NamespaceBoard),
    /// What is wrong on the board: a script.
    script: &'static str,
    /// What is wrong at the site: it happens after the start of the site, and before that of muster.
    site: fn(&Site, &NamespaceBoard),
    /// What a person does outside of the board, or what the page has no command for.
    remedy: fn(&Site, &NamespaceBoard),
    /// Whether the boot goes on after the line.
    seen: Seen,
    /// Whether `muster check` finds the fault too. It does not register, download or start anything.
    checked: bool,
}

/// Where the line is seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// The boot stops or waits. After the remedy it succeeds by itself.
    Stops,
    /// The board boots with a warning. After the remedy and another boot it is gone.
    Warns,
    /// `muster check` shows it. After the remedy it does not, and a boot succeeds.
    Check,
    /// The boot stops, and the remedy is for the image or the board: it succeeds after a reboot.
    Reboot,
}

const FAULT: Fault = Fault {
    options: Options::default,
    overlay: |_, _| {},
    script: "",
    site: |_, _| {},
    remedy: |_, _| {},
    seen: Seen::Stops,
    checked: true,
};

/// A board, and the entry that is tried on it.
struct Case<'a> {
    site: &'a Site,
    board: NamespaceBoard<'a>,
    entry: &'a Entry,
}

impl Case<'_> {
    fn has_line(&self, text: &str) -> bool {
        text.lines().any(|line| self.entry.is_in(line))
    }

    /// Waits for the entry's line in the log of a boot.
    fn wait_for_line(&self, boot: &Output) {
        let name = self.entry.name();
        let until = Instant::now() + PATIENCE;
        wait_for(&format!("{name:?} in the log"), 2 * PATIENCE, || {
            // In this order: what an ended program printed has been read when it has ended.
            let ended = boot.has_ended();
            let text = boot.text();
            let found = self.has_line(&text);
            let lasts = !ended && Instant::now() < until;
            assert!(found || lasts, "no {name:?}:\n{text}");
            found.then_some(())
        });
    }

    fn check(&self) -> String {
        let check = self.board.command(&["/usr/sbin/muster", "check"]).output();
        String::from_utf8_lossy(&check.expect("muster check").stdout).into_owned()
    }

    /// Does what the blocks of the entry say.
    fn do_blocks(&self) {
        for (place, lines) in self.entry.blocks() {
            match place {
                "board" => _ = self.board.shell(&self.named(&lines.join("\n"))),
                "settings" => lines.iter().for_each(|line| set(&self.board, line)),
                "dhcp" => {
                    let options = Options {
                        dnsmasq: lines.join("\n") + "\n",
                        ..Options::default()
                    };
                    self.site.stop(Service::Dhcp);
                    self.site.start_as(Service::Dhcp, &options);
                }
                "server" => lines.iter().for_each(|line| {
                    let line = self.named(line);
                    let words: Vec<&str> = line.split(' ').collect();
                    assert_eq!(words[0], "kubectl", "{line}");
                    self.site.kubectl(&words[1..]);
                }),
                // An excerpt of a file of the image.
                "text" => {}
                other => panic!("a block for {other:?}"),
            }
        }
    }

    fn named(&self, text: &str) -> String {
        text.replace("NAME", &self.board.name())
    }

    /// The boot has succeeded: k3s runs. The board's name may be another after the remedy.
    fn joined(&self, boot: &Output) {
        let name = self.entry.name();
        let until = Instant::now() + 2 * PATIENCE;
        wait_for(&format!("{name:?}: the board joins"), 3 * PATIENCE, || {
            let ended = boot.has_ended();
            let text = boot.text();
            let joined = text.contains("joined as");
            let lasts = !ended && Instant::now() < until;
            assert!(joined || lasts, "{name:?}: {text}");
            joined.then_some(())
        });
    }

    fn run(&mut self, fault: &Fault) {
        (fault.overlay)(self.site, &mut self.board);
        self.board.power_on_without_muster();
        self.board.shell(fault.script);
        (fault.site)(self.site, &self.board);
        if fault.seen == Seen::Check {
            let text = self.check();
            assert!(self.has_line(&text), "{:?}: {text}", self.entry.name());
            self.do_blocks();
            (fault.remedy)(self.site, &self.board);
            let text = self.check();
            assert!(!self.has_line(&text), "{:?}: {text}", self.entry.name());
            return self.joined(&self.board.boot(&["--supervised"]));
        }
        let boot = self.board.boot(&["--supervised"]);
        self.wait_for_line(&boot);
        if fault.checked {
            let text = self.check();
            assert!(self.has_line(&text), "{:?}: {text}", self.entry.name());
        }
        if fault.seen == Seen::Warns {
            self.joined(&boot);
            self.board.signal_muster("KILL");
            self.board.shell("rm -r /run/muster");
        }
        if fault.seen == Seen::Reboot {
            drop(boot);
            self.board.power_on_without_muster();
            (fault.remedy)(self.site, &self.board);
            return self.joined(&self.board.boot(&["--supervised"]));
        }
        self.do_blocks();
        (fault.remedy)(self.site, &self.board);
        if fault.seen == Seen::Warns {
            let boot = self.board.boot(&["--supervised"]);
            self.joined(&boot);
            assert!(!self.has_line(&boot.text()), "{}", boot.text());
            return;
        }
        self.joined(&boot);
    }
}

/// Writes a line of the settings file in place of the one that it had.
fn set(board: &NamespaceBoard, line: &str) {
    let (name, _) = line.split_once('=').expect("a setting");
    let script = format!(
        "sed '/^{name} *=/d' /etc/conf.d/muster >/run/conf
         echo '{line}' >>/run/conf
         cat /run/conf >/etc/conf.d/muster"
    );
    board.shell(&script);
}

#[test]
fn each_entry_of_the_page_is_tried() {
    let entries = entries();
    let names: BTreeSet<&str> = entries.iter().map(Entry::name).collect();
    assert_eq!(
        names.len(),
        entries.len(),
        "two entries have the same words"
    );
    let rows = ROWS.iter().map(|(name, _)| *name);
    let rows: BTreeSet<&str> = rows.chain(SETTINGS.iter().map(|(name, _)| *name)).collect();
    let untried: Vec<_> = names.difference(&rows).collect();
    let unknown: Vec<_> = rows.difference(&names).collect();
    assert!(
        untried.is_empty() && unknown.is_empty(),
        "entries without a row: {untried:#?}; rows without an entry: {unknown:#?}"
    );
    for (name, row) in ROWS {
        if let Row::Never(why) = row {
            assert!(why.contains(' '), "{name:?} needs a reason");
        }
        if let Row::Elsewhere(file, test) = row {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../..")
                .join(file);
            let text = fs::read_to_string(&path).unwrap_or_default();
            assert!(text.contains(test), "{name:?}: {file} has no {test:?}");
        }
    }
}

#[test]
fn each_fault_is_repaired_as_the_page_says() {
    if needs_standin("the stand-in makes the faults of a server") {
        return;
    }
    let entries = entries();
    let rows: Vec<_> = ROWS.iter().rev().collect();
    let only = std::env::var("ENTRY").ok();
    let (left, failed) = (Mutex::new(rows), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..BOARDS {
            scope.spawn(|| {
                while let Some((name, row)) = { left.lock().unwrap().pop() } {
                    if only
                        .as_ref()
                        .is_some_and(|only| !name.contains(only.as_str()))
                    {
                        continue;
                    }
                    let entry = entries.iter().find(|entry| entry.name() == *name);
                    let entry = entry.expect("another test compares the names");
                    let tried = std::panic::catch_unwind(|| try_row(entry, row));
                    if tried.is_err() {
                        failed.lock().unwrap().push(*name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
}

fn try_row(entry: &Entry, row: &Row) {
    let options = match row {
        Row::Lab(fault) => (fault.options)(),
        Row::Own(options, _) => options(),
        Row::Elsewhere(..) | Row::Never(_) => return,
    };
    let site = Site::new(options);
    let board = NamespaceBoard::new(&site, "52:54:00:12:34:56");
    let mut case = Case {
        site: &site,
        board,
        entry,
    };
    match row {
        Row::Lab(fault) => case.run(fault),
        Row::Own(_, run) => run(&mut case),
        Row::Elsewhere(..) | Row::Never(_) => {}
    }
}
