//! The clock: never earlier than the image, then network time. Boards without a battery start in 1970, where no certificate is
//! valid yet.

use crate::host::Host;
use crate::paths;
use crate::settings::Settings;
use anyhow::{Context, Result, anyhow, bail};
use log::info;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc;
use std::time::Duration;

/// How long one time server may take to answer.
const SERVER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the whole question may take, names of time servers looked up and all.
const TIMEOUT: Duration = Duration::from_secs(8);
/// A clock that is this near is left alone: certificates and leases count in seconds.
const NEAR: Duration = Duration::from_millis(500);
/// How far past the floor network time is believed. It comes unauthenticated: what a liar may do is bounded.
const BELIEVED: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// When this program was built, since 1970.
pub const BUILD: Duration = Duration::from_secs(parse(env!("MUSTER_BUILD_EPOCH")));

const fn parse(digits: &str) -> u64 {
    match u64::from_str_radix(digits, 10) {
        Ok(seconds) => seconds,
        Err(_) => panic!("MUSTER_BUILD_EPOCH is not a number"),
    }
}

/// Sets the clock, and holds it from there on. `conf` is the settings file.
pub fn run(host: &Host, settings: &Settings, conf: &str) -> Result<()> {
    let result = set(host, settings, conf);
    // As right as it can be, also without an answer.
    host.trust_clock();
    result
}

fn set(host: &Host, settings: &Settings, conf: &str) -> Result<()> {
    let floor = floor(host, conf);
    if host.now() < floor {
        host.set_clock(
            format_args!(
                "set the clock to the image's own time, {} s since 1970",
                floor.as_secs()
            ),
            || Ok(Some(floor)),
        )?;
        info!("the clock was behind the image; set to the image's own time for now");
    }
    if settings.ntp.is_empty() {
        return Ok(());
    }
    let fallback = settings.ntp.join(" ");
    host.set_clock(format_args!("set the clock from the DHCP server's time servers, else {fallback}"), || {
        let dhcp: Vec<String> = host.read_text(paths::DHCP_TIME_SERVERS.path)?.split_whitespace().map(String::from).collect();
        let servers = if dhcp.is_empty() { settings.ntp.clone() } else { dhcp };
        let names = servers.join(" ");
        let (server, time) = ask(servers).with_context(|| {
            format!("no network time ({names}): going on with the clock as it is; if TLS fails, name a time server in MUSTER_NTP")
        })?;
        step(host, floor, &server, time)
    })
}

/// How far the clock is behind the earliest time that it can be; `None` when it is not.
pub fn behind(host: &Host, conf: &str) -> Option<Duration> {
    floor(host, conf)
        .checked_sub(host.now())
        .filter(|behind| !behind.is_zero())
}

/// The time that the clock should be set to for what a server said, if any.
fn step(host: &Host, floor: Duration, server: &str, time: Duration) -> Result<Option<Duration>> {
    if time < floor || time > floor + BELIEVED {
        bail!(
            "{server} says it is {} s since 1970, which cannot be: not believed",
            time.as_secs()
        );
    }
    let now = host.now();
    if now.abs_diff(time) < NEAR {
        info!("the clock agrees with {server}");
        return Ok(None);
    }
    let (direction, by) = if time > now {
        ("forward", time - now)
    } else {
        ("back", now - time)
    };
    info!(
        "the clock is set from {server}: {direction} by {:.1} s",
        by.as_secs_f64()
    );
    Ok(Some(time))
}

/// The earliest time it can be: that of this program's build or of the settings file in the overlay, whichever is later.
fn floor(host: &Host, conf: &str) -> Duration {
    let written = host.metadata(conf).map_or(0, |meta| meta.mtime());
    let written = Duration::from_secs(u64::try_from(written).unwrap_or(0));
    // A file from the far future says more about the desk it was made at.
    if written > BUILD + BELIEVED {
        BUILD
    } else {
        written.max(BUILD)
    }
}

/// Asks the servers in order; the first that answers, and its time since 1970.
fn ask(servers: Vec<String>) -> Result<(String, Duration)> {
    let (sender, receiver) = mpsc::channel();
    // A thread of its own, left behind when its time is up: a resolver that does not answer takes longer than we wait.
    std::thread::spawn(move || {
        let mut last = Err(anyhow!("no server named"));
        for server in servers {
            last = query(&server).map(|time| (server, time));
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

fn query(server: &str) -> Result<Duration> {
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
    fn unbelievable_time_is_refused() {
        let host = Host::new("/", Mode::Plan);
        for time in [
            Duration::ZERO,
            BUILD - Duration::from_secs(1),
            BUILD + BELIEVED + Duration::from_secs(1),
        ] {
            assert!(step(&host, BUILD, "liar", time).is_err(), "{time:?}");
        }
        let ahead = host.now().max(BUILD) + Duration::from_secs(60);
        assert_eq!(step(&host, BUILD, "server", ahead).unwrap(), Some(ahead));
        assert_eq!(step(&host, BUILD, "server", host.now()).unwrap(), None);
    }
}
