//! When the steps of a board's boot began and ended, for a picture.

use super::datagram::Report;
use crate::boot::Step;
use crate::report::format::State;
use std::time::Duration;

/// The number of steps.
const STEPS: usize = Step::Join as usize + 1;

/// The steps of a board's last boot attempt.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    attempt: Option<u32>,
    spans: [Option<Span>; STEPS],
}

/// When a step began, and when it ended or was heard last (times since power-on).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: Duration,
    pub to: Duration,
    /// Whether the step is done.
    pub is_done: bool,
}

impl Timeline {
    /// Whether the report is about a step that an operator runs by hand, such as `muster fetch`.
    /// Such a step is not a part of the boot. The lines of a boot have the number of the attempt,
    /// and those of a restart of k3s belong to the step `join` or to none.
    pub fn is_by_hand(&self, report: &Report) -> bool {
        let is_of_boot = report.attempt.is_some() || self.attempt.is_none();
        // A log server that left out the MAC address left out the attempt too.
        let is_of_restart = match report.step {
            Some(step) => step == Step::Join,
            None => report.state.is_none(),
        };
        !is_of_boot && !is_of_restart && report.mac.is_some()
    }

    /// Takes in what the board said. A new boot attempt begins a new timeline. A restart of k3s,
    /// which belongs to no attempt, changes nothing.
    pub fn hear(&mut self, report: &Report) {
        let (Some(step), Some(uptime)) = (report.step, report.uptime) else {
            return;
        };
        if report.attempt.is_none() && step == Step::Join {
            return;
        }
        if report.attempt.is_some() && report.attempt != self.attempt {
            *self = Timeline {
                attempt: report.attempt,
                ..Timeline::default()
            };
        }
        let span = self.spans[step as usize].get_or_insert(Span {
            from: uptime,
            to: uptime,
            is_done: false,
        });
        if !span.is_done {
            span.to = uptime;
            span.is_done = matches!(report.state, Some(State::Done | State::Joined));
        }
    }

    /// The steps that have begun, in the order of the boot.
    pub fn spans(&self) -> impl Iterator<Item = (Step, Span)> {
        Step::all().filter_map(|step| Some((step, self.spans[step as usize]?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::mac::Mac;
    use crate::report::format::severity;
    use crate::watch::board::Board;
    use crate::watch::condition::Condition;
    use std::time::Instant;

    fn say(timeline: &mut Timeline, second: u64, attempt: Option<u32>, step: Step, state: State) {
        timeline.hear(&Report {
            uptime: Some(Duration::from_secs(second)),
            step: Some(step),
            state: Some(state),
            attempt,
            ..Report::default()
        });
    }

    fn seconds(timeline: &Timeline) -> Vec<(Step, u64, u64)> {
        let spans = timeline.spans();
        let seconds = spans.map(|(step, span)| (step, span.from.as_secs(), span.to.as_secs()));
        seconds.collect()
    }

    #[test]
    fn a_timeline_has_the_steps_of_the_last_attempt_and_no_restart() {
        let mut timeline = Timeline::default();
        // The service names the board before the first attempt.
        say(&mut timeline, 9, None, Step::Identity, State::Done);
        say(&mut timeline, 10, Some(1), Step::Identity, State::Running);
        say(&mut timeline, 11, Some(1), Step::Identity, State::Done);
        say(&mut timeline, 11, Some(1), Step::Network, State::Running);
        say(&mut timeline, 14, Some(1), Step::Network, State::Failed);
        let first = [(Step::Identity, 10, 11), (Step::Network, 11, 14)];
        assert_eq!(seconds(&timeline), first);
        say(&mut timeline, 20, Some(2), Step::Identity, State::Done);
        say(&mut timeline, 21, Some(2), Step::Join, State::Running);
        say(&mut timeline, 22, Some(2), Step::Join, State::Joined);
        say(&mut timeline, 900, None, Step::Join, State::Joined);
        let second = [(Step::Identity, 20, 20), (Step::Join, 21, 22)];
        assert_eq!(seconds(&timeline), second);
    }

    #[test]
    fn a_step_by_hand_does_not_change_a_board_that_has_joined() {
        let start = Instant::now();
        let mut board = Board::default();
        let mut say = |second: u64, attempt, step, state| {
            let report = Report {
                mac: Mac::parse("52:54:00:12:34:56").ok(),
                uptime: Some(Duration::from_secs(second)),
                severity: severity::INFO,
                attempt,
                step: Some(step),
                state: Some(state),
                ..Report::default()
            };
            let now = start + Duration::from_secs(second);
            board.hear(report, now);
            board.condition(now + Duration::from_secs(100))
        };
        say(40, Some(1), Step::Join, State::Joined);
        // `rc-service muster upgrade` runs the step fetch.
        let joined = Condition::Joined;
        assert_eq!(say(900, None, Step::Fetch, State::Running), joined);
        assert_eq!(say(910, None, Step::Fetch, State::Failed), joined);
        // A restart of k3s that does not end is told of.
        let silent = Condition::Silent;
        assert_eq!(say(920, None, Step::Join, State::Running), silent);
        assert_eq!(say(930, Some(2), Step::Fetch, State::Running), silent);
    }
}
