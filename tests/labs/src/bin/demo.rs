//! The demonstration: two boards are powered on and join, are powered off, and come back as the same
//! nodes. It needs root.

use muster_labs::{
    ADDRESS, Board, Firmware, Kind, MachineBoard, Options, Output, PATIENCE, Site, cache, muster,
    wait_for,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Words of the console lines that are shown: firmware, boot loader, Alpine, and what muster warns of.
const CONSOLE: [&str; 8] = [
    "UEFI firmware",
    "NBP filename",
    "grub.cfg over TFTP",
    "Alpine Init",
    "Loading user settings",
    "OpenRC ",
    "muster: identity",
    "login:",
];

/// What is real in this demonstration, and what is not.
const PARTS: &str = "\
Two aarch64 boards, emulated by QEMU, without a disk. Real: UEFI firmware, GRUB, Alpine's kernel,
initramfs, packages and OpenRC, muster's aarch64 binary, dnsmasq, nginx and chrony.
Not real: k3s. A stand-in that speaks k3s's protocol takes the place of its server and its agent.

Each line has the seconds since the start, and who it is about. `rack` is the screen of a program on
the site's machine, `muster watch`. DHCP names that machine as the log server (option 7), so each
board reports to it from the moment at which it has an address.
";

/// The width of the terminal in which `muster watch` runs (characters).
const COLUMNS: usize = 124;

/// A running `muster watch`, in a terminal of its own.
struct Rack {
    screen: Output,
    picture: PathBuf,
}

impl Rack {
    fn start(site: &Site, boards: &[MachineBoard]) -> Rack {
        let (list, picture) = (site.path("rack.txt"), site.path("rack.svg"));
        let macs: String = boards.iter().map(|b| format!("{}\n", b.mac())).collect();
        fs::write(&list, macs).expect("the list of boards");
        // Nothing of this machine's settings counts: the root folder is an empty one.
        let root = site.path("desk");
        fs::create_dir(&root).expect("a folder");
        let line = format!(
            "stty cols {COLUMNS} rows 24; exec env -i '{}' --root '{}' watch --listen {ADDRESS}:514 \
             --macs '{}' --svg rack.svg",
            muster(Kind::Namespace).display(),
            root.display(),
            list.display(),
        );
        // `script` makes the terminal.
        let mut command = site.command("script");
        command
            .args(["-qec", &line, "/dev/null"])
            .current_dir(site.path(""));
        let screen = Output::console(&mut command, site.log_path("rack.log"));
        screen.wait_for("muster watch on");
        Rack { screen, picture }
    }

    /// What the screen shows: the lines of the last frame that is complete.
    fn frame(&self) -> Vec<String> {
        let lines = self.screen.lines();
        let lines: Vec<&str> = lines.iter().map(|line| line.text.trim_end()).collect();
        let is_title = |line: &&str| line.starts_with("muster watch on");
        let first = lines.iter().position(is_title).unwrap_or_default();
        let mut frames = lines[first..].rsplit(is_title);
        // The last frame may not be complete yet.
        frames.next();
        let frame = frames.next().unwrap_or_default();
        frame.iter().map(ToString::to_string).collect()
    }

    /// Waits until the screen says that all boards have joined.
    fn wait_joined(&self, boards: usize) {
        let joined = format!(" 0 booting, {boards} joined");
        wait_for("all boards on the screen of muster watch", PATIENCE, || {
            self.frame().first()?.ends_with(&joined).then_some(())
        });
    }

    /// Keeps the picture of the rack, as soon as it has all boards; where it is kept.
    fn keep_picture(&self, boards: usize) -> PathBuf {
        let kept = cache().join("rack.svg");
        wait_for("the picture of the rack", PATIENCE, || {
            let picture = fs::read_to_string(&self.picture).ok()?;
            let is_complete = picture.contains(&format!(", {boards} joined"));
            is_complete.then(|| fs::write(&kept, picture).expect("the picture"))
        });
        kept
    }
}

/// Is true when its owner has ended, also when a panic has ended it.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Prints lines with the seconds since the start.
struct Story {
    started: Instant,
    /// Held while a line is printed, so that lines of two boards do not mix.
    turn: Mutex<()>,
}

impl Story {
    fn tell(&self, who: &str, text: &str) {
        let text: String = text.chars().take(110).collect();
        self.print(who, &[text]);
    }

    fn print(&self, who: &str, lines: &[String]) {
        let _turn = self.turn.lock();
        let seconds = self.started.elapsed().as_secs_f64();
        let mut start = format!("{seconds:6.1}  {who:<7}");
        for line in lines {
            println!("{start} {line}");
            start.clear();
        }
    }

    /// Shows what a board's console says, and its log if `with_log`, until `done`.
    fn follow(&self, board: &MachineBoard, with_log: bool, done: &AtomicBool) {
        let (mut shown, mut logged) = (0, 0);
        let mut last = false;
        while !last {
            // One more look after the end, for the last lines.
            last = done.load(Ordering::Relaxed);
            let lines = board.console().lines();
            for line in &lines[shown..] {
                // The kernel's log has the same messages again, with its time in brackets.
                let is_shown = CONSOLE.iter().any(|word| line.text.contains(word));
                if is_shown && !line.text.starts_with('[') {
                    self.tell(board.label(), line.text.trim_matches([' ', '*']));
                }
            }
            shown = lines.len();
            // The root shell answers from the time when OpenRC starts.
            let has_shell = |text: &str| text.contains("Starting muster");
            if with_log && lines.iter().any(|line| has_shell(&line.text)) {
                let log = board.log();
                let log: Vec<&str> = log.lines().collect();
                for line in log.iter().skip(logged) {
                    if line.starts_with("muster: ") {
                        self.tell(board.label(), line);
                    }
                }
                logged = log.len();
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Shows the screen of `muster watch` whenever its words change, until `done`.
    fn follow_rack(&self, rack: &Rack, done: &AtomicBool) {
        let mut shown = Vec::new();
        while !done.load(Ordering::Relaxed) {
            let frame = rack.frame();
            // Times and numbers change all the time. The first two lines are the summary and the
            // titles of the columns.
            let rows = frame.iter().skip(2);
            let words = rows.flat_map(|row| row.split_whitespace());
            let is_word = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase());
            let words: Vec<String> = words.filter(is_word).map(String::from).collect();
            if words != shown {
                self.print("rack", &frame);
                shown = words;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Powers a board on and waits until it has joined; returns the time that this took.
    fn power_on(&self, board: &mut MachineBoard) -> Duration {
        let how = match board.firmware {
            Firmware::Uefi => "firmware, DHCP, TFTP, GRUB",
            Firmware::Direct => "QEMU loads the kernel",
        };
        let text = format!("power on ({}; {how})", board.mac());
        self.tell(board.label(), &text);
        board.power_on();
        // One board's log is enough, and only once.
        let with_log = board.label() == "board1" && board.firmware == Firmware::Uefi;
        let (board, done) = (&*board, AtomicBool::new(false));
        std::thread::scope(|scope| {
            let _done = Done(&done);
            scope.spawn(|| self.follow(board, with_log, &done));
            board.joined()
        })
    }
}

/// Powers each board on twice. Returns whether the boards were the same nodes both times.
fn demonstrate(story: &Story, site: &Site, boards: &mut [MachineBoard], rack: &Rack) -> bool {
    let count = boards.len();
    let mut table = String::new();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut same = true;
    for (boot, firmware) in [(1, Firmware::Uefi), (2, Firmware::Direct)] {
        let results: Vec<(String, Duration, String)> = std::thread::scope(|scope| {
            let threads = boards.iter_mut().map(|board| {
                board.firmware = firmware;
                scope.spawn(move || {
                    let took = story.power_on(board);
                    let name = board.name();
                    let seconds = took.as_secs_f64();
                    let text = format!("is the node {name}, Ready, {seconds:.1} s after power-on");
                    story.tell(board.label(), &text);
                    let uid = site.node_uid(&name);
                    (name, took, uid)
                })
            });
            let threads: Vec<_> = threads.collect();
            let results = threads.into_iter().map(|thread| thread.join());
            results
                .map(|result| result.expect("a board joins"))
                .collect()
        });
        rack.wait_joined(count);
        if boot == 1 {
            let picture = rack.keep_picture(count);
            let text = format!("its picture, for a browser: {}", picture.display());
            story.tell("rack", &text);
        }
        for (board, (name, took, uid)) in boards.iter_mut().zip(results) {
            // The server has one record of the node all along.
            same &= *known.entry(name.clone()).or_insert_with(|| uid.clone()) == uid;
            let (label, mac, seconds) = (board.label(), board.mac(), took.as_secs_f64());
            table += &format!("{boot:<6}{label:<8}{mac:<19}{name:<15}{seconds:>6.1} s\n");
            if boot == 1 && label == "board1" {
                story.tell(label, "muster status:");
                print!("{}", board.shell("muster status"));
            }
            board.power_off();
            story.tell(board.label(), "power off: the board has kept nothing");
        }
    }
    let refused = site.refusals().len();
    let nodes = site.kubectl(&["get", "nodes"]);
    story.tell(
        "server",
        &format!("{} nodes, {refused} refusals:", known.len()),
    );
    println!("{nodes}\nboot  board   MAC                hostname       joined\n{table}");
    same && refused == 0 && site.nodes().len() == count
}

fn main() -> ExitCode {
    println!("{PARTS}");
    let story = Story {
        started: Instant::now(),
        turn: Mutex::new(()),
    };
    let site = Site::new(Options {
        dnsmasq: format!("dhcp-option=option:log-server,{ADDRESS}\n"),
        ..Options::of(Kind::Machine)
    });
    story.tell("site", "DHCP, TFTP, HTTP, time and the k3s server are up");
    let mut boards: Vec<MachineBoard> = [1, 2]
        .map(|number| MachineBoard::new(&site, &Site::mac(number)))
        .into();
    let rack = Rack::start(&site, &boards);
    let done = AtomicBool::new(false);
    let same = std::thread::scope(|scope| {
        let _done = Done(&done);
        scope.spawn(|| story.follow_rack(&rack, &done));
        demonstrate(&story, &site, &mut boards, &rack)
    });
    println!(
        "{}",
        if same {
            "Both boards came back as the same nodes."
        } else {
            "NOT the same nodes: see above."
        }
    );
    ExitCode::from(u8::from(!same))
}
