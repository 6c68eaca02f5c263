//! Fits text into the width of a window. Each character is one column wide
//! ([`printable`](super::syntax::printable)).

/// Breaks a text into lines of this width at most, between words.
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

/// The first characters of a line that is longer than the window, with an ellipsis.
pub fn clip(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.into();
    }
    let start: String = line.chars().take(width.saturating_sub(1)).collect();
    if width == 0 { start } else { start + "…" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_broken_between_words() {
        assert_eq!(wrap("a bc  def ghij", 6), ["a bc", "def", "ghij"]);
        assert_eq!(wrap("abcdefgh i", 4), ["abcdefgh", "i"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn a_clipped_line_ends_with_an_ellipsis() {
        assert_eq!(clip("abc", 3), "abc");
        assert_eq!(clip("abcd", 3), "ab…");
        assert_eq!(clip("abcd", 0), "");
    }
}
