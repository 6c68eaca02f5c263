//! For each message of `docs/troubleshooting.md`: makes the fault with the real parts, sees the line, does
//! what the page says, and sees the boot succeed. Commands and settings are taken from the page itself.
//!
//! `muster check` runs during the fault and after the boot. So whatever it can find missing is seen missing
//! here, and is there when the remedy was done.

#[path = "../../cli/message_words.rs"]
mod message_words;
#[path = "troubleshooting/page.rs"]
mod page;
#[path = "troubleshooting/rows/mod.rs"]
mod rows;
#[path = "troubleshooting/settings.rs"]
mod settings;

use message_words::has_words;
use muster_labs::{
    Board, NamespaceBoard, Options, Output, PATIENCE, Service, Site, needs_standin, wait_for,
};
use page::{Entry, checks_that_can_miss, entries, entry_of};
use rows::{Row, all_rows};
use settings::SETTINGS;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// How many boards work at the same time. They spend most of their time waiting.
const BOARDS: usize = 8;

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
    /// Whether `muster check` has the line too. It does not register, download or start anything.
    checked: bool,
    /// Whether the fault is on the board alone, so that the site is as usual for other boards meanwhile.
    shares_site: bool,
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
    shares_site: false,
};

const ON_BOARD: Fault = Fault {
    shares_site: true,
    ..FAULT
};

/// A board, and what is tried on it.
struct Case<'a> {
    site: &'a Site,
    board: NamespaceBoard<'a>,
    entry: &'a Entry,
    /// The messages that are to be seen, all of this entry.
    messages: &'a [&'a str],
}

/// Whether a line of the text has this message.
fn has_line(text: &str, message: &str) -> bool {
    text.lines().any(|line| has_words(line, message))
}

/// What `muster check` found missing, by the names of `docs/check.md`.
fn missing(check: &str) -> BTreeSet<String> {
    let rows = check
        .lines()
        .filter_map(|line| line.strip_prefix("MISSING"));
    rows.filter_map(|row| row.split_whitespace().next())
        .map(String::from)
        .collect()
}

impl Case<'_> {
    fn name(&self) -> &str {
        self.messages[0]
    }

    fn assert_lines(&self, text: &str) {
        for message in self.messages {
            assert!(has_line(text, message), "no {message:?}:\n{text}");
        }
    }

    fn assert_no_line(&self, text: &str) {
        for message in self.messages {
            assert!(!has_line(text, message), "{message:?}:\n{text}");
        }
    }

    /// Waits for a message in the log of a boot.
    fn wait_for_message(&self, boot: &Output, message: &str) {
        let until = Instant::now() + PATIENCE;
        wait_for(&format!("{message:?} in the log"), 2 * PATIENCE, || {
            // In this order: what an ended program printed has been read when it has ended.
            let ended = boot.has_ended();
            let text = boot.text();
            let found = has_line(&text, message);
            let lasts = !ended && Instant::now() < until;
            assert!(found || lasts, "no {message:?}:\n{text}");
            found.then_some(())
        });
    }

    /// Waits for all messages in the log of a boot.
    fn wait_for_lines(&self, boot: &Output) {
        for message in self.messages {
            self.wait_for_message(boot, message);
        }
    }

    /// What `muster check` prints.
    fn check(&self) -> String {
        let check = self.board.command(&["/usr/sbin/muster", "check"]).output();
        let check = check.expect("muster check");
        String::from_utf8_lossy(&[check.stdout, check.stderr].concat()).into_owned()
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
        let name = self.name();
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

    /// Makes the fault and repairs it. Returns what `muster check` found missing meanwhile.
    fn run(&mut self, fault: &Fault) -> BTreeSet<String> {
        (fault.overlay)(self.site, &mut self.board);
        self.board.power_on_without_muster();
        self.board.shell(fault.script);
        (fault.site)(self.site, &self.board);
        let boot = (fault.seen != Seen::Check).then(|| self.board.boot(&["--supervised"]));
        if let Some(boot) = &boot {
            self.wait_for_lines(boot);
        }
        let check = self.check();
        if fault.checked {
            self.assert_lines(&check);
        }
        let boot = match (fault.seen, boot) {
            (Seen::Stops, boot) => {
                self.repair(fault);
                boot
            }
            (Seen::Check, _) => {
                self.repair(fault);
                self.assert_no_line(&self.check());
                None
            }
            (Seen::Warns, boot) => {
                self.joined(&boot.expect("a boot"));
                self.board.signal_muster("KILL");
                self.board.shell("rm -r /run/muster");
                self.repair(fault);
                None
            }
            (Seen::Reboot, boot) => {
                drop(boot);
                self.board.power_on_without_muster();
                (fault.remedy)(self.site, &self.board);
                None
            }
        };
        let boot = boot.unwrap_or_else(|| self.board.boot(&["--supervised"]));
        self.joined(&boot);
        if fault.seen == Seen::Warns {
            self.assert_no_line(&boot.text());
        }
        let after = self.check();
        let left = missing(&after);
        assert!(left.is_empty(), "{:?}: {after}", self.name());
        missing(&check)
    }

    fn repair(&self, fault: &Fault) {
        self.do_blocks();
        (fault.remedy)(self.site, &self.board);
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
fn each_message_of_the_page_is_tried() {
    let entries = entries();
    let messages: Vec<&str> = entries
        .iter()
        .flat_map(|entry| entry.messages.iter().copied())
        .collect();
    let rows = all_rows().flat_map(|(messages, _)| messages.iter().copied());
    let rows: Vec<&str> = rows
        .chain(
            SETTINGS
                .iter()
                .flat_map(|(messages, _)| messages.iter().copied()),
        )
        .collect();
    for list in [&messages, &rows] {
        let unique: BTreeSet<_> = list.iter().collect();
        assert_eq!(
            unique.len(),
            list.len(),
            "a message is there twice: {list:#?}"
        );
    }
    let untried: Vec<_> = messages
        .iter()
        .filter(|message| !rows.contains(message))
        .collect();
    let unknown: Vec<_> = rows
        .iter()
        .filter(|message| !messages.contains(message))
        .collect();
    assert!(
        untried.is_empty() && unknown.is_empty(),
        "messages without a row: {untried:#?}; rows without a message: {unknown:#?}"
    );
    for (messages, row) in all_rows() {
        let of_one = entry_of(&entries, messages[0]);
        assert!(
            messages
                .iter()
                .all(|message| of_one.messages.contains(message)),
            "{messages:?}"
        );
        match row {
            Row::Never(why) => assert!(why.contains(' '), "{messages:?} needs a reason"),
            Row::Machine(file, test) => {
                let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("tests")
                    .join(file);
                let text = fs::read_to_string(&path).unwrap_or_default();
                let is_there = |words: &str| assert!(has_words(&text, words), "{file}: {words:?}");
                is_there(&format!("#[test]\nfn {test}()"));
                messages.iter().copied().for_each(is_there);
            }
            Row::Lab(_) | Row::Own(..) | Row::OnBoard(_) => {}
        }
    }
    // An entry is tried when one of its messages is, at least.
    let tried = all_rows().filter(|(_, row)| !matches!(row, Row::Never(_)));
    let tried = tried.map(|(messages, _)| messages);
    let tried = tried.chain(SETTINGS.iter().map(|(messages, _)| messages));
    let tried: BTreeSet<_> = tried
        .flat_map(|messages| messages.iter().copied())
        .collect();
    for entry in &entries {
        let has_one = entry.messages.iter().any(|message| tried.contains(message));
        assert!(has_one, "no lab tries {:?}", entry.messages);
    }
}

#[test]
fn each_fault_is_repaired_as_the_page_says() {
    if needs_standin("the stand-in makes the faults of a server") {
        return;
    }
    let entries = entries();
    let only = std::env::var("ENTRY").ok();
    let is_wanted = |messages: &[&str]| {
        let only = only.as_deref().unwrap_or_default();
        messages.iter().any(|message| message.contains(only))
    };
    let mut rows: Vec<_> = all_rows()
        .filter(|(messages, _)| is_wanted(messages))
        .collect();
    // The last one is taken first. What waits long, such as for a lease, must not begin at the end.
    rows.reverse();
    rows.sort_by_key(|(_, row)| matches!(row, Row::Own(..)));
    let (left, shared) = (Mutex::new(rows), Site::new(Options::default()));
    let (failed, crosses) = (Mutex::new(Vec::new()), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for _ in 0..BOARDS {
            scope.spawn(|| {
                while let Some((messages, row)) = { left.lock().unwrap().pop() } {
                    let entry = entry_of(&entries, messages[0]);
                    let started = Instant::now();
                    let tried = std::panic::catch_unwind(|| try_row(&shared, entry, messages, row));
                    print_time(started.elapsed(), messages[0]);
                    match tried {
                        Ok(missing) => crosses.lock().unwrap().extend(missing),
                        Err(_) => failed.lock().unwrap().push(messages[0]),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
    if only.is_none() {
        let seen = crosses.into_inner().unwrap();
        let mut expected = checks_that_can_miss();
        assert!(seen.is_subset(&expected), "{seen:?}");
        // A board of namespaces has the clock of this machine: its row tells where it is seen.
        let elsewhere = |check: &&str| settings::CROSSES.contains(check) || *check == "clock";
        expected.retain(|check| !elsewhere(&check.as_str()));
        assert!(seen.is_superset(&expected), "{seen:?}");
    }
}

fn print_time(took: Duration, what: &str) {
    println!("{:5.1} s {what}", took.as_secs_f64());
}

/// Tries a row. Returns what `muster check` found missing before the remedy, and not after it.
fn try_row(shared: &Site, entry: &Entry, messages: &[&str], row: &Row) -> BTreeSet<String> {
    let own = match row {
        Row::Lab(fault) if fault.shares_site => None,
        Row::Lab(fault) => Some(Site::new((fault.options)())),
        Row::Own(options, _) => Some(Site::new(options())),
        Row::OnBoard(_) => None,
        Row::Machine(..) | Row::Never(_) => return BTreeSet::new(),
    };
    let site = own.as_ref().unwrap_or(shared);
    let mut case = Case {
        site,
        board: NamespaceBoard::new(site, &next_mac()),
        entry,
        messages,
    };
    match row {
        Row::Lab(fault) => return case.run(fault),
        Row::Own(_, run) | Row::OnBoard(run) => run(&mut case),
        Row::Machine(..) | Row::Never(_) => {}
    }
    BTreeSet::new()
}

/// The MAC address of a board that no other row has.
fn next_mac() -> String {
    static BOARDS: AtomicU8 = AtomicU8::new(1);
    Site::mac(BOARDS.fetch_add(1, Ordering::Relaxed))
}
