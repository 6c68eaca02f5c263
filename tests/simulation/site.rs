//! One site: its boards, its mirrors and its k3s server, as a discrete-event simulation.
//!
//! The server is that of k3s 1.34 to 1.37. It computes a scrypt for each request with a password
//! before it looks whether it admits the request, so a request that it answers with 429 costs as
//! much as another (`router.go`: `HasRole` comes before `MaxInFlight`). It computes all of them at the
//! same time. A client that has waited too long goes away, and the server computes on.

use crate::requests::{FIRST_OF_AGENT, LAST_OF_SEQUENCE, REQUESTS, Request};
use crate::shared::Shared;
use muster::board::mac::Mac;
use muster::http::retry::Backoff;
use muster::k3s::link::spread;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Size of k3s for arm64 (bytes).
pub const K3S: f64 = 75e6;
/// Payload of a gigabit link (bytes per second).
pub const LINK: f64 = 118e6;
/// Time for one request to an idle server: connection, TLS, response (µs).
const LATENCY: u64 = 20_000;
/// The server's CPU time for one scrypt with k3s's parameters, N = 2^15 and r = 8 (µs). A PC was
/// measured at 73 ms.
pub const SCRYPT: f64 = 100_000.0;
/// The server's CPU time for one certificate (µs).
const SIGNING: f64 = 5_000.0;
/// The certificate requests that the server admits at a time. (It admits 20 other requests, but
/// answers them at once.)
const ADMITTED: usize = 10;

/// How long muster and k3s's agent wait for an answer (µs).
const PATIENCE: [u64; 2] = [15_000_000, 10_000_000];

/// When a simulation ends, though not all boards have joined (µs).
const END: u64 = 3 * 3_600_000_000;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// This board sends its next request to the server.
    Send(usize),
    /// The client of this try has waited too long.
    GiveUp(usize),
    /// A computation of the server is complete. Stale if the version has changed.
    Computed(u64),
    /// This mirror completes a download. Stale if the version has changed.
    Downloaded(usize, u64),
}

struct Board {
    seed: u64,
    /// The number of its next request.
    next: usize,
    backoff: Backoff,
    /// The try that it waits for.
    waits_for: Option<usize>,
}

/// One try of a request.
struct Try {
    board: usize,
    request: Request,
    /// Whether the server has admitted it, and computes what comes after the token.
    admitted: bool,
}

/// What a site is.
#[derive(Clone, Copy)]
pub struct Site {
    pub boards: usize,
    /// How many boards power on in each minute.
    pub group: usize,
    /// `MUSTER_SPREAD` (seconds).
    pub spread: u64,
    /// When the server is started, after the first boards (seconds).
    pub server: u64,
    pub mirrors: usize,
    pub cores: usize,
}

/// How much of a board's way is simulated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Registered,
    Joined,
}

/// The boards, mirrors and server of a site, and the events to come.
pub struct Simulation {
    boards: Vec<Board>,
    tries: Vec<Try>,
    mirrors: Vec<Shared>,
    cpu: Shared,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    /// The certificate requests that the server has admitted and not answered.
    admitted: usize,
    until: Until,
    outcome: Outcome,
}

#[derive(Default)]
pub struct Outcome {
    /// The boards that came to the end of what is simulated, and when the last did (µs).
    pub done: usize,
    pub done_at: u64,
    pub downloaded_at: u64,
    /// Requests with a password.
    pub requests: usize,
    /// The most scrypts at a time.
    pub most: usize,
    /// The most certificate requests that were admitted at a time.
    pub most_admitted: usize,
}

impl Simulation {
    /// A site at power-on.
    pub fn new(site: Site, until: Until) -> Simulation {
        let board = |number: usize| {
            let [_, a, b, c] = (number as u32).to_be_bytes();
            let mac = format!("b8:27:eb:{a:02x}:{b:02x}:{c:02x}");
            let seed = Mac::parse(&mac).unwrap().seed();
            Board {
                seed,
                next: 0,
                backoff: Backoff::new(seed),
                waits_for: None,
            }
        };
        let mirror = |_| Shared::new(LINK / 1e6, LINK / 1e6);
        let mut simulation = Simulation {
            boards: (0..site.boards).map(board).collect(),
            tries: Vec::new(),
            mirrors: (0..site.mirrors).map(mirror).collect(),
            cpu: Shared::new(site.cores as f64, 1.0),
            events: BinaryHeap::new(),
            admitted: 0,
            until,
            outcome: Outcome::default(),
        };
        let over = Duration::from_secs(site.spread);
        for number in 0..site.boards {
            let board = &mut simulation.boards[number];
            // `/cacerts` costs no scrypt. While the server is down, it is asked again and again.
            let mut reached = (number / site.group) as u64 * 60_000_000 + 2 * LATENCY;
            while reached < site.server * 1_000_000 {
                reached += board.backoff.delay(None).as_micros() as u64;
            }
            board.backoff = Backoff::new(board.seed);
            let wait = spread(board.seed, over).as_micros() as u64;
            simulation.at(reached + wait, Event::Send(number));
        }
        simulation
    }

    fn at(&mut self, time: u64, event: Event) {
        self.events.push(Reverse((time, event)));
    }

    pub fn run(mut self) -> Outcome {
        while let Some(Reverse((now, event))) = self.events.pop() {
            if now > END {
                break;
            }
            match event {
                Event::Send(board) => self.send(now, board),
                Event::GiveUp(number) => self.failed(now, number, None),
                Event::Computed(version) if version == self.cpu.version => self.computed(now),
                Event::Downloaded(mirror, version) if version == self.mirrors[mirror].version => {
                    self.downloaded(now, mirror)
                }
                _ => {}
            }
        }
        self.outcome
    }

    fn send(&mut self, now: u64, board: usize) {
        let number = self.tries.len();
        let next = self.boards[board].next;
        self.tries.push(Try {
            board,
            request: REQUESTS[next],
            admitted: false,
        });
        self.boards[board].waits_for = Some(number);
        self.outcome.requests += 1;
        self.compute(now, number, SCRYPT);
        let patience = PATIENCE[usize::from(next > 0)];
        self.at(now + patience, Event::GiveUp(number));
    }

    fn compute(&mut self, now: u64, number: usize, work: f64) {
        self.cpu.start(now, number, work);
        self.outcome.most = self.outcome.most.max(self.cpu.len());
        self.schedule_cpu();
    }

    fn schedule_cpu(&mut self) {
        if let Some(time) = self.cpu.next_end() {
            self.at(time, Event::Computed(self.cpu.version));
        }
    }

    /// A computation is complete: that of the token, or the one after it.
    fn computed(&mut self, now: u64) {
        let number = self.cpu.end(now).expect("a job is complete");
        let Try {
            request, admitted, ..
        } = self.tries[number];
        if admitted {
            self.admitted -= 1;
        } else if request.certificate {
            if self.admitted == ADMITTED {
                self.schedule_cpu();
                // As 429 with this Retry-After.
                return self.failed(now, number, Some(Duration::from_secs(1)));
            }
            self.admitted += 1;
            self.outcome.most_admitted = self.outcome.most_admitted.max(self.admitted);
            self.tries[number].admitted = true;
            let password = if request.names_node { SCRYPT } else { 0.0 };
            return self.compute(now, number, SIGNING + password);
        }
        self.schedule_cpu();
        if self.is_waited_for(number) {
            self.answered(now, self.tries[number].board);
        }
    }

    fn is_waited_for(&self, number: usize) -> bool {
        self.boards[self.tries[number].board].waits_for == Some(number)
    }

    /// The server refused a request, or its client gave up.
    fn failed(&mut self, now: u64, number: usize, retry_after: Option<Duration>) {
        if !self.is_waited_for(number) {
            return;
        }
        let board = &mut self.boards[self.tries[number].board];
        board.waits_for = None;
        let delay = if board.next == 0 {
            board.backoff.delay_in_distress(retry_after)
        } else {
            // k3s's agent begins anew after 5 to 10 s. Its jitter is simulated with muster's.
            if board.next <= LAST_OF_SEQUENCE {
                board.next = FIRST_OF_AGENT;
            }
            let unit = Backoff::new(board.seed ^ now).delay(None);
            Duration::from_secs(5) + (unit - Duration::from_millis(500)) * 10
        };
        let time = now + LATENCY + delay.as_micros() as u64;
        self.at(time, Event::Send(self.tries[number].board));
    }

    fn answered(&mut self, now: u64, number: usize) {
        let board = &mut self.boards[number];
        board.waits_for = None;
        board.next += 1;
        if board.next == REQUESTS.len() || self.until == Until::Registered {
            self.outcome.done += 1;
            self.outcome.done_at = now;
        } else if board.next == FIRST_OF_AGENT {
            // The fetch step orders neighbouring mirrors in the same way.
            let mirror = (board.seed % self.mirrors.len() as u64) as usize;
            self.mirrors[mirror].start(now, number, K3S);
            self.schedule_mirror(mirror);
        } else {
            self.at(now + LATENCY, Event::Send(number));
        }
    }

    fn downloaded(&mut self, now: u64, mirror: usize) {
        if let Some(board) = self.mirrors[mirror].end(now) {
            self.outcome.downloaded_at = now;
            self.at(now + LATENCY, Event::Send(board));
        }
        self.schedule_mirror(mirror);
    }

    fn schedule_mirror(&mut self, mirror: usize) {
        if let Some(time) = self.mirrors[mirror].next_end() {
            let version = self.mirrors[mirror].version;
            self.at(time, Event::Downloaded(mirror, version));
        }
    }
}
