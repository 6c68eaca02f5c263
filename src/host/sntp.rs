//! The Simple Network Time Protocol, as a client (RFC 5905, section 14).
//!
//! The request holds a random number in place of the time, and an answer counts only when it repeats
//! that number and comes from the address that was asked. So somebody who cannot read the packets
//! cannot answer in place of the server.

use anyhow::{Context, Result, anyhow, bail};
use ring::rand::{SecureRandom, SystemRandom};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// The size of a packet without extensions (bytes).
const PACKET: usize = 48;
/// From 1900, where the protocol counts from, to 1970 (seconds).
const TO_1970: u64 = 2_208_988_800;
/// The largest error that the server may say its clock has (MAXDISP of RFC 5905).
const LARGEST_ERROR: Duration = Duration::from_secs(16);
const CLIENT: u8 = 3;
const SERVER: u8 = 4;

/// The random number of a request.
type Nonce = [u8; 8];

/// Asks the time server at `address` once. Returns the time now (since 1970). Fails when no answer
/// comes within `timeout`, and when the server says that it has no time.
pub(super) fn ask(address: SocketAddr, timeout: Duration) -> Result<Duration> {
    // A socket can only send to addresses of its own family.
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    // From now on the kernel drops what comes from another address.
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
            // The loop finds out whether the time is over.
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
            bail!("it refuses to answer (kiss-o'-death {code})")
        }
        1..16 if packet[0] >> 6 != 3 => {}
        _ => bail!("its own clock is not set"),
    }
    let error = short(word(4)) / 2 + short(word(8));
    if error > LARGEST_ERROR {
        bail!("its clock may be wrong by {} s", error.as_secs());
    }
    if packet[40..48] == Nonce::default() {
        bail!("its answer holds no time");
    }
    let received = since_1970(word(32), word(36));
    let sent = since_1970(word(40), word(44));
    let Some(held) = sent.checked_sub(received) else {
        bail!("its answer was sent before the request came");
    };
    // The packet is taken to need the same time in both directions.
    Ok(sent + took.saturating_sub(held) / 2)
}

/// A duration in the protocol's short format: 16 bits of seconds and 16 bits of a fraction.
fn short(word: u64) -> Duration {
    Duration::from_secs(word >> 16) + Duration::from_nanos(((word & 0xffff) * 1_000_000_000) >> 16)
}

/// The seconds have 32 bits, which are used up in 2036. From then on they count from zero again, so
/// a number whose first bit is not set is taken to be from after that.
fn since_1970(seconds: u64, fraction: u64) -> Duration {
    let seconds = match seconds >> 31 {
        0 => seconds + (1 << 32),
        _ => seconds,
    };
    Duration::from_secs(seconds.saturating_sub(TO_1970))
        + Duration::from_nanos((fraction * 1_000_000_000) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;
    const MOMENT: Duration = Duration::from_millis(300);

    fn second(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// What a server answers whose clock says `time` (seconds since 1970).
    fn answer(nonce: Nonce, time: u64) -> [u8; PACKET] {
        let mut packet = [0; PACKET];
        packet[0] = 4 << 3 | SERVER;
        packet[1] = 2;
        packet[24..32].copy_from_slice(&nonce);
        let seconds = ((time + TO_1970) as u32).to_be_bytes();
        packet[32..36].copy_from_slice(&seconds);
        packet[40..44].copy_from_slice(&seconds);
        packet[44] = 1;
        packet
    }

    /// A time server on this loopback address. It sends what `answers` makes of one request, and the
    /// first of its answers from another port. Returns its address.
    fn server(ip: &str, answers: fn(Nonce) -> Vec<[u8; PACKET]>) -> SocketAddr {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        let other = UdpSocket::bind((ip, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut packet = [0; PACKET];
            let (len, client) = socket.recv_from(&mut packet).unwrap();
            assert_eq!((len, packet[0]), (PACKET, 0x23));
            let nonce = packet[40..].try_into().unwrap();
            for (i, answer) in answers(nonce).iter().enumerate() {
                let socket = if i == 0 { &other } else { &socket };
                socket.send_to(answer, client).unwrap();
            }
        });
        address
    }

    #[test]
    fn a_server_is_asked_by_ipv4_and_ipv6_and_only_its_own_answer_counts() {
        for ip in ["127.0.0.1", "::1"] {
            let answers = |nonce| {
                let others = [answer(nonce, NOW + 2000), answer([7; 8], NOW + 1000)];
                [&others[..], &[answer(nonce, NOW)]].concat()
            };
            let time = ask(server(ip, answers), second(10)).unwrap();
            assert!((NOW..NOW + 10).contains(&time.as_secs()), "{ip}: {time:?}");
        }
    }

    #[test]
    fn a_server_that_does_not_answer_is_an_error() {
        let error = ask(server("::1", |_| Vec::new()), second(1)).unwrap_err();
        assert_eq!(error.to_string(), "no answer within 1 s");
    }

    #[test]
    fn each_request_has_another_random_number() {
        let answers = |nonce: Nonce| {
            assert_ne!(nonce, Nonce::default());
            // Each number is sent back as the fraction of a second.
            let mut packet = answer(nonce, NOW);
            packet[44..48].copy_from_slice(&nonce[..4]);
            vec![packet; 2]
        };
        let ask = || ask(server("::1", answers), second(10)).unwrap();
        assert_ne!(ask(), ask());
    }

    #[test]
    fn half_of_the_time_on_the_way_is_added() {
        let mut packet = answer([0; 8], NOW);
        packet[44] = 0;
        assert_eq!(time(&packet, MOMENT).unwrap(), second(NOW) + MOMENT / 2);
        // The server held the request for an eighth of a second.
        packet[44] = 0x20;
        let expected = second(NOW) + second(1) / 8 + (MOMENT - second(1) / 8) / 2;
        assert_eq!(time(&packet, MOMENT).unwrap(), expected);
    }

    #[test]
    fn a_time_after_2036_is_understood() {
        for seconds in [NOW, (1 << 32) - TO_1970, 4_000_000_000] {
            let packet = answer([0; 8], seconds);
            assert_eq!(time(&packet, MOMENT).unwrap().as_secs(), seconds);
        }
    }

    #[test]
    fn a_packet_that_is_no_answer_to_the_request_does_not_count() {
        let nonce = [7; 8];
        let right = answer(nonce, NOW);
        assert!(is_answer(&right, nonce));
        assert!(!is_answer(&right, [8; 8]));
        assert!(!is_answer(&right[..47], nonce));
        // A client, a broadcast and a symmetric peer.
        for mode in [3, 5, 2] {
            let mut packet = right;
            packet[0] = 4 << 3 | mode;
            assert!(!is_answer(&packet, nonce), "{mode}");
        }
    }

    #[test]
    fn an_answer_without_a_usable_time_is_refused() {
        type Change = fn(&mut [u8; PACKET]);
        let changes: [(Change, &str); 6] = [
            (|packet| packet[0] |= 3 << 6, "its own clock is not set"),
            (|packet| packet[1] = 16, "its own clock is not set"),
            (
                |packet| {
                    packet[1] = 0;
                    packet[12..16].copy_from_slice(b"RA\x1bE");
                },
                "it refuses to answer (kiss-o'-death RA\\u{1b}E)",
            ),
            // Half of the delay to its own source, and the dispersion.
            (
                |packet| (packet[5], packet[9]) = (20, 7),
                "its clock may be wrong by 17 s",
            ),
            (|packet| packet[40..].fill(0), "its answer holds no time"),
            (
                |packet| packet[35] += 1,
                "its answer was sent before the request came",
            ),
        ];
        for (change, message) in changes {
            let mut packet = answer([0; 8], NOW);
            change(&mut packet);
            let error = time(&packet, MOMENT).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
