//! Waits between a failed boot attempt and the next attempt. The pause is stored in a file. So if
//! muster is killed during the pause, the next muster process waits for the rest of the pause.

use crate::board::mac::{Mac, mix};
use crate::host::Host;
use crate::host::watch::{FileStates, changed_file};
use crate::paths;
use log::{info, warn};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The pauses after the first, second, third and every later failure, before [`length`] adds the
/// jitter. A failed boot attempt sends few requests, so with these pauses a board sends a server at
/// most 20 requests in the first ten minutes.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(3),
    Duration::from_secs(15),
    Duration::from_secs(75),
    Duration::from_secs(300),
];
/// The interval at which [`Pause::wait`] checks whether the operator has changed a file.
const POLL: Duration = Duration::from_secs(1);

/// The pause after a failed boot attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The number of failed boot attempts in a row.
    failures: u64,
    /// When the pause ends (time since boot).
    pub until: Duration,
    /// The files whose change ends the pause, each with its state from before the failed attempt.
    files: FileStates,
}

impl Pause {
    /// Begins the pause after a failure, and stores it. `files` are the files that the operator may
    /// correct, with their states from before the failed attempt. `earlier` is the pause after
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

/// The length of a pause after `failures` earlier failures: one of [`PAUSES`] plus a jitter of at
/// most half that pause. Each board has another jitter, so that boards that failed at the same time
/// do not retry at the same time.
fn length(failures: u64, seed: u64) -> Duration {
    let index = usize::try_from(failures).unwrap_or(usize::MAX);
    let pause = PAUSES[index.min(PAUSES.len() - 1)];
    let fraction = mix(seed.wrapping_add(failures)) as f64 / u64::MAX as f64;
    pause.mul_f64(1.0 + fraction / 2.0)
}

/// The seed of the board's jitter, from the first network interface that has a MAC address; 0 when
/// no interface has a MAC address. The setting `MUSTER_INTERFACE` is not used, because the boot may
/// have failed because of the settings.
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
mod tests;
