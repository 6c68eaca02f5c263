//! Keeps the state of one board, as `muster watch` knows it.

use super::condition::{Condition, STUCK_AFTER};
use super::datagram::Report;
use super::progress::Download;
use super::timeline::Timeline;
use crate::board::hostname::Hostname;
use crate::board::mac::Mac;
use crate::boot::Step;
use crate::k3s::release::Tag;
use crate::report::format::{State, severity};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A datagram may have a shorter time since power-on than the previous datagram. If it arrives less
/// than `LATE` after the previous datagram, the network has delayed it. If it arrives later, the
/// board has booted again: a boot takes longer than `LATE`.
const LATE: Duration = Duration::from_secs(2);

/// A board, as its last datagrams describe it.
#[derive(Clone, Debug, Default)]
pub struct Board {
    pub mac: Option<Mac>,
    pub name: Option<Hostname>,
    pub address: Option<IpAddr>,
    /// The release of k3s that the board installs.
    pub version: Option<Tag>,
    pub step: Option<Step>,
    /// The last state that was reported for `step` or for the whole boot.
    pub state: Option<State>,
    /// The number of the boot attempt, counted from 1.
    pub attempt: Option<u32>,
    /// The download of k3s or of its image archive; `None` before `step` downloads something, and
    /// when `step` is done.
    pub download: Option<Download>,
    /// When the steps began and ended.
    pub timeline: Timeline,
    /// The last warning or error. It is removed when the step that it is about is done, and when
    /// the board has joined.
    pub trouble: Option<String>,
    trouble_step: Option<Step>,
    /// The time since power-on in the last datagram.
    uptime: Option<Duration>,
    /// When the last datagram arrived; `None` for a board that has sent nothing yet, which is known
    /// only from the operator's list of MAC addresses (`--macs`).
    heard: Option<Instant>,
    /// When the board began to wait; `None` when it does not wait.
    waits: Option<Instant>,
    /// The time from power-on until the board first joined.
    joined: Option<Duration>,
}

impl Board {
    /// A board that has not been heard yet.
    pub fn new(mac: Mac, name: Hostname) -> Board {
        Board {
            mac: Some(mac),
            name: Some(name),
            ..Board::default()
        }
    }

    /// Updates the board with a report that arrived at the time `now`.
    pub fn hear(&mut self, report: Report, now: Instant) {
        let before = (self.uptime, report.uptime, self.heard);
        if let (Some(last), Some(uptime), Some(heard)) = before
            && uptime < last
        {
            if now.saturating_duration_since(heard) < LATE {
                // The network has delayed this datagram.
                return;
            }
            // The board has booted again.
            *self = Board {
                mac: self.mac,
                name: self.name.take(),
                ..Board::default()
            };
        }
        self.heard = Some(now);
        self.uptime = report.uptime.or(self.uptime);
        if self.timeline.is_by_hand(&report) {
            return;
        }
        self.timeline.hear(&report);
        self.mac = report.mac.or(self.mac);
        self.address = report.address.or(self.address);
        self.version = report.version.clone().or(self.version.take());
        self.attempt = report.attempt.or(self.attempt);
        self.name = report.name.clone().or(self.name.take());
        self.progress(&report, now);
    }

    /// Updates the step, its state, the download and the trouble.
    fn progress(&mut self, report: &Report, now: Instant) {
        let moved = report.step.is_some() && report.step != self.step;
        if moved {
            self.step = report.step;
            self.download = None;
        }
        let is_error = report.severity <= severity::ERROR;
        let state = report.state.or(is_error.then_some(State::Failed));
        self.state = state.or(self.state.filter(|_| !moved));
        self.waits = match self.state {
            Some(State::Waiting) => self.waits.filter(|_| !moved).or(Some(now)),
            _ => None,
        };
        if self.state == Some(State::Joined) {
            self.joined = self.joined.or(self.uptime);
        }
        if let Some(bytes) = report.bytes {
            let earlier = self.download.take();
            self.download = Some(Download::new(bytes, report.total, earlier, now));
        }
        let over = match self.state {
            Some(State::Joined) => true,
            Some(State::Done) => report.step.is_some() && report.step == self.trouble_step,
            _ => false,
        };
        if report.severity <= severity::WARNING {
            self.trouble = Some(report.text.clone());
            self.trouble_step = self.step;
        } else if over {
            self.trouble = None;
        }
        if matches!(self.state, Some(State::Done | State::Joined)) {
            self.download = None;
        }
    }

    /// The condition of the board at the time `now`.
    pub fn condition(&self, now: Instant) -> Condition {
        let Some(silence) = self.silence(now) else {
            return Condition::Unheard;
        };
        match self.state {
            Some(State::Joined) => Condition::Joined,
            Some(State::Failed) => Condition::Failed,
            _ if silence > STUCK_AFTER => Condition::Silent,
            Some(State::Waiting) if self.waited(now) > STUCK_AFTER => Condition::Stuck,
            Some(State::Waiting) => Condition::Waiting,
            _ => Condition::Booting,
        }
    }

    /// For how long the board has sent nothing; `None` when it never sent anything.
    pub fn silence(&self, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.heard?))
    }

    /// For how long the board has been waiting.
    pub fn waited(&self, now: Instant) -> Duration {
        let since = self.waits.unwrap_or(now);
        now.saturating_duration_since(since)
    }

    /// The time since power-on at the time `now`; for a board that has joined, the time from
    /// power-on until it joined. `None` when no datagram of the board had its time since power-on.
    pub fn since_power_on(&self, now: Instant) -> Option<Duration> {
        match self.state {
            Some(State::Joined) => self.joined,
            _ => Some(self.uptime? + self.silence(now)?),
        }
    }
}

#[cfg(test)]
mod tests;
