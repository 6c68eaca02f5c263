//! Asks time servers, and decides which of their answers is acceptable.

use super::sntp;
use anyhow::{Result, anyhow, bail};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

/// The port of a time server (RFC 5905).
const NTP_PORT: u16 = 123;
/// The time in which one address of a time server must answer.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(2);
/// The time limit for all servers that one place names (the setting, DHCP or the default). At least
/// one of these servers must answer in this time, which includes the lookup of their names.
const PLACE_TIMEOUT: Duration = Duration::from_secs(5);
/// A time server's answer that is later than the earliest possible time by more than this is not
/// accepted. The answer is not authenticated, so this limits what a false answer can do.
pub const ACCEPTED_RANGE: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// Asks the servers in order. Returns the first server with an acceptable answer, and the time that
/// it answered (since 1970). Fails when no acceptable answer comes within [`PLACE_TIMEOUT`].
pub(super) fn ask_servers(servers: Vec<String>, earliest: Duration) -> Result<(String, Duration)> {
    let (sender, receiver) = mpsc::channel();
    // The lookup of a name may take longer than the timeout and cannot be stopped. So it runs in a
    // thread, for which muster does not wait after the timeout.
    let names = servers.join(" ");
    std::thread::spawn(move || {
        let addresses = |server: &str| Ok((server, NTP_PORT).to_socket_addrs()?.collect());
        let ask = |_: &str, address| {
            let time = sntp::ask(address, ADDRESS_TIMEOUT)?;
            check(time, earliest).map(|()| time)
        };
        sender.send(ask_in_turn(servers, addresses, ask))
    });
    let answer = receiver.recv_timeout(PLACE_TIMEOUT);
    let seconds = PLACE_TIMEOUT.as_secs();
    answer.unwrap_or_else(|_| Err(anyhow!("{names}: no answer within {seconds} s")))
}

/// Asks the first address of each server, in order, and then their other addresses. Otherwise a
/// server that is down and has many addresses could use up the time for all servers. The error says
/// for each server why it gave no acceptable answer.
fn ask_in_turn(
    servers: Vec<String>,
    addresses: impl Fn(&str) -> io::Result<Vec<SocketAddr>>,
    ask: impl Fn(&str, SocketAddr) -> Result<Duration>,
) -> Result<(String, Duration)> {
    let mut others = Vec::new();
    let mut reasons: Vec<String> = Vec::new();
    for server in servers {
        let mut found = match addresses(&server) {
            Ok(found) => found.into_iter(),
            Err(error) => {
                reasons.push(format!("{server}: {error}"));
                continue;
            }
        };
        match found.next().map(|address| ask(&server, address)) {
            Some(Ok(time)) => return Ok((server, time)),
            Some(Err(error)) => reasons.push(format!("{server}: {error:#}")),
            None => reasons.push(format!("{server}: the name has no address")),
        }
        others.extend(found.map(|address| (server.clone(), address)));
    }
    for (server, address) in others {
        match ask(&server, address) {
            Ok(time) => return Ok((server, time)),
            Err(error) => reasons.push(format!("{server}: {error:#}")),
        }
    }
    // The addresses of one server often fail for the same reason. The error names it only once.
    let mut told: Vec<String> = Vec::new();
    for reason in reasons {
        if !told.contains(&reason) {
            told.push(reason);
        }
    }
    bail!(told.join("; "))
}

/// Fails when the time that a server answered is not acceptable.
fn check(time: Duration, earliest: Duration) -> Result<()> {
    let seconds = time.as_secs();
    if time < earliest {
        bail!("the server's time, {seconds} s since 1970, is before this image was made");
    }
    if time > earliest + ACCEPTED_RANGE {
        bail!(
            "the server's time, {seconds} s since 1970, is over 20 years after this image was made"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
