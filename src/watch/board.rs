//! What `muster watch` knows about one board.

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

/// A datagram that was sent before the last one can arrive this much later than it. A board that was
/// powered off and on again says nothing for longer than this.
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
    /// The state of `step`; when there is no step, the state of the whole boot.
    pub state: Option<State>,
    /// The number of the boot attempt, counted from 1.
    pub attempt: Option<u32>,
    /// The download of k3s, while it runs.
    pub download: Option<Download>,
    /// When the steps began and ended.
    pub timeline: Timeline,
    /// The last warning or error, until the step that it is about is done.
    pub trouble: Option<String>,
    trouble_step: Option<Step>,
    /// The time since power-on when the board was heard last.
    uptime: Option<Duration>,
    /// When the board was heard last; `None` for a board that is only in the list of MAC addresses.
    heard: Option<Instant>,
    /// When the board began to wait; `None` when it does not wait.
    waits: Option<Instant>,
    /// The time from power-on until the board joined first.
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

    /// Takes in what the board said at the time `now`.
    pub fn hear(&mut self, report: Report, now: Instant) {
        let before = (self.uptime, report.uptime, self.heard);
        if let (Some(last), Some(uptime), Some(heard)) = before
            && uptime < last
        {
            if now.saturating_duration_since(heard) < LATE {
                // The network delivered this datagram after a later one.
                return;
            }
            // The board was powered off and on again.
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

    /// Takes in the step, its state, the download and the trouble.
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

    /// How the board is doing at the time `now`.
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

    /// For how long the board has said nothing; `None` when it was never heard.
    pub fn silence(&self, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.heard?))
    }

    /// For how long the board has been waiting.
    pub fn waited(&self, now: Instant) -> Duration {
        let since = self.waits.unwrap_or(now);
        now.saturating_duration_since(since)
    }

    /// The time since power-on at the time `now`; for a board that has joined, the time from
    /// power-on until it joined. `None` when the board has not told it.
    pub fn since_power_on(&self, now: Instant) -> Option<Duration> {
        match self.state {
            Some(State::Joined) => self.joined,
            _ => Some(self.uptime? + self.silence(now)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Story {
        board: Board,
        start: Instant,
    }

    impl Story {
        fn new() -> Story {
            Story {
                board: Board::default(),
                start: Instant::now(),
            }
        }

        fn at(&self, second: f64) -> Instant {
            self.start + Duration::from_secs_f64(second)
        }

        /// Lets the board say something at this second after its power-on.
        fn say(&mut self, second: f64, severity: u8, step: Step, state: State, text: &str) {
            let report = Report {
                uptime: Some(Duration::from_secs_f64(second)),
                severity,
                step: Some(step),
                state: Some(state),
                text: text.into(),
                ..Report::default()
            };
            self.board.hear(report, self.at(second));
        }

        fn condition(&self, second: f64) -> Condition {
            self.board.condition(self.at(second))
        }
    }

    #[test]
    fn a_board_that_waits_or_is_silent_for_a_minute_is_stuck() {
        let mut story = Story::new();
        assert_eq!(story.condition(500.0), Condition::Unheard);
        story.say(10.0, 6, Step::Identity, State::Done, "worker-43dfae");
        assert_eq!(story.condition(70.0), Condition::Booting);
        assert_eq!(story.condition(71.0), Condition::Silent);
        for second in [80.0, 110.0, 139.0] {
            story.say(second, 4, Step::Network, State::Waiting, "no carrier");
            assert_eq!(story.condition(second), Condition::Waiting);
        }
        story.say(141.0, 4, Step::Network, State::Waiting, "no carrier");
        assert_eq!(story.condition(141.0), Condition::Stuck);
        assert_eq!(story.board.trouble.as_deref(), Some("no carrier"));
        // The wait of another step counts from its own start.
        story.say(142.0, 4, Step::Register, State::Waiting, "server down");
        assert_eq!(story.condition(142.0), Condition::Waiting);
        assert!(story.condition(1000.0).is_stuck());
    }

    #[test]
    fn trouble_lasts_until_its_step_is_done_and_a_failure_until_the_next_attempt() {
        let mut story = Story::new();
        story.say(10.0, 4, Step::Clock, State::Failed, "no answer");
        assert_eq!(story.condition(10.0), Condition::Failed);
        story.say(11.0, 6, Step::Prepare, State::Done, "done");
        assert_eq!(story.condition(11.0), Condition::Booting);
        assert_eq!(story.board.trouble.as_deref(), Some("no answer"));
        story.say(12.0, 3, Step::Register, State::Failed, "refused");
        assert_eq!(story.condition(2000.0), Condition::Failed);
        story.say(300.0, 7, Step::Register, State::Running, "");
        assert_eq!(story.board.trouble.as_deref(), Some("refused"));
        story.say(301.0, 6, Step::Register, State::Done, "done");
        assert_eq!(story.board.trouble, None);
        story.say(302.0, 4, Step::Fetch, State::Running, "slow");
        story.say(303.0, 6, Step::Join, State::Joined, "ready");
        assert_eq!(story.condition(9000.0), Condition::Joined);
        assert_eq!(story.board.trouble, None);
        let taken = story.board.since_power_on(story.at(9000.0));
        assert_eq!(taken, Some(Duration::from_secs(303)));
    }

    #[test]
    fn a_late_datagram_is_ignored_and_a_power_cycle_begins_again() {
        let mut story = Story::new();
        story.say(40.0, 4, Step::Join, State::Joined, "ready");
        let mut late = Report {
            uptime: Some(Duration::from_secs(39)),
            severity: severity::INFO,
            state: Some(State::Running),
            step: Some(Step::Fetch),
            ..Report::default()
        };
        story.board.hear(late.clone(), story.at(41.0));
        assert_eq!(story.condition(41.0), Condition::Joined);
        late.uptime = Some(Duration::from_secs(9));
        story.board.hear(late, story.at(60.0));
        assert_eq!(story.condition(60.0), Condition::Booting);
        assert_eq!(story.board.step, Some(Step::Fetch));
        assert_eq!(story.board.trouble, None);
        let since = story.board.since_power_on(story.at(61.0));
        assert_eq!(since, Some(Duration::from_secs(10)));
    }

    #[test]
    fn an_error_without_a_state_is_a_failure() {
        let mut board = Board::default();
        let report = Report {
            severity: severity::ERROR,
            text: "no token".into(),
            ..Report::default()
        };
        let now = Instant::now();
        board.hear(report, now);
        assert_eq!(board.condition(now), Condition::Failed);
        assert_eq!(board.since_power_on(now), None);
    }
}
