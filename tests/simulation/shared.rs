//! Something that is shared evenly between all who use it at the same time: a link between
//! downloads, and the cores of a server between computations.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A resource that is shared evenly. The amount of work has any unit, such as bytes.
pub struct Shared {
    /// The work that it does in a microsecond when enough use it.
    rate: f64,
    /// The work that it does in a microsecond for one of them at most.
    rate_of_one: f64,
    /// The work that an endless job would have had done so far.
    done: f64,
    /// The time for which `done` holds (µs).
    now: u64,
    /// The value of `done` at which each job is complete, and the job.
    jobs: BinaryHeap<Reverse<(Bits, usize)>>,
    /// Counts the jobs that started or ended.
    pub version: u64,
}

/// A positive number that is compared by its bits, which have the same order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Bits(u64);

impl Shared {
    pub fn new(rate: f64, rate_of_one: f64) -> Shared {
        Shared {
            rate,
            rate_of_one,
            done: 0.0,
            now: 0,
            jobs: BinaryHeap::new(),
            version: 0,
        }
    }

    /// The number of jobs that are not complete.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    pub fn start(&mut self, now: u64, job: usize, work: f64) {
        self.advance(now);
        let complete = Bits((self.done + work).to_bits());
        self.jobs.push(Reverse((complete, job)));
    }

    /// Ends the job that is complete now.
    pub fn end(&mut self, now: u64) -> Option<usize> {
        self.advance(now);
        self.jobs.pop().map(|Reverse((_, job))| job)
    }

    /// The time at which the next job is complete (µs).
    pub fn next_end(&self) -> Option<u64> {
        let Reverse((Bits(complete), _)) = self.jobs.peek()?;
        let left = (f64::from_bits(*complete) - self.done).max(0.0);
        Some(self.now + (left / self.speed()).ceil() as u64)
    }

    /// The work for one job in a microsecond.
    fn speed(&self) -> f64 {
        (self.rate / self.jobs.len() as f64).min(self.rate_of_one)
    }

    fn advance(&mut self, now: u64) {
        if !self.jobs.is_empty() {
            self.done += (now - self.now) as f64 * self.speed();
        }
        self.now = now;
        self.version += 1;
    }
}
