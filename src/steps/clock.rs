//! The clock step: it sets the clock from a time server, and never to a time before this image was
//! made.
//!
//! A board without a battery starts in 1970, and then no certificate is valid yet.

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
/// The time in which one of all time servers must answer, with the lookup of their names.
const TIMEOUT: Duration = Duration::from_secs(8);
/// A smaller difference to network time is not corrected: certificates and leases count in seconds.
const TOLERANCE: Duration = Duration::from_millis(500);
/// How far after the earliest possible time network time is accepted. The answer of a time server
/// is not authenticated, so this limits what a false answer can do.
const ACCEPTED_RANGE: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// When this program was built, since 1970.
pub const BUILD: Duration = Duration::from_secs(parse(env!("MUSTER_BUILD_EPOCH")));

const fn parse(digits: &str) -> u64 {
    match u64::from_str_radix(digits, 10) {
        Ok(seconds) => seconds,
        Err(_) => panic!("MUSTER_BUILD_EPOCH is not a number"),
    }
}

/// Sets the clock. From then on [`Host::wait_before_retry`] corrects it when something sets it
/// back. `conf` is the path of the settings file.
///
/// Fails when no time server gave an acceptable time. The clock is then at least at the earliest
/// possible time, and a boot goes on.
pub fn run(host: &Host, settings: &Settings, conf: &str) -> Result<()> {
    let result = set(host, settings, conf);
    // Even without an answer, this is the best time that the board can have.
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

/// The time servers that DHCP named, else those of `MUSTER_NTP`.
fn time_servers(host: &Host, settings: &Settings) -> Result<Vec<String>> {
    let text = host.read_text(paths::DHCP_TIME_SERVERS.path)?;
    let servers: Vec<String> = text.split_whitespace().map(String::from).collect();
    Ok(if servers.is_empty() {
        settings.ntp.clone()
    } else {
        servers
    })
}

/// How far the clock is before the earliest possible time; `None` when it is not before it. `conf`
/// is the path of the settings file.
pub fn lag(host: &Host, conf: &str) -> Option<Duration> {
    earliest(host, conf)
        .checked_sub(host.now())
        .filter(|lag| !lag.is_zero())
}

/// The time that the clock is set to after a server answered with `time`; `None` when the clock is
/// right already. Fails when the time is not acceptable.
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
    // A file from the far future was made on a machine with a wrong clock.
    if written > BUILD + ACCEPTED_RANGE {
        BUILD
    } else {
        written.max(BUILD)
    }
}

/// Asks the servers in order. Returns the first that answers, and its time since 1970.
fn ask_servers(servers: Vec<String>) -> Result<(String, Duration)> {
    let (sender, receiver) = mpsc::channel();
    // The lookup of a name may take longer than TIMEOUT and cannot be stopped. So it runs in a
    // thread, which is left to itself after the timeout.
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
