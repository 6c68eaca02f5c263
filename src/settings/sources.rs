//! Lists the places that settings come from, and parses two of them: the kernel command line and
//! the settings file.

use std::fmt;

/// The place where a value was given. The variants are in order of priority: a value from an
/// earlier variant replaces a value from a later variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `--set NAME=VALUE`.
    Flag,
    /// `NAME=VALUE` on the kernel command line.
    Kernel,
    /// An environment variable.
    Environment,
    /// The path of the settings file, and the number of the line, counted from 1.
    File(String, usize),
    /// The default in [`SETTINGS`](super::SETTINGS).
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag => f.write_str("--set"),
            Source::Kernel => f.write_str("kernel command line"),
            Source::Environment => f.write_str("environment"),
            Source::File(path, line) => write!(f, "{path} line {line}"),
            Source::Default => f.write_str("default"),
        }
    }
}

/// What the caller of [`load`](super::load) must pass in. The settings file and the kernel command
/// line are read through [`Host`](crate::host::Host).
pub struct Sources {
    /// The names and values of `--set NAME=VALUE`, in the order of the command line.
    pub flags: Vec<(String, String)>,
    /// The names and values of the environment variables.
    pub environment: Vec<(String, String)>,
    /// The path of the settings file.
    pub conf: String,
}

/// Parses the `NAME=VALUE` words of a kernel command line as the kernel does (Linux, `next_arg` in
/// lib/cmdline.c, `parse_args` in kernel/params.c). A word with spaces is in double quotes, which
/// are around the whole word or around its value; other quotes are part of the value. The words
/// after `--` are for init and not settings. Words without `=` are skipped.
pub fn kernel_words(text: &str) -> Vec<(String, String)> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let mut quoted = false;
        let end = rest.find(|c: char| {
            quoted ^= c == '"';
            c.is_whitespace() && !quoted
        });
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.trim_start();
        let inner = without_quotes(word);
        match inner.split_once('=') {
            Some(("", _)) => {}
            Some((name, value)) => words.push((name.into(), without_quotes(value).into())),
            None if inner == "--" => break,
            None => {}
        }
    }
    words
}

/// The text without the quote at its start and the quote at its end. A text that begins with no
/// quote stays as it is.
fn without_quotes(text: &str) -> &str {
    match text.strip_prefix('"') {
        Some(inner) => inner.strip_suffix('"').unwrap_or(inner),
        None => text,
    }
}

/// One assignment in a settings file: the line number (from 1), the name, and the value. When
/// muster cannot read the value, the reason is in place of the value.
pub type Assignment = (usize, String, Result<String, &'static str>);

/// Parses the `NAME=value` lines of a conf.d file, with or without quotes, as OpenRC's shell does.
/// Lines that assign nothing are skipped: OpenRC sources the file, so they may be shell code.
pub fn conf_assignments(text: &str) -> Vec<Assignment> {
    // Some editors write a byte order mark in front of the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let line = line.trim();
            let exported = line.strip_prefix("export");
            let exported = exported.filter(|rest| rest.starts_with([' ', '\t']));
            let line = exported.map_or(line, str::trim_start);
            let (word, value) = line.split_once('=')?;
            let name = word.trim_end();
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            let value = match name == word {
                true => shell_word(value),
                // The shell would run a command with this name.
                false => Err("there must be no space before ="),
            };
            is_name.then(|| (index + 1, name.into(), value))
        })
        .collect()
}

/// Finds the first line of a conf.d file that is shell code: a line that is not empty, not a
/// comment and not an assignment. OpenRC's shell runs such a line, and muster does not. Returns the
/// line number (from 1); `None` when no such line was found.
pub fn conf_code(text: &str) -> Option<usize> {
    let mut assigned = conf_assignments(text).into_iter().peekable();
    for (index, line) in text.lines().enumerate() {
        match assigned.next_if(|(number, ..)| *number == index + 1) {
            // muster cannot read this value. If its closing quote is missing, the next lines may be
            // a part of the value. So the search for code ends here.
            Some((.., Err(_))) => return None,
            Some((.., Ok(_))) => continue,
            None => {}
        }
        let line = line.trim_start_matches('\u{feff}').trim();
        if !line.is_empty() && !line.starts_with('#') {
            return Some(index + 1);
        }
    }
    None
}

const EXPANSION: &str = "muster does not evaluate shell expansions; write the value itself";

/// Parses the value of a shell assignment. Expansions are errors, because muster would have to
/// evaluate them in the same way as OpenRC's shell.
fn shell_word(text: &str) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => loop {
                match chars.next().ok_or("the closing quote is missing")? {
                    '\'' => break,
                    c => value.push(c),
                }
            },
            '"' => loop {
                match chars.next().ok_or("the closing quote is missing")? {
                    '"' => break,
                    '$' | '`' => return Err(EXPANSION),
                    '\\' if chars.peek().is_some_and(|c| "\"\\$`".contains(*c)) => {
                        value.extend(chars.next())
                    }
                    c => value.push(c),
                }
            },
            '\\' => value.push(
                chars
                    .next()
                    .ok_or("a value must not continue on the next line")?,
            ),
            // A shell expands `~` only in some positions of a value. muster refuses every `~` that
            // is not quoted.
            '$' | '`' | '~' => return Err(EXPANSION),
            ';' | '&' | '|' | '<' | '>' | '(' | ')' => {
                return Err(
                    "the shell has a meaning for ; & | < > ( and ): put the value in quotes",
                );
            }
            c if c.is_whitespace() => {
                let rest: String = chars.skip_while(|c| c.is_whitespace()).collect();
                return match rest.is_empty() || rest.starts_with('#') {
                    true => Ok(value),
                    false => Err("a value with spaces must be quoted"),
                };
            }
            c => value.push(c),
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
