//! The demonstration: two boards are powered on and join, are powered off, and come back as the same
//! nodes. It needs root.

use muster_labs::{Board, Firmware, Kind, MachineBoard, Options, Site};
use std::collections::BTreeMap;
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
";

/// Prints lines with the seconds since the start.
struct Story {
    started: Instant,
    /// Held while a line is printed, so that lines of two boards do not mix.
    turn: Mutex<()>,
}

impl Story {
    fn tell(&self, who: &str, text: &str) {
        let _turn = self.turn.lock();
        let seconds = self.started.elapsed().as_secs_f64();
        let text: String = text.chars().take(110).collect();
        println!("{seconds:6.1}  {who:<7} {text}");
    }

    /// Shows what a board's console and its log say, until `done`.
    fn follow(&self, board: &MachineBoard, done: &AtomicBool) {
        let (mut shown, mut logged) = (0, 0);
        let mut last = false;
        while !last {
            // One more look after the end, for the last lines.
            last = done.load(Ordering::Relaxed);
            let lines = board.console().lines();
            for line in &lines[shown..] {
                if CONSOLE.iter().any(|word| line.text.contains(word)) {
                    self.tell(board.label(), line.text.trim_matches([' ', '*']));
                }
            }
            shown = lines.len();
            // The root shell answers from the time when OpenRC starts.
            if lines
                .iter()
                .any(|line| line.text.contains("Starting muster"))
            {
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

    /// Powers a board on and waits until it has joined; returns the time that this took.
    fn power_on(&self, board: &mut MachineBoard) -> Duration {
        let how = match board.firmware {
            Firmware::Uefi => "firmware, DHCP, TFTP, GRUB",
            Firmware::Direct => "QEMU loads the kernel",
        };
        let text = format!("power on ({}; {how})", board.mac());
        self.tell(board.label(), &text);
        board.power_on();
        let (board, done) = (&*board, AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| self.follow(board, &done));
            let took = board.joined();
            done.store(true, Ordering::Relaxed);
            took
        })
    }
}

fn main() -> ExitCode {
    println!("{PARTS}");
    let story = Story {
        started: Instant::now(),
        turn: Mutex::new(()),
    };
    let site = Site::new(Options::of(Kind::Machine));
    story.tell("site", "DHCP, TFTP, HTTP, time and the k3s server are up");
    let mut boards: Vec<MachineBoard> = [1, 2]
        .map(|number| MachineBoard::new(&site, &Site::mac(number)))
        .into();
    let mut table = String::new();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut same = true;
    for (boot, firmware) in [(1, Firmware::Uefi), (2, Firmware::Direct)] {
        let results: Vec<(String, Duration, String)> = std::thread::scope(|scope| {
            let threads = boards.iter_mut().map(|board| {
                board.firmware = firmware;
                let (story, site) = (&story, &site);
                scope.spawn(move || {
                    let took = story.power_on(board);
                    let name = board.name();
                    let seconds = took.as_secs_f64();
                    let text = format!("is the node {name}, Ready, {seconds:.1} s after power-on");
                    story.tell(board.label(), &text);
                    let since = format!("{:?}", site.known_since(&name));
                    (name, took, since)
                })
            });
            let threads: Vec<_> = threads.collect();
            let results = threads.into_iter().map(|thread| thread.join());
            results
                .map(|result| result.expect("a board joins"))
                .collect()
        });
        for (board, (name, took, since)) in boards.iter_mut().zip(results) {
            // The server has one record of the node all along.
            same &= *known.entry(name.clone()).or_insert_with(|| since.clone()) == since;
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
    same &= refused == 0 && site.nodes().len() == boards.len();
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
