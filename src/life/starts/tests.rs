use super::*;
use crate::host::Mode;

#[test]
fn three_early_ends_in_a_row_cause_one_run_of_all_steps_each_five_minutes() {
    let second = Duration::from_secs;
    let mut starts = Starts::default();
    starts.record_full_boot(second(20));
    let mut runs = Vec::new();
    // k3s ends every ten seconds, for half an hour.
    for now in (20..1820).step_by(10).map(second) {
        if starts.full_boot_is_due(now) {
            runs.push(now.as_secs());
            starts.record_full_boot(now);
        } else {
            starts.count(now);
        }
        starts.started = Some(now);
    }
    assert_eq!(runs, [320, 620, 920, 1220, 1520]);
    // The third early end in a row causes a run of all steps.
    let mut starts = Starts {
        started: Some(second(1000)),
        ..Starts::default()
    };
    let due = (1001..1005).map(second).map(|now| {
        let is_due = starts.full_boot_is_due(now);
        starts.count(now);
        starts.started = Some(now);
        is_due
    });
    assert_eq!(due.collect::<Vec<_>>(), [false, false, true, true]);
    // A k3s that runs for a minute each time causes no such run.
    let mut starts = Starts::default();
    for now in (1000..3000).step_by(60).map(second) {
        assert!(!starts.full_boot_is_due(now));
        starts.count(now);
        starts.started = Some(now);
    }
}

#[test]
fn the_starts_are_kept_for_the_next_process() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    assert_eq!(Starts::read(&host), Starts::default());
    let starts = Starts {
        started: Some(Duration::from_secs(70)),
        early: 2,
        full_boot: Duration::from_secs(40),
    };
    starts.write(&host);
    assert_eq!(Starts::read(&host), starts);
}
