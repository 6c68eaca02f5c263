//! Prepares text for a terminal or a picture: fits it into a width, and replaces characters that
//! could do harm there. A width is a number of characters, because each character that
//! [`printable`] returns is one column wide.

use std::time::Duration;

/// Breaks a text between words into lines of this width at most. A word that is longer gets a line
/// of its own and is not broken.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last().map_or(0, |line| line.chars().count());
        match lines.last_mut() {
            Some(line) if last > 0 && last + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(line) if last == 0 => line.push_str(word),
            _ => lines.push(word.into()),
        }
    }
    lines
}

/// Cuts a line that is longer than `width` characters, and puts an ellipsis at its end.
pub fn clip(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.into();
    }
    let start: String = line.chars().take(width.saturating_sub(1)).collect();
    if width == 0 { start } else { start + "…" }
}

/// The character, or `?` in its place when a terminal might not show it in one column. Printable
/// ASCII, the letters and signs of Latin alphabets, dashes, quotes and the ellipsis stay. A tab or
/// a line break becomes a space. Every other character becomes `?`, such as a control character, a
/// mark that changes the direction of writing, or a character of two columns.
pub fn printable(c: char) -> char {
    match c {
        ' '..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{24f}' | '\u{2010}'..='\u{2027}' => c,
        '\t' | '\n' | '\r' => ' ',
        _ => '?',
    }
}

/// A time in minutes and seconds, such as `1:15`, and from one hour on with hours, such as
/// `1:01:01`.
pub fn clock(time: Duration) -> String {
    let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
    match minutes {
        ..60 => format!("{minutes}:{seconds:02}"),
        _ => format!("{}:{:02}:{seconds:02}", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_broken_between_words() {
        assert_eq!(wrap("a bc  def ghij", 6), ["a bc", "def", "ghij"]);
        assert_eq!(wrap("abcdefgh i", 4), ["abcdefgh", "i"]);
        assert_eq!(wrap("abc de", 6), ["abc de"]);
        assert_eq!(wrap("abc def", 6), ["abc", "def"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn a_clipped_line_ends_with_an_ellipsis() {
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip("abcd", 3), "ab…");
        assert_eq!(clip("abcd", 0), "");
    }

    #[test]
    fn times_are_shown_as_on_a_clock() {
        for (seconds, text) in [
            (0, "0:00"),
            (75, "1:15"),
            (3599, "59:59"),
            (3661, "1:01:01"),
        ] {
            assert_eq!(clock(Duration::from_secs(seconds)), text);
        }
    }
}
