//! The clock step: it sets the clock from a time server, but never to a time before the boot image
//! was made.
//!
//! The clock of a board without a battery starts in 1970, when no certificate is valid yet.

use crate::host::Host;
use crate::host::network_time::TimeSource;
use crate::host::time_servers::ACCEPTED_RANGE;
use crate::settings::Settings;
use anyhow::Result;
use log::info;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// When this program was built (time since 1970).
pub const BUILD: Duration = Duration::from_secs(parse(env!("MUSTER_BUILD_EPOCH")));

const fn parse(digits: &str) -> u64 {
    match u64::from_str_radix(digits, 10) {
        Ok(seconds) => seconds,
        Err(_) => panic!("MUSTER_BUILD_EPOCH is not a number"),
    }
}

/// Sets the clock. From then on [`Host::wait_before_retry`] corrects the clock when the clock seems
/// to be wrong. `conf` is the path of the settings file.
///
/// Fails when no time server gave an acceptable time, and when the clock cannot be set. The boot
/// continues after this failure. If only the time servers failed, the clock is not earlier than the
/// earliest possible time ([`earliest`]).
pub fn run(host: &Host, settings: &Settings, conf: &str) -> Result<()> {
    let earliest = earliest(host, conf);
    if host.now() < earliest {
        let seconds = earliest.as_secs();
        host.set_clock(
            format_args!(
                "set the clock to the time when this image was made, {seconds} s since 1970"
            ),
            || Ok(earliest),
        )?;
        info!(
            "the clock was before the time when this image was made, and is now set to that time"
        );
    }
    let source = TimeSource {
        servers: settings.ntp.clone(),
        earliest,
    };
    host.set_time_source(source.clone());
    match host.set_clock_from(&source)? {
        Some(result) => host.set_result(result),
        None => host.set_result("no time server is asked (MUSTER_NTP=no)".into()),
    }
    // From here on, the messages to the log server have a timestamp. They have one with
    // MUSTER_NTP=no too, because with this setting the operator says that the clock is right.
    host.send_log_with_time();
    Ok(())
}

/// How much earlier the clock is than the earliest possible time; `None` when the clock is not too
/// early. `conf` is the path of the settings file.
pub fn lag(host: &Host, conf: &str) -> Option<Duration> {
    earliest(host, conf)
        .checked_sub(host.now())
        .filter(|lag| !lag.is_zero())
}

/// The earliest possible time: when this program was built, or when the settings file in the
/// overlay was written, whichever is later.
pub fn earliest(host: &Host, conf: &str) -> Duration {
    let written = host.metadata(conf).map_or(0, |meta| meta.mtime());
    let written = Duration::from_secs(u64::try_from(written).unwrap_or(0));
    // A settings file from the far future was written on a machine with a wrong clock, so its time
    // is ignored.
    if written > BUILD + ACCEPTED_RANGE {
        BUILD
    } else {
        written.max(BUILD)
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the settings file that an operator would"
)]
mod tests {
    use super::*;
    use crate::host::Mode;
    use std::time::UNIX_EPOCH;

    #[test]
    fn the_earliest_time_is_that_of_the_build_or_of_the_settings() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Plan);
        assert_eq!(earliest(&host, "/conf"), BUILD);
        let file = std::fs::File::create(host.path("/conf")).unwrap();
        let day = Duration::from_secs(24 * 3600);
        let limit = BUILD + ACCEPTED_RANGE;
        for (written, expected) in [
            (BUILD - day, BUILD),
            (BUILD + day, BUILD + day),
            (limit, limit),
            (limit + day, BUILD),
        ] {
            file.set_modified(UNIX_EPOCH + written).unwrap();
            assert_eq!(earliest(&host, "/conf"), expected);
        }
        let day_ahead = host.now() + day;
        file.set_modified(UNIX_EPOCH + day_ahead).unwrap();
        let clock_is_early = lag(&host, "/conf");
        assert!(clock_is_early.is_some_and(|lag| lag <= day));
        file.set_modified(UNIX_EPOCH).unwrap();
        assert_eq!(lag(&host, "/conf").is_some(), host.now() < BUILD);
    }
}
