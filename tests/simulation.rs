//! Simulates the boards of a whole site that power on. The table in `docs/mirrors.md` is the
//! output.
//!
//! It is a discrete-event simulation with muster's own backoff and its own spread of first
//! requests. The server admits 20 reading and 10 writing requests at a time, as k3s does. It
//! answers 429 to the others, with `Retry-After: 1`. Each request with a password costs one scrypt
//! on one of its cores, and one that names a node costs another. A mirror divides its link evenly between downloads. The simulation
//! leaves out packet loss, slow boards, and other work of the server.

#![allow(
    clippy::disallowed_methods,
    reason = "the tests stay outside the agent's single place for effects"
)]

use muster::board::mac::Mac;
use muster::http::retry::Backoff;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// Size of k3s for arm64 (bytes).
const K3S: f64 = 75e6;
/// Payload of a gigabit link (bytes per second).
const LINK: f64 = 118e6;
/// Time for one request to an idle server: connection, TLS, response (µs).
const LATENCY: u64 = 20_000;
/// The server's CPU time for one certificate (µs).
const SIGNING: u64 = 5_000;
/// The server's CPU time for one scrypt with k3s's parameters, N = 2^15 and r = 8 (µs). A PC was
/// measured at 73 ms.
const SCRYPT: u64 = 100_000;

/// The steps of a board, in order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// muster asks whether the server accepts this node, and gets the certificate with which it asks
    /// for the version.
    Register,
    Download,
    /// k3s gets its client certificate.
    Client,
    /// k3s gets its serving certificate.
    Serving,
    /// k3s's agent asks for the rest, each time with the password: about nine requests until it is
    /// ready. They count as one here.
    Rest,
    Joined,
}

/// The scrypts of the requests that are counted as one.
const REST: u64 = 9;
/// All the scrypts for one board.
const SCRYPTS: u64 = 15;

impl Step {
    fn next(self) -> Step {
        match self {
            Step::Register => Step::Download,
            Step::Download => Step::Client,
            Step::Client => Step::Serving,
            Step::Serving => Step::Rest,
            Step::Rest | Step::Joined => Step::Joined,
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// This board sends the request of its step to the server.
    Request(usize),
    /// The server answers this board.
    Response(usize),
    /// This mirror completes a download. The event is stale if the mirror's version has changed.
    Downloaded(usize, u64),
}

struct Board {
    seed: u64,
    step: Step,
    backoff: Backoff,
}

/// A mirror whose link is divided evenly between its downloads. All downloads have the same size,
/// so they complete in the order in which they started.
#[derive(Default)]
struct Mirror {
    /// Bytes that one endless download would have received so far.
    sent: f64,
    /// The time for which `sent` holds (µs).
    now: u64,
    /// The boards that download, and the value of `sent` at which each is complete.
    queue: VecDeque<(usize, f64)>,
    /// Counts the downloads that started or ended.
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

    /// The time at which the first download in the queue is complete (µs).
    fn next_completion(&self) -> Option<u64> {
        let (_, complete) = self.queue.front()?;
        Some(
            self.now
                + ((complete - self.sent).max(0.0) * self.queue.len() as f64 / LINK * 1e6).ceil()
                    as u64,
        )
    }
}

/// The boards, mirrors and server of a site, and the events to come.
struct Simulation {
    boards: Vec<Board>,
    mirrors: Vec<Mirror>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    /// The times at which the server's cores become free (µs).
    cores: Vec<u64>,
    /// Requests that the server has admitted and not answered.
    reading: usize,
    writing: usize,
    outcome: Outcome,
}

#[derive(Default)]
struct Outcome {
    joined: usize,
    downloaded_at: u64,
    joined_at: u64,
    /// Requests to the server that count for its admission limits.
    requests: u64,
    /// The same requests in each second.
    rate: Vec<u64>,
}

impl Simulation {
    /// A site at power-on. Each minute, `group` more boards power on.
    fn new(boards: usize, group: usize, mirrors: usize, cores: usize) -> Simulation {
        let board = |number: usize| {
            let [_, a, b, c] = (number as u32).to_be_bytes();
            let seed = Mac::parse(&format!("b8:27:eb:{a:02x}:{b:02x}:{c:02x}"))
                .unwrap()
                .seed();
            Board {
                seed,
                step: Step::Register,
                backoff: Backoff::new(seed),
            }
        };
        let mut simulation = Simulation {
            boards: (0..boards).map(board).collect(),
            mirrors: (0..mirrors).map(|_| Mirror::default()).collect(),
            events: BinaryHeap::new(),
            cores: vec![0; cores],
            reading: 0,
            writing: 0,
            outcome: Outcome::default(),
        };
        for number in 0..boards {
            let spread =
                muster::k3s::link::spread(simulation.boards[number].seed).as_micros() as u64;
            // `/cacerts` has no admission limit: it costs one round trip.
            let power_on = (number / group) as u64 * 60_000_000;
            simulation.at(power_on + spread + 2 * LATENCY, Event::Request(number));
        }
        simulation
    }

    fn at(&mut self, time: u64, event: Event) {
        self.events.push(Reverse((time, event)));
    }

    fn run(mut self) -> Outcome {
        while let Some(Reverse((now, event))) = self.events.pop() {
            match event {
                Event::Request(board) => self.request(now, board),
                Event::Response(board) => self.response(now, board),
                Event::Downloaded(mirror, version) if version == self.mirrors[mirror].version => {
                    self.downloaded(now, mirror)
                }
                Event::Downloaded(..) => {}
            }
        }
        self.outcome
    }

    fn request(&mut self, now: u64, board: usize) {
        let step = self.boards[board].step;
        let second = (now / 1_000_000) as usize;
        if self.outcome.rate.len() <= second {
            self.outcome.rate.resize(second + 1, 0);
        }
        self.outcome.rate[second] += 1;
        self.outcome.requests += 1;
        let (admitted, limit) = match step {
            Step::Register | Step::Client | Step::Serving => (&mut self.writing, 10),
            _ => (&mut self.reading, 20),
        };
        if *admitted == limit {
            let delay = match step {
                // k3s's agent retries after 5 to 10 s. Its jitter is simulated with muster's.
                Step::Client | Step::Serving | Step::Rest => {
                    let unit = Backoff::new(self.boards[board].seed ^ now).delay(None);
                    Duration::from_secs(5) + (unit - Duration::from_millis(500)) * 10
                }
                _ => self.boards[board]
                    .backoff
                    .delay(Some(Duration::from_secs(1))),
            };
            return self.at(
                now + LATENCY + delay.as_micros() as u64,
                Event::Request(board),
            );
        }
        *admitted += 1;
        let cost = match step {
            Step::Rest => REST * SCRYPT,
            _ => SIGNING + 2 * SCRYPT,
        };
        let core = self.cores.iter_mut().min().unwrap();
        *core = now.max(*core) + cost;
        let done = *core;
        self.at(done, Event::Response(board));
    }

    fn response(&mut self, now: u64, board: usize) {
        let step = self.boards[board].step;
        match step {
            Step::Register | Step::Client | Step::Serving => self.writing -= 1,
            _ => self.reading -= 1,
        }
        let next = self.advance(board);
        match next {
            Step::Download => {
                // The fetch step orders neighbouring mirrors in the same way.
                let mirror = (self.boards[board].seed % self.mirrors.len() as u64) as usize;
                self.mirrors[mirror].advance(now);
                let complete = self.mirrors[mirror].sent + K3S;
                self.mirrors[mirror].queue.push_back((board, complete));
                self.schedule_completion(mirror);
            }
            Step::Joined => {
                self.outcome.joined += 1;
                self.outcome.joined_at = now;
            }
            _ => self.at(now + LATENCY, Event::Request(board)),
        }
    }

    fn downloaded(&mut self, now: u64, mirror: usize) {
        self.mirrors[mirror].advance(now);
        if let Some((board, _)) = self.mirrors[mirror].queue.pop_front() {
            self.advance(board);
            self.outcome.downloaded_at = now;
            self.at(now + LATENCY, Event::Request(board));
        }
        self.schedule_completion(mirror);
    }

    fn schedule_completion(&mut self, mirror: usize) {
        if let Some(time) = self.mirrors[mirror].next_completion() {
            let version = self.mirrors[mirror].version;
            self.at(time, Event::Downloaded(mirror, version));
        }
    }

    fn advance(&mut self, board: usize) -> Step {
        let board = &mut self.boards[board];
        board.step = board.step.next();
        board.backoff = Backoff::new(board.seed);
        board.step
    }
}

/// Each site: its boards, how many of them power on in each minute, its mirrors, its server's
/// cores.
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

/// Formats a time for the table.
fn format_time(micros: f64) -> String {
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
        let outcome = Simulation::new(boards, group, mirrors, cores).run();
        assert_eq!(outcome.joined, boards);
        let alone = boards as f64 * K3S / LINK / mirrors as f64;
        let (download, join) = (outcome.downloaded_at as f64, outcome.joined_at as f64);
        // The result must not be faster than the links and the cores allow.
        assert!(
            download / 1e6 >= alone
                && join * cores as f64 >= boards as f64 * (SCRYPTS * SCRYPT) as f64
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
            format_time(alone * 1e6),
            format_time(download),
            format_time(join)
        );
    }
    table
}

#[test]
fn docs_mirrors_md_has_the_simulated_table() {
    let document = include_str!("../docs/mirrors.md");
    let table = table();
    assert!(
        document.contains(&table),
        "docs/mirrors.md does not have this table:\n{table}"
    );
}
