//! One property for each parser of untrusted bytes: a function that panics if the parser's result
//! breaks a rule that must hold for any input. The property tests and the fuzz targets share them.

use crate::k3s_rules;
use muster::board::mac::Mac;
use muster::host::machine::parse_mounts;
use muster::http::headers::content_range;
use muster::http::headers::retry_after;
use muster::http::retry::Backoff;
use muster::k3s::channel::tag_of_location;
use muster::k3s::release::Tag;
use muster::k3s::release::digest_in_sums;
use muster::k3s::server::git_version;
use muster::k3s::token::{Credential, Token};
use muster::k3s::yaml;
use muster::name::list::addresses;
use muster::settings::sources::{conf_assignments, kernel_words};
use muster::watch::datagram::{self, TEXT_MAX};
use muster::watch::rack::Rack;
use muster::watch::screen::{self, Size};
use muster::watch::words;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// The current time for parsers of dates. It is fixed, so that a case gives the same result at
/// every run.
pub const NOW: Duration = Duration::from_secs(1_800_000_000);

/// A returned digest is in the file, on a line that ends with the name of the asset.
pub fn sums(text: &str) {
    for asset in ["k3s", "k3s-arm64", "k3s-armhf"] {
        let Some(digest) = digest_in_sums(text, asset) else {
            continue;
        };
        let digest = digest.to_string();
        let found = text.lines().map(str::trim).any(|line| {
            line.get(..64)
                .is_some_and(|start| start.eq_ignore_ascii_case(&digest))
                && line
                    .strip_suffix(asset)
                    .is_some_and(|rest| rest.ends_with(|c: char| c == '*' || c.is_whitespace()))
        });
        assert!(found, "no line gives {asset} the digest {digest}");
    }
}

/// A token is accepted or refused as k3s does it. It is kept as it was and is not shown, and a hash
/// that pins is the token's own.
pub fn token(text: &str) {
    // By its type, an error is a literal, so it cannot contain the token.
    let token: Result<Token, &'static str> = Token::parse(text);
    assert_eq!(
        token.as_ref().ok().map(read),
        k3s_rules::token(text),
        "{text:?}"
    );
    let Ok(token) = token else { return };
    assert_eq!(token.text(), text);
    assert_eq!(
        format!("{token:?} {token:#?}"),
        "Token(<redacted>) Token(<redacted>)"
    );
    let secret = token.secret();
    assert!(!secret.is_empty() && text.ends_with(secret));
    if let Some(ca) = token.ca() {
        assert!(text.starts_with(&format!("K10{ca}::")));
    }
    if let Credential::Bootstrap { id, secret } = token.credential() {
        assert!(text.ends_with(&format!("{id}.{secret}")) && (id.len(), secret.len()) == (6, 16));
    }
    assert_eq!(Token::parse(token.text()), Ok(token));
}

fn read(token: &Token) -> k3s_rules::Token {
    k3s_rules::Token {
        hash: token.ca().map_or(String::new(), |ca| ca.to_string()),
        sent: match token.credential() {
            Credential::Password(password) => format!("Basic node:{password}"),
            Credential::Bootstrap { id, secret } => format!("Bearer {id}.{secret}"),
        },
        server: token.is_server_token(),
    }
}

/// Words are together no longer than the line, and have a name. Those without quotes parse to the same
/// words when they are written out in quotes. What is behind `--` changes nothing.
pub fn kernel(text: &str) {
    let words = kernel_words(text);
    let length: usize = words
        .iter()
        .map(|(name, value)| name.len() + value.len() + 1)
        .sum();
    assert!(length <= text.len());
    let is_name = |name: &String| !name.is_empty() && !name.contains('=');
    assert!(words.iter().all(|(name, _)| is_name(name)));
    let mut plain = words.clone();
    plain.retain(|(name, value)| !name.contains('"') && !value.contains('"'));
    let written: Vec<String> = plain
        .iter()
        .map(|(name, value)| format!("\"{name}={value}\""))
        .collect();
    assert_eq!(kernel_words(&written.join(" ")), plain);
    // In a line with an odd number of quotes, the last one reaches to the end.
    if text.matches('"').count().is_multiple_of(2) {
        assert_eq!(kernel_words(&format!("{text} -- A=1")), words);
    }
}

/// Each assignment is on the line with its number, has a valid shell name, and its value is shorter
/// than the line. Written out in quotes, it parses to the same assignment.
pub fn conf(text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    for (number, name, value) in conf_assignments(text) {
        let line = lines[number - 1].trim_start_matches('\u{feff}').trim();
        let exported = line.strip_prefix("export").map(str::trim_start);
        let starts = |text: &str| text.starts_with(&format!("{name}="));
        assert!(starts(line) || exported.is_some_and(starts), "{name}");
        assert!(!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()));
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        let Ok(value) = value else { continue };
        assert!(name.len() + value.len() < line.len());
        let written = format!("{name}='{}'", value.replace('\'', "'\\''"));
        assert_eq!(conf_assignments(&written), [(1, name, Ok(value))]);
    }
}

/// An accepted address is a unicast address with the digits of the text, and has one kind of
/// separator. A list that has the address alone on a line is read as this address.
pub fn mac(text: &str) {
    let listed = addresses("list", text);
    let Ok(mac) = Mac::parse(text) else {
        if let Err(error) = listed {
            assert!(error.to_string().contains(" (list line "), "{error}");
        }
        return;
    };
    let bytes = mac.bytes();
    assert!(bytes != [0; 6] && bytes[0] & 1 == 0);
    let mut separators: Vec<char> = text.chars().filter(|c| ":-.".contains(*c)).collect();
    separators.dedup();
    assert!(separators.len() <= 1);
    let pairs = text.split(|c| ":-.".contains(c));
    let digits: String = pairs.map(|pair| format!("{pair:0>2}")).collect();
    let shown = mac.to_string();
    assert_eq!(shown.replace(':', ""), digits.to_ascii_lowercase());
    assert_eq!(Mac::parse(&shown), Ok(mac));
    assert_eq!(listed.unwrap(), [mac]);
}

/// An accepted tag prints as it was given, is short, and is one segment of a path and of a URL.
pub fn tag(text: &str) {
    let Some(tag) = Tag::parse(text) else { return };
    assert!(tag.as_str() == text && tag.to_string() == text);
    assert!(text.starts_with('v') && text.len() <= 84 && !text.contains(".."));
    assert!(
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".+-".contains(&b))
    );
}

/// A returned version is a valid tag, and shorter than the response.
pub fn version(answer: &[u8]) {
    let Some(found) = git_version(answer) else {
        return;
    };
    assert!(found.as_str().len() < answer.len());
    tag(found.as_str());
}

/// A returned tag is the last segment of the URL.
pub fn location(text: &str) {
    let Some(found) = tag_of_location(text) else {
        return;
    };
    assert!(
        text.replace("%2B", "+")
            .replace("%2b", "+")
            .ends_with(found.as_str())
    );
    assert!(found.as_str().len() <= text.len());
    tag(found.as_str());
}

/// A board honours `Retry-After` up to five minutes, and never waits longer than six.
pub fn retry(text: &str) {
    let Some(asked) = retry_after(text, UNIX_EPOCH + NOW) else {
        return;
    };
    let backoff = || Backoff::new(text.len() as u64);
    for delay in [
        backoff().delay(Some(asked)),
        backoff().delay_in_distress(Some(asked)),
    ] {
        assert!(
            delay >= asked.min(Duration::from_secs(300)) && delay <= Duration::from_secs(360),
            "{delay:?}"
        );
    }
}

/// A returned range starts before its total, and both numbers are in the text.
pub fn range(text: &str) {
    let Some(range) = content_range(text) else {
        return;
    };
    assert!(range.total.is_none_or(|total| range.start < total));
    assert!(text.trim().starts_with("bytes ") && text.contains(&range.start.to_string()));
    assert!(
        range
            .total
            .is_none_or(|total| text.contains(&total.to_string()))
    );
}

/// There are at most as many mounts as lines, and together they are no longer than the text.
pub fn mounts(text: &str) {
    let mounts = parse_mounts(text);
    assert!(mounts.len() <= text.lines().count());
    let length: usize = mounts
        .iter()
        .map(|mount| mount.point.as_os_str().len() + mount.kind.len())
        .sum();
    assert!(length <= text.len());
    assert!(mounts.iter().all(|mount| !mount.kind.contains(' ')));
    assert!(text.contains(" shared:") || !mounts.iter().any(|mount| mount.shared));
}

/// Every line that begins with a word and a colon is an entry with that key, unless the file is
/// refused: no key is missed. The values are together no longer than the text.
pub fn config(text: &str) {
    let Ok(entries) = yaml::top_level(text) else {
        return;
    };
    let word = |line: &str| {
        let end = line.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.+".contains(c))?;
        let rest = line[end..].strip_prefix(':')?;
        let is_key = end > 0 && (rest.is_empty() || rest.starts_with(' '));
        is_key.then(|| line[..end].to_string())
    };
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(key) = word(line) {
            let found = entries.iter().any(|e| e.line == number && e.key == key);
            assert!(found, "line {number} has the key {key}");
        }
    }
    for entry in &entries {
        let line = text.lines().nth(entry.line - 1).unwrap_or_default();
        assert!(
            line.trim_start_matches(['"', '\''])
                .trim_start()
                .starts_with(&entry.key)
        );
    }
    let length: usize = entries.iter().map(|entry| entry.value.len()).sum();
    assert!(length <= text.len());
}

/// A datagram makes one row at most. The row fits into the window, and nothing in it moves the
/// cursor. Its text is short.
pub fn datagram(bytes: &[u8]) {
    let Some(report) = datagram::parse(bytes) else {
        return;
    };
    assert!(report.text.chars().count() <= TEXT_MAX && report.severity < 8);
    let (mut rack, now) = (Rack::default(), Instant::now());
    let key = rack.hear(report.clone(), [127, 0, 0, 1].into(), now);
    assert_eq!(rack.hear(report, [127, 0, 0, 1].into(), now), key);
    let rows = rack.rows(now + Duration::from_secs(100));
    assert_eq!(rows.len(), 1);
    let size = Size {
        columns: 80,
        rows: 24,
    };
    let mut lines = screen::draw("title", &rows, now, size);
    assert!(lines.iter().all(|line| line.chars().count() <= 80));
    lines.push(words::line(rows[0], now));
    let json = words::with_times(words::to_json(rows[0], now), rows[0], Duration::ZERO, now);
    lines.push(json.to_string());
    for c in lines.join("").chars() {
        // Direction marks, separators and what has no width are from U+200B to U+200F and from U+2028.
        let moves = matches!(c, '\u{ad}' | '\u{250}'..='\u{200f}' | '\u{2028}'..);
        assert!(!c.is_control() && !moves, "{c:?}");
    }
}
