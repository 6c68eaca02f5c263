//! How `docs/troubleshooting.md` writes the words of a message. `tests/labs` reads the page too.

/// Whether a text has these words of a message, in which `…` stands for any text.
pub fn has_words(text: &str, words: &str) -> bool {
    let mut rest = text;
    words.split('…').all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// The texts between single backticks.
pub fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}
