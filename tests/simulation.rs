//! A site powers on: the numbers behind `docs/mirrors.md`, whose table is this simulation's output.
//!
//! Discrete events, with muster's own backoff and its own spread of boards. The server is k3s's: 20 requests that read and 10 that write
//! are admitted at a time, the others are told to come again in a second, and its cores spend scrypt on each request that names a node.
//! A mirror shares its link evenly. What is not modelled: packet loss, slow boards, a server that runs pods beside.

#![allow(
    clippy::disallowed_methods,
    reason = "a test looks from outside; the seam is for the agent"
)]

use muster::board::mac::Mac;
use muster::http::retry::Backoff;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// k3s for arm64 (bytes), and what a gigabit link brings of it in a second.
const K3S: f64 = 75e6;
const LINK: f64 = 118e6;
/// Of one request without waiting (µs): connection, TLS, answer.
const LATENCY: u64 = 20_000;
/// The server's CPU time for a certificate, and for scrypt at k3s's strength (N = 2^15, r = 8): 73 ms on a PC, more elsewhere (µs).
const SIGNING: u64 = 5_000;
const SCRYPT: u64 = 100_000;

/// What a board does, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// muster's certificate, with which it asks for the version.
    Certificate,
    Download,
    /// muster's question whether the server takes this node.
    Accepted,
    /// k3s's own two certificates.
    Client,
    Serving,
    Joined,
}

impl Step {
    fn next(self) -> Step {
        match self {
            Step::Certificate => Step::Download,
            Step::Download => Step::Accepted,
            Step::Accepted => Step::Client,
            Step::Client => Step::Serving,
            Step::Serving | Step::Joined => Step::Joined,
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A board asks for what its step is about.
    Ask(usize),
    /// The server answered it.
    Answered(usize),
    /// A mirror may have sent a board its last byte; stale unless nobody came or went since (the second number).
    Sent(usize, u64),
}

struct Board {
    seed: u64,
    step: Step,
    backoff: Backoff,
}

/// A link that all downloads share evenly: all are of one length, so the first to come is the first to go.
#[derive(Default)]
struct Mirror {
    /// Bytes that a download from the beginning would have by now, and since when that is so (µs).
    sent: f64,
    now: u64,
    /// Who downloads, and at which value of `sent` it has all.
    queue: VecDeque<(usize, f64)>,
    version: u64,
}

impl Mirror {
    fn advance(&mut self, now: u64) {
        if !self.queue.is_empty() {
            self.sent += (now - self.now) as f64 / 1e6 * LINK / self.queue.len() as f64;
        }
        self.now = now;
        self.version += 1;
    }

    /// When the first in the queue has all.
    fn first(&self) -> Option<u64> {
        let (_, all) = self.queue.front()?;
        Some(
            self.now
                + ((all - self.sent).max(0.0) * self.queue.len() as f64 / LINK * 1e6).ceil() as u64,
        )
    }
}

struct Site {
    boards: Vec<Board>,
    mirrors: Vec<Mirror>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    /// When each of the server's cores is free (µs).
    cores: Vec<u64>,
    reading: usize,
    writing: usize,
    outcome: Outcome,
}

#[derive(Default)]
struct Outcome {
    joined: usize,
    downloaded_at: u64,
    joined_at: u64,
    /// Requests to the server that need its admission.
    requests: u64,
    /// In each second.
    rate: Vec<u64>,
}

impl Site {
    fn new(boards: usize, group: usize, mirrors: usize, cores: usize) -> Site {
        let board = |number: usize| {
            let [_, a, b, c] = (number as u32).to_be_bytes();
            let seed = Mac::parse(&format!("b8:27:eb:{a:02x}:{b:02x}:{c:02x}"))
                .unwrap()
                .seed();
            Board {
                seed,
                step: Step::Certificate,
                backoff: Backoff::new(seed),
            }
        };
        let mut site = Site {
            boards: (0..boards).map(board).collect(),
            mirrors: (0..mirrors).map(|_| Mirror::default()).collect(),
            events: BinaryHeap::new(),
            cores: vec![0; cores],
            reading: 0,
            writing: 0,
            outcome: Outcome::default(),
        };
        for number in 0..boards {
            let spread = muster::k3s::server::spread(site.boards[number].seed).as_micros() as u64;
            // `/cacerts` needs no admission: a round trip.
            let power_on = (number / group) as u64 * 60_000_000;
            site.at(power_on + spread + 2 * LATENCY, Event::Ask(number));
        }
        site
    }

    fn at(&mut self, time: u64, event: Event) {
        self.events.push(Reverse((time, event)));
    }

    fn run(mut self) -> Outcome {
        while let Some(Reverse((now, event))) = self.events.pop() {
            match event {
                Event::Ask(board) => self.ask(now, board),
                Event::Answered(board) => self.answered(now, board),
                Event::Sent(mirror, version) if version == self.mirrors[mirror].version => {
                    self.sent(now, mirror)
                }
                Event::Sent(..) => {}
            }
        }
        self.outcome
    }

    fn ask(&mut self, now: u64, board: usize) {
        let step = self.boards[board].step;
        let second = (now / 1_000_000) as usize;
        if self.outcome.rate.len() <= second {
            self.outcome.rate.resize(second + 1, 0);
        }
        self.outcome.rate[second] += 1;
        self.outcome.requests += 1;
        let (places, most) = match step {
            Step::Client | Step::Serving => (&mut self.writing, 10),
            _ => (&mut self.reading, 20),
        };
        if *places == most {
            let delay = match step {
                // k3s's agent comes again after 5 to 10 s: its own jitter, for which the board's will do.
                Step::Client | Step::Serving => {
                    let unit = Backoff::new(self.boards[board].seed ^ now).delay(None);
                    Duration::from_secs(5) + (unit - Duration::from_millis(500)) * 10
                }
                _ => self.boards[board]
                    .backoff
                    .delay(Some(Duration::from_secs(1))),
            };
            return self.at(now + LATENCY + delay.as_micros() as u64, Event::Ask(board));
        }
        *places += 1;
        let cost = if step == Step::Certificate {
            SIGNING
        } else {
            SIGNING + SCRYPT
        };
        let core = self.cores.iter_mut().min().unwrap();
        *core = now.max(*core) + cost;
        let done = *core;
        self.at(done, Event::Answered(board));
    }

    fn answered(&mut self, now: u64, board: usize) {
        let step = self.boards[board].step;
        match step {
            Step::Client | Step::Serving => self.writing -= 1,
            _ => self.reading -= 1,
        }
        let next = self.advance(board);
        match next {
            Step::Download => {
                // `rotate_left(seed % mirrors)`, as src/steps/fetch.rs orders neighbouring mirrors.
                let mirror = (self.boards[board].seed % self.mirrors.len() as u64) as usize;
                self.mirrors[mirror].advance(now);
                let all = self.mirrors[mirror].sent + K3S;
                self.mirrors[mirror].queue.push_back((board, all));
                self.watch(mirror);
            }
            Step::Joined => {
                self.outcome.joined += 1;
                self.outcome.joined_at = now;
            }
            _ => self.at(now + LATENCY, Event::Ask(board)),
        }
    }

    fn sent(&mut self, now: u64, mirror: usize) {
        self.mirrors[mirror].advance(now);
        if let Some((board, _)) = self.mirrors[mirror].queue.pop_front() {
            self.advance(board);
            self.outcome.downloaded_at = now;
            self.at(now + LATENCY, Event::Ask(board));
        }
        self.watch(mirror);
    }

    fn watch(&mut self, mirror: usize) {
        if let Some(time) = self.mirrors[mirror].first() {
            let version = self.mirrors[mirror].version;
            self.at(time, Event::Sent(mirror, version));
        }
    }

    fn advance(&mut self, board: usize) -> Step {
        let board = &mut self.boards[board];
        board.step = board.step.next();
        board.backoff = Backoff::new(board.seed);
        board.step
    }
}

/// Boards, how many of them power on in each minute, mirrors, and cores of the server.
const SITES: [(usize, usize, usize, usize); 9] = [
    (1, 1, 1, 4),
    (50, 50, 1, 4),
    (300, 300, 1, 4),
    (1_000, 1_000, 1, 4),
    (1_000, 1_000, 4, 4),
    (10_000, 10_000, 1, 4),
    (10_000, 10_000, 16, 4),
    (10_000, 10_000, 16, 16),
    (10_000, 1_000, 16, 16),
];

/// A time as the table shows it.
fn shown(micros: f64) -> String {
    match micros / 1e6 {
        seconds if seconds < 10.0 => format!("{seconds:.1} s"),
        seconds if seconds < 100.0 => format!("{seconds:.0} s"),
        seconds => format!("{:.0} min", seconds / 60.0),
    }
}

fn table() -> String {
    let mut table = String::from(
        "| boards | power-on | mirrors | server cores | links alone | last download | last join | requests a board | most in a second |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for (boards, group, mirrors, cores) in SITES {
        let outcome = Site::new(boards, group, mirrors, cores).run();
        assert_eq!(outcome.joined, boards);
        let alone = boards as f64 * K3S / LINK / mirrors as f64;
        let (download, join) = (outcome.downloaded_at as f64, outcome.joined_at as f64);
        // No faster than the links and the server's cores can be.
        assert!(
            download / 1e6 >= alone && join * cores as f64 >= boards as f64 * 3.0 * SCRYPT as f64
        );
        let requests = outcome.requests as f64 / boards as f64;
        let power_on = if group == boards {
            "at once".into()
        } else {
            format!("{group} a minute")
        };
        let most = outcome.rate.iter().max().unwrap();
        table += &format!(
            "| {boards} | {power_on} | {mirrors} | {cores} | {} | {} | {} | {requests:.0} | {most} |\n",
            shown(alone * 1e6),
            shown(download),
            shown(join)
        );
    }
    table
}

#[test]
fn the_documents_table_is_the_simulations() {
    let document = include_str!("../docs/mirrors.md");
    let table = table();
    assert!(
        document.contains(&table),
        "docs/mirrors.md does not have this table:\n{table}"
    );
}
