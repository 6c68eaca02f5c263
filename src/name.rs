//! The command `muster name`: it derives the hostname of each given MAC address.

use crate::arguments::Usage;
use crate::board::mac::Mac;
use crate::host::Host;
use crate::settings::Settings;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{self, Read};

/// The hostnames of a list of MAC addresses.
pub struct Names {
    /// A line `<MAC> <hostname>` for each MAC address.
    pub text: String,
    /// A sentence for each pair of MAC addresses that would get the same hostname.
    pub collisions: Vec<String>,
}

/// Derives the hostnames of the MAC addresses in `words`. Each word is a MAC address, the path of a
/// file with MAC addresses, or `-` for standard input.
pub fn run(host: &Host, settings: &Settings, words: &[String]) -> Result<Names> {
    let mut names = Names {
        text: String::new(),
        collisions: Vec::new(),
    };
    let mut owners: BTreeMap<String, Mac> = BTreeMap::new();
    for mac in macs(host, words)? {
        let name = settings.naming.of(mac).to_string();
        let _ = writeln!(names.text, "{mac} {name}");
        let earlier = owners.insert(name.clone(), mac);
        if let Some(other) = earlier.filter(|other| *other != mac) {
            let collision = format!("{other} and {mac} are both {name}");
            names.collisions.push(collision);
        }
    }
    Ok(names)
}

fn macs(host: &Host, words: &[String]) -> Result<Vec<Mac>> {
    if words.is_empty() {
        let error = "no MAC address was given: give addresses, a file of them, or - for standard \
                     input";
        bail!(Usage(error.into()));
    }
    let mut all = Vec::new();
    for word in words {
        // A word that is not a MAC address may be the path of a file.
        match Mac::parse(word) {
            Ok(mac) => all.push(mac),
            Err(why) => {
                let text = match word.as_str() {
                    "-" => standard_input()?,
                    file => match host.read_as_named(file).ok().flatten() {
                        Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                        None => bail!(Usage(format!(
                            "MAC={word:?} (command line): {why}, and not a file that can be read"
                        ))),
                    },
                };
                all.extend(listed(word, &text)?);
            }
        }
    }
    Ok(all)
}

fn standard_input() -> Result<String> {
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .context("cannot read standard input")?;
    Ok(text)
}

/// Parses a text with MAC addresses. A line may have several addresses, and a comment after `#`.
/// `list` is the name of the file that the text is from, for error messages.
fn listed(list: &str, text: &str) -> Result<Vec<Mac>> {
    let mut all = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        for address in line.split_whitespace() {
            let number = index + 1;
            all.push(
                Mac::parse(address).map_err(|why| {
                    Usage(format!("MAC={address:?} ({list} line {number}): {why}"))
                })?,
            );
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_comments_and_several_addresses_on_a_line() {
        let text = "# rack 1\nb8:27:eb:00:00:01 dc-a6-32-01-02-03 # two\n\n";
        let macs = listed("macs.txt", text).unwrap();
        let macs: Vec<String> = macs.iter().map(Mac::to_string).collect();
        assert_eq!(macs, ["b8:27:eb:00:00:01", "dc:a6:32:01:02:03"]);
        let error = listed("macs.txt", "\nb8:27\n").unwrap_err().to_string();
        assert!(error.starts_with("MAC=\"b8:27\" (macs.txt line 2): not a MAC address"));
    }
}
