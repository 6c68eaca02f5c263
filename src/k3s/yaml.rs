//! Reads the top-level keys of a k3s configuration file, which is YAML.
//!
//! k3s reads a mapping of flags to values and nothing deeper. So this module reads lines of the
//! form `key: value` that begin in the first column, each with the lines that continue its value.
//! It refuses all other YAML at the top level, such as `{key: value}`, anchors, tags and a second
//! document. So it misses no key that k3s reads. A whole YAML parser would add 100 KB to the
//! program.

/// A top-level key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of the key's line, counted from 1.
    pub line: usize,
    /// The key as it is written, without quotes.
    pub key: String,
    /// The value: a scalar without quotes, or the text of a list with its lines joined by spaces.
    pub value: String,
}

/// The top-level keys in the order of the file. The error has the number of a line, and the reason
/// why this line cannot be read.
pub fn top_level(text: &str) -> Result<Vec<Entry>, (usize, &'static str)> {
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        // YAML has more kinds of line breaks than `str::lines` knows.
        if line.contains(['\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            return Err((number, "this line has a line break that is not a newline"));
        }
        let content = without_comment(line.trim_matches([' ', '\t']));
        if content.is_empty() || content == "---" && entries.is_empty() {
            continue;
        }
        // A key of the mapping must begin in the first column here. YAML also allows a mapping
        // whose keys are all indented. Such a mapping is an error here, because an indented line is
        // read as the continuation of a key before it, and the first line has no key before it.
        let continues =
            line.starts_with([' ', '\t', ']', '}']) || content == "-" || content.starts_with("- ");
        if continues {
            let Some(entry) = entries.last_mut() else {
                return Err((
                    number,
                    "this line must be `key: value`, and the key must begin in the first column",
                ));
            };
            if line.starts_with('\t') && !is_open(&entry.value) {
                return Err((number, "is indented with a tab, which YAML does not allow"));
            }
            if !entry.value.is_empty() {
                entry.value.push(' ');
            }
            entry.value.push_str(content);
            continue;
        }
        let (key, value) = key_and_value(content).ok_or((
            number,
            "this line is not of the form `key: value`; muster reads only this part of YAML",
        ))?;
        entries.push(Entry {
            line: number,
            key: key.into(),
            value: value.into(),
        });
    }
    for entry in &mut entries {
        if is_open(&entry.value) {
            return Err((entry.line, "has a quote or a bracket that is not closed"));
        }
        entry.value = unquoted(&entry.value).into();
    }
    Ok(entries)
}

/// Whether a value begins with a quote or a bracket that is not closed at its end.
fn is_open(value: &str) -> bool {
    ["\"\"", "''", "[]", "{}"].iter().any(|pair| {
        let (open, close) = pair.split_at(1);
        let rest = value.strip_prefix(open);
        rest.is_some_and(|rest| !rest.ends_with(close))
    })
}

/// The line without its comment. A comment begins with a `#` outside quotes, which is the first
/// character of the line or comes after white space.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match quote {
            None if c == '#' && before.is_whitespace() => return line[..at].trim_end(),
            // A quote inside a word is an ordinary character.
            None if (c == '"' || c == '\'') && " [,:-".contains(before) => quote = Some(c),
            Some(open) if c == open && !(c == '"' && before == '\\') => quote = None,
            _ => {}
        }
        before = c;
    }
    line
}

/// Splits `key: value`. A key is a word, with or without quotes.
fn key_and_value(line: &str) -> Option<(&str, &str)> {
    let (key, value) = match line.split_once(": ") {
        Some((key, value)) => (key, value.trim_start()),
        None => (line.strip_suffix(':')?, ""),
    };
    let key = unquoted(key.trim_end());
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b"-_.+".contains(&b);
    (!key.is_empty() && key.bytes().all(is_word)).then_some((key, value))
}

/// The text without the quotes around it. Escapes stay as they are.
fn unquoted(text: &str) -> &str {
    let between = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    between('"').or_else(|| between('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests;
