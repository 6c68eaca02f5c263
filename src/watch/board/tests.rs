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

    /// Sends a report of the board at this second after its power-on.
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
    for second in [80.0, 110.0, 140.0] {
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
    let mac = Mac::parse("dc:a6:32:01:02:03").unwrap();
    let name = Hostname::parse("worker-43dfae").unwrap();
    story.board = Board::new(mac, name.clone());
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
    story.board.hear(late, story.at(42.0));
    assert_eq!(story.condition(42.0), Condition::Booting);
    let board = (story.board.mac, story.board.name.clone());
    assert_eq!(board, (Some(mac), Some(name)));
    assert_eq!(story.board.step, Some(Step::Fetch));
    assert_eq!(story.board.trouble, None);
    let since = story.board.since_power_on(story.at(43.0));
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

#[test]
fn a_line_without_a_state_keeps_the_state_of_its_step_and_not_that_of_another() {
    for (step, condition) in [
        (None, Condition::Failed),
        (Some(Step::Register), Condition::Failed),
        (Some(Step::Fetch), Condition::Booting),
    ] {
        let mut story = Story::new();
        story.say(10.0, 3, Step::Register, State::Failed, "refused");
        let report = Report {
            severity: severity::INFO,
            step,
            ..Report::default()
        };
        story.board.hear(report, story.at(11.0));
        assert_eq!(story.condition(11.0), condition, "{step:?}");
    }
}

#[test]
fn a_new_attempt_does_not_show_the_download_of_the_one_before() {
    let mut story = Story::new();
    let report = Report {
        uptime: Some(Duration::from_secs(10)),
        severity: 7,
        step: Some(Step::Fetch),
        state: Some(State::Running),
        bytes: Some(5_000_000),
        ..Report::default()
    };
    story.board.hear(report, story.at(10.0));
    story.say(20.0, 3, Step::Fetch, State::Failed, "too slow");
    assert!(story.board.download.is_some());
    story.say(30.0, 7, Step::Identity, State::Running, "started");
    assert!(story.board.download.is_none());
}
