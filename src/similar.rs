//! Finds the known word that a mistyped word probably meant.

/// The most characters that may be wrong in a mistyped word.
const WRONG: usize = 2;

/// Returns the known word that is most like `word`. The two may differ in at most two
/// characters, and in less than half of the characters of the known word; otherwise `None`.
pub fn similar<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|other| (distance(word.as_bytes(), other.as_bytes()), other))
        .filter(|(distance, other)| *distance <= WRONG && distance * 2 < other.len())
        .min()
        .map(|(_, other)| other)
}

/// For the end of a message: a question with the word that [`similar`] finds, else `otherwise`.
pub fn did_you_mean<'a>(
    word: &str,
    known: impl Iterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    match similar(word, known) {
        Some(other) => format!("did you mean {other}?"),
        None => otherwise.into(),
    }
}

/// How many bytes have to be inserted, deleted or replaced to turn one word into the other
/// (Levenshtein).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("stats", "status", 1),
            ("K3S_ULR", "K3S_URL", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_word_is_meant_and_a_short_or_another_word_means_none() {
        let known = || ["name", "status", "identity", "MUSTER_NTP", "MUSTER_LOG"].into_iter();
        assert_eq!(similar("stats", known()), Some("status"));
        assert_eq!(similar("identety", known()), Some("identity"));
        assert_eq!(similar("MUSTER_NTPS", known()), Some("MUSTER_NTP"));
        for word in ["", "na", "reboot", "MUSTER_NODE"] {
            assert_eq!(similar(word, known()), None, "{word}");
        }
        assert_eq!(similar("now", ["new"].into_iter()), Some("new"));
        let known = ["fetch", "fetched"].into_iter();
        assert_eq!(did_you_mean("fetche", known, "-"), "did you mean fetch?");
        assert_eq!(did_you_mean("x", ["fetch"].into_iter(), "no"), "no");
    }
}
