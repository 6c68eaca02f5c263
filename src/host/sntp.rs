//! Asks a time server by the Simple Network Time Protocol (RFC 5905, section 14).
//!
//! The request holds a random number in place of the time, and an answer counts only when it
//! repeats that number and comes from the address that was asked. So an attacker who cannot read
//! the packets cannot forge an answer.

use anyhow::{Context, Result, anyhow, bail};
use ring::rand::{SecureRandom, SystemRandom};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// The size of a packet without extensions (bytes).
const PACKET: usize = 48;
/// The time from 1900, when the seconds of the protocol begin, to 1970 (seconds).
const TO_1970: u64 = 2_208_988_800;
/// An answer counts only if the server says that the error of its own clock is not larger than this
/// (MAXDISP of RFC 5905).
const LARGEST_ERROR: Duration = Duration::from_secs(16);
/// The modes of a packet: a request of a client, and an answer of a server.
const CLIENT: u8 = 3;
const SERVER: u8 = 4;

/// The random number of a request.
type Nonce = [u8; 8];

/// Asks the time server at `address` once. Returns the time now (since 1970). Fails when no answer
/// comes within `timeout`, when the server refuses to answer, or when the answer shows that the
/// server's own clock is not set or not accurate enough.
pub(super) fn ask(address: SocketAddr, timeout: Duration) -> Result<Duration> {
    // A socket can only send to addresses of its own family.
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    // From now on the kernel drops packets that come from another address.
    socket.connect(address)?;
    let mut nonce = Nonce::default();
    let filled = SystemRandom::new().fill(&mut nonce);
    filled.map_err(|_| anyhow!("the kernel has no random numbers"))?;
    let start = Instant::now();
    socket.send(&request(nonce))?;
    let mut packet = [0; PACKET];
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            bail!("no answer within {} s", timeout.as_secs());
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv(&mut packet) {
            Ok(len) if is_answer(&packet[..len], nonce) => {
                return time(&packet, start.elapsed());
            }
            Ok(_) => {}
            // The next pass of the loop checks whether `timeout` is over.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            Err(error) => return Err(error).context("cannot receive an answer"),
        }
    }
}

fn request(nonce: Nonce) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    packet[0] = 4 << 3 | CLIENT;
    packet[40..].copy_from_slice(&nonce);
    packet
}

/// Whether a packet is a server's answer to the request with this random number.
fn is_answer(packet: &[u8], nonce: Nonce) -> bool {
    packet.len() == PACKET && packet[0] & 7 == SERVER && packet[24..32] == nonce
}

/// The time (since 1970) at which an answer arrived, `took` after the request was sent.
fn time(packet: &[u8; PACKET], took: Duration) -> Result<Duration> {
    let word = |at: usize| {
        packet[at..at + 4]
            .iter()
            .fold(0, |sum, b| sum << 8 | u64::from(*b))
    };
    match packet[1] {
        0 => {
            let code = String::from_utf8_lossy(&packet[12..16]);
            let code = code.escape_default();
            bail!("the server refuses to answer (kiss-o'-death {code})")
        }
        1..16 if packet[0] >> 6 != 3 => {}
        _ => bail!("the server's own clock is not set"),
    }
    let error = short(word(4)) / 2 + short(word(8));
    if error > LARGEST_ERROR {
        bail!("the server's clock may be wrong by {} s", error.as_secs());
    }
    if packet[40..48] == Nonce::default() {
        bail!("the server's answer holds no time");
    }
    let received = since_1970(word(32), word(36));
    let sent = since_1970(word(40), word(44));
    let Some(held) = sent.checked_sub(received) else {
        bail!("the times in the server's answer say that the answer came before the request");
    };
    // The request and the answer are assumed to need the same time on the network.
    Ok(sent + took.saturating_sub(held) / 2)
}

/// A duration in the protocol's short format: 16 bits of seconds and 16 bits of a fraction.
fn short(word: u64) -> Duration {
    Duration::from_secs(word >> 16) + Duration::from_nanos(((word & 0xffff) * 1_000_000_000) >> 16)
}

/// Converts a timestamp of the protocol to the time since 1970. The 32-bit seconds of a timestamp
/// overflow in 2036 and start from zero again. So seconds whose highest bit is not set are taken as
/// a time after the overflow.
fn since_1970(seconds: u64, fraction: u64) -> Duration {
    let seconds = match seconds >> 31 {
        0 => seconds + (1 << 32),
        _ => seconds,
    };
    Duration::from_secs(seconds.saturating_sub(TO_1970))
        + Duration::from_nanos((fraction * 1_000_000_000) >> 32)
}

#[cfg(test)]
mod tests;
