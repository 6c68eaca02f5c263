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
    // The service runs `muster identity` before the first attempt.
    say(&mut timeline, 9, None, Step::Identity, State::Done);
    assert_eq!(seconds(&timeline), [(Step::Identity, 9, 9)]);
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
    // A restart of k3s that does not end is shown.
    let silent = Condition::Silent;
    assert_eq!(say(920, None, Step::Join, State::Running), silent);
    assert_eq!(say(930, Some(2), Step::Fetch, State::Running), silent);
}
