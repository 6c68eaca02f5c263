//! Parses MAC addresses in the usual forms, and prints them as the kernel does.

use std::fmt;

/// The MAC address of a network interface: an EUI-48 that is unicast and not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

/// Why a text is not the MAC address of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMac {
    /// The text does not consist of twelve hex digits in one of the usual forms.
    Malformed,
    /// All six bytes are zero.
    Zero,
    /// The lowest bit of the first byte is set, which marks a multicast address (IEEE 802).
    Multicast,
}

impl fmt::Display for BadMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadMac::Malformed => {
                "not a MAC address (expected twelve hex digits, such as b8:27:eb:00:00:01)"
            }
            BadMac::Zero => "the all-zero MAC address, which identifies no board",
            BadMac::Multicast => "a multicast MAC address, which no interface can have",
        })
    }
}

impl std::error::Error for BadMac {}

impl Mac {
    /// Parses a MAC address in any of the usual forms, in upper or lower case:
    ///
    /// | form | where it is used |
    /// |---|---|
    /// | `b8:27:eb:00:00:01`, `b8-27-eb-00-00-01` | Linux, labels on boards, Windows |
    /// | `b8:27:eb:0:0:1` | `arp` of BSD and macOS |
    /// | `b827.eb00.0001`, `b827-eb00-0001` | switches |
    /// | `b827eb000001` | labels with a bar code |
    ///
    /// White space before or after the address is an error.
    pub fn parse(text: &str) -> Result<Mac, BadMac> {
        let separator = text.chars().find(|c| matches!(c, ':' | '-' | '.'));
        let groups = text.chars().filter(|c| Some(*c) == separator).count() + 1;
        let digits = match groups {
            6 => 2,
            3 => 4,
            1 => 12,
            _ => return Err(BadMac::Malformed),
        };
        let mut number = 0;
        for group in text.split(|c| Some(c) == separator) {
            let has_length = group.len() == digits || (digits == 2 && group.len() == 1);
            // `from_str_radix` would also accept a plus sign as the first character.
            if !has_length || !group.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(BadMac::Malformed);
            }
            let value = u64::from_str_radix(group, 16).map_err(|_| BadMac::Malformed)?;
            number = number << (4 * digits) | value;
        }
        let [_, _, bytes @ ..] = number.to_be_bytes();
        match bytes {
            [0, 0, 0, 0, 0, 0] => Err(BadMac::Zero),
            [first, ..] if first & 1 == 1 => Err(BadMac::Multicast),
            _ => Ok(Mac(bytes)),
        }
    }

    /// The six bytes, in the order in which they are written.
    pub fn bytes(&self) -> [u8; 6] {
        self.0
    }

    /// A number that is different for each board and the same at each boot of one board. It seeds
    /// the jitter of retries and the choice of the first mirror. Do not derive a secret from this
    /// number, because the MAC address is not secret.
    pub fn seed(&self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        mix(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }
}

/// Spreads numbers that are close together, such as the MAC addresses of the boards in one rack,
/// over all 64 bits (the finalizer of splitmix64).
pub fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests;
