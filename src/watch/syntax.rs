//! Parses the parts of syslog lines: structured data, times and tags.

use crate::report::format::{APP_NAME, NIL, SD_ID};
use std::time::Duration;

/// Parses structured data, and returns what follows it. Calls `set` with each name and value of the
/// element that has muster's id. `None` when the structured data is not valid.
pub fn structured_data(text: &str, mut set: impl FnMut(&str, &str)) -> Option<&str> {
    if let Some(rest) = text.strip_prefix(NIL) {
        return Some(rest);
    }
    let mut rest = text;
    while let Some(element) = rest.strip_prefix('[') {
        let end = element.find([' ', ']'])?;
        let is_own = &element[..end] == SD_ID;
        rest = &element[end..];
        while let Some(parameter) = rest.strip_prefix(' ') {
            let (name, quoted) = parameter.split_once("=\"")?;
            let (value, after) = unescape(quoted)?;
            if is_own {
                set(name, &value);
            }
            rest = after;
        }
        rest = rest.strip_prefix(']')?;
    }
    // Structured data has at least one element.
    (rest.len() < text.len()).then_some(rest)
}

/// Reads a value up to the quote that ends it. Returns the value, in which a backslash before `"`,
/// `\` or `]` is left out, and what follows the quote.
fn unescape(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => match characters.next()? {
                (_, c @ ('"' | '\\' | ']')) => value.push(c),
                (_, c) => value.extend(['\\', c]),
            },
            c => value.push(c),
        }
    }
    None
}

/// The line without the time at its start, if it has one.
pub fn without_time(line: &str) -> &str {
    let bytes = line.as_bytes();
    let has = |at: usize, expected: u8| bytes.get(at) == Some(&expected);
    if has(3, b' ') && has(6, b' ') && has(9, b':') && has(12, b':') && has(15, b' ') {
        return line.get(16..).unwrap_or_default();
    }
    match line.split_once(' ') {
        // RFC 3339: 2026-08-01T12:34:56.123456Z
        Some((time, rest)) if time.starts_with(|c: char| c.is_ascii_digit()) && has(10, b'T') => {
            rest
        }
        _ => line,
    }
}

/// Whether a word is the tag of muster: `muster`, `muster:`, `muster[412]` or `muster[412]:`.
pub fn is_tag(word: &str) -> bool {
    let word = word.strip_suffix(':').unwrap_or(word);
    word.strip_prefix(APP_NAME)
        .is_some_and(|pid| pid.is_empty() || (pid.starts_with('[') && pid.ends_with(']')))
}

/// Parses seconds such as `12.3456`. Three decimal places are kept, without rounding.
pub fn seconds(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.bytes().chain([b'0'; 3]).take(3);
    let mut millis = digits.map(|b| b.is_ascii_digit().then(|| u64::from(b - b'0')));
    let millis = millis.try_fold(0, |sum, digit| Some(sum * 10 + digit?))?;
    Some(Duration::from_secs(whole.parse().ok()?) + Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_up_to_three_decimal_places() {
        for (text, millis) in [("7", 7000), ("7.5", 7500), ("0.0419", 41)] {
            assert_eq!(seconds(text), Some(Duration::from_millis(millis)));
        }
        for text in ["", ".5", "-1", "1.x", "1e3", "nan"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn only_a_time_is_taken_from_the_start_of_a_line() {
        for line in ["Aug 12 10:00:00 rest", "2026-08-01T12:34:56.1Z rest"] {
            assert_eq!(without_time(line), "rest");
        }
        for line in [
            "one word",
            "the fourth character is a space",
            "Aug 12 10-00-00-rest",
            "Aug 12 10:00-00-rest",
            "Aug 12 10:00:00-rest",
            "2026-08-01-12:34:56Z rest",
            "the-letterT-is-there but no digit",
        ] {
            assert_eq!(without_time(line), line);
        }
    }

    #[test]
    fn a_tag_is_muster_with_or_without_its_process() {
        for word in ["muster", "muster:", "muster[412]", "muster[412]:"] {
            assert!(is_tag(word), "{word}");
        }
        for word in ["", "musters", "muster[412", "muster412]", "kernel:"] {
            assert!(!is_tag(word), "{word}");
        }
    }
}
