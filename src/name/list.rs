//! Parses lists of MAC addresses, and the tables with MAC addresses that other programs make.

use crate::arguments::Usage;
use crate::board::mac::{BadMac, Mac};
use anyhow::Result;
use std::net::IpAddr;

/// The MAC addresses in a text, in order. `list` is the path of the file that the text is from, or
/// `-` for standard input; error messages name it.
///
/// A line is one of these:
/// - words with white space, commas or semicolons between them, as in a CSV file. At least one of
///   them is a MAC address. Words that do not look like an address say what the board is, and are
///   skipped. So is a number of twelve digits beside another word that looks like an address.
/// - a line of a table. A table is the output of `ip neigh`, `arp -n` or `arp -a`, or the file
///   `/proc/net/arp`, or dnsmasq's file of leases.
/// - the head of a CSV file, before the first address.
///
/// A comment begins with `#`. A line of a table is skipped when it has no MAC address, or one that
/// no board can have (zero or multicast). In another line, such an address is an error.
pub fn addresses(list: &str, text: &str) -> Result<Vec<Mac>> {
    // Spreadsheets and some editors write a byte order mark in front of the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut all = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let found = match column(&words) {
            Some(column) => of_table(column),
            None => of_words(line, all.is_empty()),
        };
        all.extend(found.map_err(|(word, why)| {
            let number = index + 1;
            Usage(format!("MAC={word:?} ({list} line {number}): {why}"))
        })?);
    }
    Ok(all)
}

/// The address in the column of a table, if it is one that a board can have. The error is a word
/// that is no address, and why.
fn of_table<'a>(column: &[&'a str]) -> Result<Vec<Mac>, (&'a str, BadMac)> {
    let mut macs = Vec::new();
    for word in column {
        match Mac::parse(word) {
            Ok(mac) => macs.push(mac),
            Err(BadMac::Zero | BadMac::Multicast) => {}
            Err(why) => return Err((word, why)),
        }
    }
    Ok(macs)
}

/// The addresses among the words of a line. `may_be_head` tells whether the line can be the head of
/// a CSV file. The error is a word that is no address, and why.
fn of_words(line: &str, may_be_head: bool) -> Result<Vec<Mac>, (&str, BadMac)> {
    let words = line.split(|c: char| c.is_whitespace() || ",;\"".contains(c));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let parsed = words.iter().map(|word| (*word, Mac::parse(word)));
    let candidates: Vec<_> = parsed
        .filter(|(word, mac)| *mac != Err(BadMac::Malformed) || looks_like_address(word))
        .collect();
    let alone = candidates.len() == 1;
    let mut macs = Vec::new();
    for (word, mac) in candidates {
        // Beside another address, twelve digits are rather a serial number or a time.
        if alone || !is_number(word) {
            macs.push(mac.map_err(|why| (word, why))?);
        }
    }
    match words.first() {
        Some(word) if macs.is_empty() && !(may_be_head && words.iter().any(|w| is_title(w))) => {
            Err((word, BadMac::Malformed))
        }
        _ => Ok(macs),
    }
}

/// Whether a word that is no MAC address is probably a mistyped one, and not the name, the IP
/// address or the place of a board.
fn looks_like_address(word: &str) -> bool {
    let count = |is: fn(&u8) -> bool| word.bytes().filter(is).count();
    let digits = count(u8::is_ascii_hexdigit);
    let letters = count(u8::is_ascii_alphanumeric) - digits;
    let only_address = letters + digits + count(|b| b":-.".contains(b)) == word.len();
    let has_length = match letters {
        0 => (10..=13).contains(&digits) && !is_number(word),
        // Such as the letter O in place of a zero.
        _ => digits >= 10 && digits + letters == 12,
    };
    (count(|b| *b == b':') > 1 || only_address && has_length) && word.parse::<IpAddr>().is_err()
}

/// Whether a word has no other characters than digits.
fn is_number(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a word is the title of a column of MAC addresses.
fn is_title(word: &str) -> bool {
    let mut word = word.to_ascii_lowercase();
    word.retain(|c| !"-_".contains(c));
    ["mac", "macs", "macaddress", "macaddr", "hwaddr"].contains(&word.as_str())
}

/// Finds the MAC address in a line of a table. `words` are the words of the line. Returns an empty
/// slice when the line has no MAC address, and `None` when the line is from none of the tables that
/// [`addresses`] lists.
fn column<'a, 'w>(words: &'a [&'w str]) -> Option<&'a [&'w str]> {
    const NOTHING: &[&str] = &[];
    // A line of words can have `dev` or `ether` behind the MAC address.
    let is_ip = |word: &str| word.parse::<IpAddr>().is_ok();
    let column = match words {
        // `ip neigh`: 192.0.2.7 dev eth0 lladdr dc:a6:32:01:02:03 REACHABLE
        [ip, "dev", _, "lladdr", ..] if is_ip(ip) => words.get(4..5).unwrap_or(NOTHING),
        [ip, "dev", ..] if is_ip(ip) => NOTHING,
        // `arp -a`: ? (192.0.2.7) at dc:a6:32:01:02:03 [ether] on eth0
        [_, _, "at", "<incomplete>" | "(incomplete)", ..] => NOTHING,
        [_, _, "at", ..] => words.get(3..4).unwrap_or(NOTHING),
        // `arp -n`: 192.0.2.7 ether dc:a6:32:01:02:03 C eth0
        ["Address", "HWtype", ..] | [_, "(incomplete)", ..] => NOTHING,
        [ip, "ether", ..] if is_ip(ip) => words.get(2..3).unwrap_or(NOTHING),
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
