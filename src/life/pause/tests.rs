use super::*;
use crate::host::Mode;
use std::fs;

fn host() -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    (root, host)
}

/// A failed boot sends at most four requests to a server. So with five boots a server gets at most
/// 20 requests in the first ten minutes, which is the limit.
#[test]
fn a_board_that_fails_tries_five_times_in_ten_minutes_and_then_every_five() {
    for board in 0..500 {
        let seed = mix(board);
        let (mut now, mut tries) = (Duration::ZERO, 0);
        for failures in 0.. {
            if now >= Duration::from_secs(600) {
                break;
            }
            tries += 1;
            now += length(failures, seed);
        }
        assert!(tries <= 5, "{tries} tries");
        let later = length(100, seed).as_secs();
        assert!((300..=450).contains(&later), "{later}");
    }
    assert_ne!(length(3, 1), length(3, 2));
}

#[test]
fn the_pauses_grow_over_processes_and_a_changed_file_starts_them_again() {
    let (root, host) = host();
    let states = |host: &Host| {
        // The names are not in the order of the alphabet.
        host.watch(&[paths::CONF.into(), "/boot/token".into()]);
        host.end_watch()
    };
    fs::create_dir_all(root.path().join("etc/conf.d")).unwrap();
    fs::write(root.path().join("etc/conf.d/muster"), "A=1").unwrap();
    for failures in 1..=5 {
        let earlier = Pause::read(&host);
        let pause = Pause::begin(&host, states(&host), earlier.as_ref());
        assert_eq!(pause.failures, failures);
    }
    fs::write(root.path().join("etc/conf.d/muster"), "A=22").unwrap();
    // This would take minutes if the change was not noticed.
    let earlier = Pause::read(&host).unwrap();
    earlier.wait(&host);
    let pause = Pause::begin(&host, states(&host), Some(&earlier));
    assert_eq!(pause.failures, 1);
    Pause::forget(&host);
    assert_eq!(Pause::read(&host), None);
}

#[test]
fn the_pauses_grow_where_none_can_be_stored() {
    let (root, host) = host();
    // A file in place of the folder, so that nothing can be written there.
    fs::write(root.path().join("run"), "").unwrap();
    let first = Pause::begin(&host, FileStates::new(), None);
    assert_eq!(Pause::read(&host), None);
    let second = Pause::begin(&host, FileStates::new(), Some(&first));
    assert_eq!(second.failures, 2);
}

#[test]
fn a_pause_lasts_at_least_its_length_and_is_waited_for() {
    let (_root, host) = host();
    let before = host.uptime();
    let mut pause = Pause::begin(&host, FileStates::new(), None);
    assert!(pause.until >= before + PAUSES[0]);
    pause.until = host.uptime() + Duration::from_millis(10);
    pause.wait(&host);
    assert!(host.uptime() >= pause.until);
}

#[test]
fn each_board_has_its_own_jitter() {
    let (root, host) = host();
    assert_eq!(seed(&host), 0);
    for (interface, address) in [("lo", "x"), ("eth0", "b8:27:eb:00:00:01")] {
        let folder = root.path().join("sys/class/net").join(interface);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("address"), format!("{address}\n")).unwrap();
    }
    let mac = Mac::parse("b8:27:eb:00:00:01").unwrap();
    assert_eq!(seed(&host), mac.seed());
}
