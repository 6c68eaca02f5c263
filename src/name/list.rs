//! Parses lists of MAC addresses, and the tables with MAC addresses that other programs print.

use crate::arguments::Usage;
use crate::board::mac::{BadMac, Mac};
use anyhow::Result;
use std::net::IpAddr;

/// The MAC addresses in a text, in order. `list` is the name of the file that
/// the text is from, for error messages.
///
/// A line is one of these:
/// - MAC addresses with white space between them,
/// - a line of the tables that `ip neigh`, `arp -n`, `arp -a` and `/proc/net/arp` print,
/// - a line of the file with the leases of dnsmasq.
///
/// A comment begins with `#`. A line of a table is skipped when it has no MAC address, or one that
/// no board can have (zero or multicast). In a line of plain MAC addresses, such an address is an
/// error.
pub fn addresses(list: &str, text: &str) -> Result<Vec<Mac>> {
    let mut all = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let column = column(&words);
        for word in column.unwrap_or(&words) {
            match Mac::parse(word) {
                Ok(mac) => all.push(mac),
                Err(BadMac::Zero | BadMac::Multicast) if column.is_some() => {}
                Err(why) => {
                    let number = index + 1;
                    let error = format!("MAC={word:?} ({list} line {number}): {why}");
                    return Err(Usage(error).into());
                }
            }
        }
    }
    Ok(all)
}

/// Finds the MAC address in a line of a table. `words` are the words of the line. Returns an empty
/// slice when the line has no MAC address, and `None` when the line is from none of the tables that
/// [`addresses`] lists.
fn column<'a, 'w>(words: &'a [&'w str]) -> Option<&'a [&'w str]> {
    const NOTHING: &[&str] = &[];
    let is_number = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
    let column = match words {
        // `ip neigh`: 192.0.2.7 dev eth0 lladdr dc:a6:32:01:02:03 REACHABLE
        [_, "dev", _, "lladdr", ..] => words.get(4..5).unwrap_or(NOTHING),
        [_, "dev", ..] => NOTHING,
        // `arp -a`: ? (192.0.2.7) at dc:a6:32:01:02:03 [ether] on eth0
        [_, _, "at", "<incomplete>" | "(incomplete)", ..] => NOTHING,
        [_, _, "at", ..] => words.get(3..4).unwrap_or(NOTHING),
        // `arp -n`: 192.0.2.7 ether dc:a6:32:01:02:03 C eth0
        ["Address", "HWtype", ..] | [_, "(incomplete)", ..] => NOTHING,
        [_, "ether", ..] => words.get(2..3).unwrap_or(NOTHING),
        // `/proc/net/arp`: 192.0.2.7 0x1 0x2 dc:a6:32:01:02:03 * eth0
        ["IP", "address", "HW", ..] => NOTHING,
        [_, "0x1", _, _, _, _] => &words[3..4],
        // dnsmasq: 1790000000 dc:a6:32:01:02:03 192.0.2.7 worker-43dfae 01:dc:a6:32:01:02:03
        ["duid", _] => NOTHING,
        [expiry, _, address, _, _] if is_number(expiry) => match address.parse() {
            Ok(IpAddr::V4(_)) => &words[1..2],
            // A lease of an IPv6 address has a number in place of the MAC address.
            Ok(IpAddr::V6(_)) => NOTHING,
            Err(_) => return None,
        },
        _ => return None,
    };
    Some(column)
}

#[cfg(test)]
mod tests;
