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
/// A comment begins with `#`. An entry of a table that has no MAC address, or an address that no
/// board can have, is left out.
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

/// The column of a table that has the MAC address, on a line with these words; empty when the line
/// has no MAC address. `None` when the line is not of a table that is known here.
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
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let mut macs = addresses("list", text).unwrap();
        macs.dedup();
        macs.iter().map(Mac::to_string).collect()
    }

    #[test]
    fn lists_have_comments_and_several_addresses_on_a_line() {
        let text = "# rack 1\nb8:27:eb:00:00:01 dc-a6-32-01-02-03 # two\n\nB827EB000002\n";
        let macs = [
            "b8:27:eb:00:00:01",
            "dc:a6:32:01:02:03",
            "b8:27:eb:00:00:02",
        ];
        assert_eq!(read(text), macs);
    }

    #[test]
    fn a_bad_address_is_named_with_its_file_and_line() {
        for (text, expected) in [
            ("\nb8:27\n", "MAC=\"b8:27\" (macs.txt line 2): not a MAC"),
            ("b827eb000001\nff:ff:ff:ff:ff:ff", "(macs.txt line 2): a mu"),
            ("? (192.0.2.7) at b8:27", "MAC=\"b8:27\" (macs.txt line 1)"),
            ("b8:27:eb:00:00:01 worker", "MAC=\"worker\" (macs.txt line"),
            ("192.0.2.7 dev eth0 lladdr 10.0.0.1", "MAC=\"10.0.0.1\" (m"),
        ] {
            let error = addresses("macs.txt", text).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.is::<Usage>());
        }
    }

    /// What the programs of Debian 12 and Alpine 3.23 print.
    #[test]
    fn tables_of_other_programs_are_read() {
        let board = ["dc:a6:32:01:02:03"];
        for text in [
            "192.0.2.7 dev eth0 lladdr dc:a6:32:01:02:03 REACHABLE \n\
             fe80::dea6:32ff:fe01:203 dev eth0 lladdr dc:a6:32:01:02:03 router STALE \n\
             192.0.2.8 dev eth0  FAILED \n192.0.2.9 dev eth0 INCOMPLETE \n\
             ff02::1 dev eth0 lladdr 33:33:00:00:00:01 NOARP\n",
            "Address                  HWtype  HWaddress           Flags Mask            Iface\n\
             192.0.2.7                ether   dc:a6:32:01:02:03   C                     eth0\n\
             192.0.2.8                        (incomplete)                              eth0\n",
            "? (192.0.2.7) at dc:a6:32:01:02:03 [ether] on eth0\n\
             ? (192.0.2.8) at <incomplete> on eth0\n",
            "worker-43dfae (192.0.2.7) at dc:a6:32:1:2:3 on en0 ifscope [ethernet]\n\
             ? (192.0.2.8) at (incomplete) on en0 ifscope [ethernet]\n",
            "IP address       HW type     Flags       HW address            Mask     Device\n\
             192.0.2.7        0x1         0x2         dc:a6:32:01:02:03     *        eth0\n\
             192.0.2.8        0x1         0x0         00:00:00:00:00:00     *        eth0\n",
            "1790000000 dc:a6:32:01:02:03 192.0.2.7 worker-43dfae 01:dc:a6:32:01:02:03\n\
             duid 00:01:00:01:2c:5f:1e:0a:dc:a6:32:01:02:03\n\
             1790000000 855703043 fd00::7 worker-43dfae 00:01:00:01:2c:5f:1e:0a:dc:a6:32:01\n",
        ] {
            assert_eq!(read(text), board, "{text}");
        }
    }
}
