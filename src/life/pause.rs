//! The pause between a failed boot and the next attempt. It is stored in a file, so that the next
//! process of the same boot knows it.

use crate::board::mac::{Mac, mix};
use crate::host::Host;
use crate::host::watch::{FileStates, changed_file};
use crate::paths;
use log::{info, warn};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The shortest pauses after the first, second, third and every later failure. A failed boot sends
/// few requests, so with these pauses a board sends a server at most 20 requests in the first ten
/// minutes.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(3),
    Duration::from_secs(15),
    Duration::from_secs(75),
    Duration::from_secs(300),
];
/// The interval at which the files are checked for a change.
const POLL: Duration = Duration::from_secs(1);

/// The pause after a failed boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The number of failed boots in a row.
    failures: u64,
    /// When the pause ends (time since boot).
    pub until: Duration,
    /// The files whose change ends the pause, each with its state from before the failed boot.
    files: FileStates,
}

impl Pause {
    /// Begins the pause after a failure, and stores it. `files` are the files that the operator may
    /// correct, with their states from before the boot that failed. `earlier` is the pause after
    /// the previous failure. If a file has another state than in `earlier`, the failures count from
    /// 1 again.
    pub fn begin(host: &Host, files: FileStates, earlier: Option<&Pause>) -> Pause {
        let failures = earlier
            .filter(|earlier| earlier.files == files)
            .map_or(0, |earlier| earlier.failures);
        let until = host.uptime() + length(failures, seed(host));
        let pause = Pause {
            failures: failures + 1,
            until,
            files,
        };
        pause.write(host);
        pause
    }

    /// Reads the stored pause; `None` when there is none.
    pub fn read(host: &Host) -> Option<Pause> {
        let text = host.read_text(paths::RETRY.path).ok()?;
        let pause: Value = serde_json::from_str(&text).ok()?;
        let files = pause["files"].as_object()?.iter();
        Some(Pause {
            failures: pause["failures"].as_u64()?,
            until: Duration::from_secs(pause["until"].as_u64()?),
            files: files
                .filter_map(|(file, state)| Some((file.clone(), state.as_str()?.into())))
                .collect(),
        })
    }

    /// Waits until the pause ends or one of its files changes.
    pub fn wait(&self, host: &Host) {
        while host.uptime() < self.until {
            if let Some(file) = changed_file(host, &self.files) {
                info!("{file} has changed: trying again");
                return;
            }
            host.sleep(POLL.min(self.until.saturating_sub(host.uptime())));
        }
    }

    /// Removes the stored pause, so that the next failure counts as the first.
    pub fn forget(host: &Host) {
        if let Err(error) = host.remove_note(paths::RETRY) {
            warn!("{error:#}");
        }
    }

    fn write(&self, host: &Host) {
        let files = self.files.iter();
        let files: Map<String, Value> = files
            .map(|(file, state)| (file.clone(), state.as_str().into()))
            .collect();
        // The end of the pause in whole seconds, rounded up.
        let until = self.until.as_secs_f64().ceil() as u64;
        let pause = json!({ "failures": self.failures, "until": until, "files": files });
        if let Err(error) = host.write_note(paths::RETRY, &format!("{pause}\n")) {
            warn!("{error:#}");
        }
    }
}

/// The length of a pause after `failures` earlier failures: one of [`PAUSES`], made longer by up to
/// half by the board's own jitter, so that boards which failed together do not retry together.
fn length(failures: u64, seed: u64) -> Duration {
    let index = usize::try_from(failures).unwrap_or(usize::MAX);
    let pause = PAUSES[index.min(PAUSES.len() - 1)];
    let fraction = mix(seed.wrapping_add(failures)) as f64 / u64::MAX as f64;
    pause.mul_f64(1.0 + fraction / 2.0)
}

/// The seed of the board's jitter, from the MAC address of the first network interface that has
/// one. The setting `MUSTER_INTERFACE` is not used, because the boot may have failed because
/// of the settings.
fn seed(host: &Host) -> u64 {
    let address = |name: &String| {
        let file = format!("/sys/class/net/{name}/address");
        Mac::parse(host.read_text(file).ok()?.trim_end()).ok()
    };
    let macs = host.list("/sys/class/net");
    macs.iter().find_map(address).map_or(0, |mac| mac.seed())
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the files that an operator would"
)]
mod tests {
    use super::*;
    use crate::host::Mode;
    use std::fs;

    fn host() -> (tempfile::TempDir, Host) {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        (root, host)
    }

    /// The acceptance: at most 20 questions to one server in the first ten minutes, where a failed
    /// boot asks it four.
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
}
