//! The command `muster name`: it derives the hostname of each given MAC address.

pub mod list;

use crate::arguments::Usage;
use crate::board::hostname::{Hash, Naming, common_digits, hash_of};
use crate::board::mac::Mac;
use crate::host::Host;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::{self, IsTerminal, Read};

/// The most hostnames that the error about collisions names. The error only counts the others.
const NAMED_COLLISIONS: usize = 5;

/// The hostnames of a list of MAC addresses.
pub struct Names {
    /// A line `<MAC> <hostname>` for each MAC address, or a JSON object (`docs/rack.md`).
    pub text: String,
    /// A sentence that names the smallest `MUSTER_HOSTNAME_LENGTH` without a collision; `None` for
    /// a single board.
    pub shortest: Option<String>,
    /// The error when several MAC addresses would get the same hostname.
    pub collisions: Option<String>,
}

/// Derives the hostnames of the MAC addresses in `words` ([`addresses`]). When there are no words,
/// it reads a list from standard input; then it is an error when standard input is a terminal or
/// has no MAC address. `json` asks for JSON.
pub fn run(host: &Host, naming: &Naming, words: &[String], json: bool) -> Result<Names> {
    let macs = match words.is_empty() && !io::stdin().is_terminal() {
        true => addresses(host, &["-".into()])?,
        false => addresses(host, words)?,
    };
    if macs.is_empty() && words.is_empty() {
        return Err(nothing_given());
    }
    let boards: Vec<Board> = macs.into_iter().map(board).collect();
    let mut sorted = boards.clone();
    sorted.sort_unstable();
    let shortest = shortest(&sorted);
    // The boards of a group have the same hostname.
    let same = |a: &Board, b: &Board| common_digits(&a.hash, &b.hash) >= naming.length();
    let groups = sorted.chunk_by(same).filter(|group| group.len() > 1);
    let groups: Vec<&[Board]> = groups.collect();
    let count = boards.len();
    Ok(Names {
        text: match json {
            true => to_json(naming, &boards, &groups, shortest),
            false => to_lines(naming, &boards),
        },
        shortest: (count > 1).then(|| {
            format!(
                "{shortest} is the shortest MUSTER_HOSTNAME_LENGTH with which these {count} boards \
                 have different hostnames"
            )
        }),
        collisions: collisions(naming, &groups, shortest),
    })
}

/// A MAC address with the hash that its hostname is made from. Boards are sorted by the hash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Board {
    hash: Hash,
    mac: Mac,
}

fn board(mac: Mac) -> Board {
    let hash = hash_of(mac);
    Board { hash, mac }
}

/// The smallest number of hex digits with which all these boards have different hostnames.
fn shortest(sorted: &[Board]) -> usize {
    let pairs = sorted.windows(2);
    let digits = pairs.map(|pair| common_digits(&pair[0].hash, &pair[1].hash) + 1);
    digits.max().unwrap_or(1)
}

/// The error that names the boards which have the same hostname; `None` when all hostnames are
/// different.
fn collisions(naming: &Naming, groups: &[&[Board]], shortest: usize) -> Option<String> {
    let mut text = String::new();
    for group in groups.iter().take(NAMED_COLLISIONS) {
        let macs: Vec<String> = group.iter().map(|board| board.mac.to_string()).collect();
        let (macs, name) = (macs.join(" and "), naming.of_hash(&group[0].hash));
        let _ = write!(text, "{macs} have the same hostname {name}; ");
    }
    if groups.len() > NAMED_COLLISIONS {
        let more = groups.len() - NAMED_COLLISIONS;
        let _ = write!(
            text,
            "number of other hostnames that several boards have: {more}; "
        );
    }
    let remedy = format!("set MUSTER_HOSTNAME_LENGTH={shortest} or more on all boards");
    (!groups.is_empty()).then_some(text + &remedy)
}

fn to_lines(naming: &Naming, boards: &[Board]) -> String {
    let mut text = String::new();
    for board in boards {
        let _ = writeln!(text, "{} {}", board.mac, naming.of_hash(&board.hash));
    }
    text
}

/// The output of `muster name --json`. No character of a MAC address or a hostname needs an escape
/// in JSON.
fn to_json(naming: &Naming, boards: &[Board], groups: &[&[Board]], shortest: usize) -> String {
    let mut text = String::from("{\"format\": 1, \"boards\": [");
    for (index, board) in boards.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let (mac, name) = (board.mac, naming.of_hash(&board.hash));
        let _ = write!(
            text,
            "{comma}\n  {{\"mac\": \"{mac}\", \"name\": \"{name}\"}}"
        );
    }
    text += "\n], \"collisions\": [";
    for (index, group) in groups.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let macs = group.iter().map(|board| format!("\"{}\"", board.mac));
        let macs = macs.collect::<Vec<_>>().join(", ");
        let name = naming.of_hash(&group[0].hash);
        let _ = write!(
            text,
            "{comma}\n  {{\"name\": \"{name}\", \"macs\": [{macs}]}}"
        );
    }
    let length = naming.length();
    let _ = writeln!(
        text,
        "\n], \"length\": {length}, \"shortest_length\": {shortest}}}"
    );
    text
}

/// The MAC addresses that `words` name, in order, each of them once. Each word is a MAC address,
/// the path of a file with a list of them ([`list::addresses`]), or `-` for a list on standard
/// input.
pub fn addresses(host: &Host, words: &[String]) -> Result<Vec<Mac>> {
    if words.is_empty() {
        return Err(nothing_given());
    }
    let mut all = Vec::new();
    for word in words {
        // A word that is not a MAC address may be the path of a file.
        match Mac::parse(word) {
            Ok(mac) => all.push(mac),
            Err(why) => {
                let text = match word.as_str() {
                    "-" => standard_input()?,
                    file => match host.read_as_named(file)? {
                        Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                        None => bail!(Usage(format!(
                            "MAC={word:?} (command line): {why}, and there is no such file"
                        ))),
                    },
                };
                all.extend(list::addresses(word, &text)?);
            }
        }
    }
    let mut seen = BTreeSet::new();
    all.retain(|mac| seen.insert(*mac));
    Ok(all)
}

fn nothing_given() -> anyhow::Error {
    let error = "no MAC address was given: give MAC addresses, the path of a file with MAC \
                 addresses, or - to read MAC addresses from standard input";
    Usage(error.into()).into()
}

fn standard_input() -> Result<String> {
    let mut bytes = Vec::new();
    io::stdin()
        .read_to_end(&mut bytes)
        .context("cannot read standard input")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_collisions_are_named_and_the_others_are_counted() {
        let naming = Naming::new("worker-", 2).unwrap();
        let pair = |n: u8| {
            [0, 1].map(|last| Board {
                hash: [n; 20],
                mac: Mac::parse(&format!("52:54:00:00:{n:02x}:{last:02x}")).unwrap(),
            })
        };
        let pairs: Vec<[Board; 2]> = (0..7).map(pair).collect();
        let groups: Vec<&[Board]> = pairs.iter().map(<[Board; 2]>::as_slice).collect();
        let error = |count: usize| collisions(&naming, &groups[..count], 3);
        assert_eq!(error(0), None);
        for (count, named, others) in [(1, 1, None), (5, 5, None), (7, 5, Some("have: 2;"))] {
            let text = error(count).unwrap();
            assert_eq!(text.matches("the same hostname").count(), named, "{text}");
            assert_eq!(text.contains("other hostnames"), others.is_some(), "{text}");
            assert!(text.contains(others.unwrap_or_default()), "{text}");
        }
    }
}
