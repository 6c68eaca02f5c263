//! The clock step: it sets the clock from a time server, but never to a time before this image was
//! made.
//!
//! The clock of a board without a battery starts in 1970, when no certificate is valid yet.

use crate::host::Host;
use crate::paths;
use crate::settings::Settings;
use anyhow::{Context, Result, anyhow, bail};
use log::info;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc;
use std::time::Duration;

/// The time in which one time server must answer.
const SERVER_TIMEOUT: Duration = Duration::from_secs(2);
/// The total time in which one of the time servers must answer, including the DNS lookups.
const TIMEOUT: Duration = Duration::from_secs(8);
/// A smaller difference from network time is not corrected, because the times in certificates and
/// leases are in whole seconds.
const TOLERANCE: Duration = Duration::from_millis(500);
/// Network time is accepted up to this long after the earliest possible time. The answer of a time
/// server is not authenticated, so this limits what a false answer can do.
const ACCEPTED_RANGE: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// When this program was built (time since 1970).
pub const BUILD: Duration = Duration::from_secs(parse(env!("MUSTER_BUILD_EPOCH")));

const fn parse(digits: &str) -> u64 {
    match u64::from_str_radix(digits, 10) {
        Ok(seconds) => seconds,
        Err(_) => panic!("MUSTER_BUILD_EPOCH is not a number"),
    }
}

/// Sets the clock. From then on, when something sets the clock back, [`Host::wait_before_retry`]
/// corrects it. `conf` is the path of the settings file.
///
/// Fails when no time server gave an acceptable time. The clock is then not earlier than the
/// earliest possible time, and the boot continues.
pub fn run(host: &Host, settings: &Settings, conf: &str) -> Result<()> {
    let result = set(host, settings, conf);
    // Even if no time server answered, the board cannot get a better time.
    host.trust_clock();
    result
}

fn set(host: &Host, settings: &Settings, conf: &str) -> Result<()> {
    let earliest = earliest(host, conf);
    if host.now() < earliest {
        let seconds = earliest.as_secs();
        host.set_clock(
            format_args!("set the clock to the time of this image, {seconds} s since 1970"),
            || Ok(Some(earliest)),
        )?;
        info!("the clock was earlier than this image; set it to the time of this image");
    }
    if settings.ntp.is_empty() {
        return Ok(());
    }
    let fallback = settings.ntp.join(" ");
    let what = format!("set the clock from the DHCP server's time servers, else {fallback}");
    host.set_clock(what, || {
        let servers = time_servers(host, settings)?;
        let names = servers.join(" ");
        let (server, time) = ask_servers(servers).with_context(|| {
            format!(
                "no network time ({names}): the clock stays as it is; if certificates are \
                 rejected, set MUSTER_NTP to a time server that answers"
            )
        })?;
        time_to_set(host, earliest, &server, time)
    })
}

/// The time servers that the DHCP server named, otherwise those of `MUSTER_NTP`.
fn time_servers(host: &Host, settings: &Settings) -> Result<Vec<String>> {
    let text = host.read_text(paths::DHCP_TIME_SERVERS.path)?;
    let servers: Vec<String> = text.split_whitespace().map(String::from).collect();
    Ok(if servers.is_empty() {
        settings.ntp.clone()
    } else {
        servers
    })
}

/// How much earlier the clock is than the earliest possible time; `None` when the clock is not too
/// early. `conf` is the path of the settings file.
pub fn lag(host: &Host, conf: &str) -> Option<Duration> {
    earliest(host, conf)
        .checked_sub(host.now())
        .filter(|lag| !lag.is_zero())
}

/// The time to which the clock must be set after `server` has answered with `time`; `None` when the
/// clock is already right. Fails when `time` is outside the accepted range.
fn time_to_set(
    host: &Host,
    earliest: Duration,
    server: &str,
    time: Duration,
) -> Result<Option<Duration>> {
    let seconds = time.as_secs();
    if time < earliest {
        bail!("{server} answered {seconds} s since 1970, which is before this image was made");
    }
    if time > earliest + ACCEPTED_RANGE {
        bail!(
            "{server} answered {seconds} s since 1970, which is over 20 years after this image \
             was made"
        );
    }
    let now = host.now();
    if now.abs_diff(time) < TOLERANCE {
        info!("the clock agrees with {server}");
        return Ok(None);
    }
    let direction = if time > now { "forward" } else { "back" };
    let by = now.abs_diff(time).as_secs_f64();
    info!("set the clock {direction} by {by:.1} s, to the time of {server}");
    Ok(Some(time))
}

/// The earliest possible time: when this program was built, or when the settings file in the
/// overlay was written, whichever is later.
fn earliest(host: &Host, conf: &str) -> Duration {
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

/// Asks the servers in order. Returns the first server that answers, and the time that it gave
/// (since 1970).
fn ask_servers(servers: Vec<String>) -> Result<(String, Duration)> {
    let (sender, receiver) = mpsc::channel();
    // A DNS lookup may take longer than TIMEOUT and cannot be stopped. So a separate thread asks
    // the servers, and after TIMEOUT nobody waits for this thread.
    std::thread::spawn(move || {
        let mut last = Err(anyhow!("no time server is set"));
        for server in servers {
            last = ask_server(&server).map(|time| (server, time));
            if last.is_ok() {
                break;
            }
        }
        let _ = sender.send(last);
    });
    receiver
        .recv_timeout(TIMEOUT)
        .unwrap_or_else(|_| Err(anyhow!("no answer within {} s", TIMEOUT.as_secs())))
}

fn ask_server(server: &str) -> Result<Duration> {
    let client = rsntp::SntpClient::with_config(rsntp::Config::default().timeout(SERVER_TIMEOUT));
    let answer = client
        .synchronize(server)
        .map_err(|error| anyhow!("{server}: {error}"))?;
    let time = answer
        .datetime()
        .unix_timestamp()
        .map_err(|error| anyhow!("{server}: {error}"))?;
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Mode;

    #[test]
    fn a_time_outside_the_accepted_range_is_refused() {
        let host = Host::new("/", Mode::Plan);
        let decide = |time| time_to_set(&host, BUILD, "server", time);
        let second = Duration::from_secs(1);
        for time in [Duration::ZERO, BUILD - second] {
            let error = decide(time).unwrap_err().to_string();
            assert!(error.ends_with("before this image was made"), "{error}");
        }
        let error = decide(BUILD + ACCEPTED_RANGE + second).unwrap_err();
        assert!(error.to_string().contains("over 20 years after"), "{error}");
        let ahead = host.now().max(BUILD) + Duration::from_secs(60);
        assert_eq!(decide(ahead).unwrap(), Some(ahead));
        assert_eq!(decide(host.now()).unwrap(), None);
    }
}
