//! Where settings come from, and how each place is read.

use std::fmt;

/// The place a value was given. Later variants are beaten by earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `--set NAME=VALUE`.
    Flag,
    /// The kernel command line.
    Kernel,
    Environment,
    /// A line, counted from 1, of the settings file.
    File(String, usize),
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

/// The places that settings come from.
pub struct Sources {
    /// `--set NAME=VALUE`, in order.
    pub flags: Vec<(String, String)>,
    pub environment: Vec<(String, String)>,
    /// The path of the settings file.
    pub conf: String,
}

/// The `NAME=VALUE` words of a kernel command line; double quotes hold a word with spaces together, as the kernel reads
/// them (Linux, lib/cmdline.c), round the whole word or round its value.
pub fn kernel_words(text: &str) -> Vec<(String, String)> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut end = |word: &mut String| {
        if let Some((name, value)) = std::mem::take(word).split_once('=') {
            words.push((name.into(), value.into()));
        }
    };
    for c in text.trim_end().chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => end(&mut word),
            c => word.push(c),
        }
    }
    // A quote that is not closed holds all of the rest together, as it does for the kernel.
    end(&mut word);
    words
}

/// One assignment of a settings file, with its line number, counted from 1; an `Err` says what muster cannot read in it.
pub type Assignment = (usize, String, Result<String, &'static str>);

/// The assignments of a conf.d file: `NAME=value` lines, quoted or not, as OpenRC's shell sources them. Comments and blank
/// lines are passed over, and so are lines that assign nothing: the file is also a shell script of OpenRC's.
pub fn conf_assignments(text: &str) -> Vec<Assignment> {
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (name, value) = line.split_once('=')?;
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            is_name.then(|| (index + 1, name.into(), shell_word(value)))
        })
        .collect()
}

/// The value of a shell assignment that holds no expansions: a literal is all that two readers of one file can agree on.
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
                    '$' | '`' => {
                        return Err("expansions are not evaluated here; write the value out");
                    }
                    '\\' if chars.peek().is_some_and(|c| "\"\\$`".contains(*c)) => {
                        value.extend(chars.next())
                    }
                    c => value.push(c),
                }
            },
            '\\' => value.push(
                chars
                    .next()
                    .ok_or("a value that goes on in the next line is not read here")?,
            ),
            // `~` is one in some places only; it is quoted as easily.
            '$' | '`' | '~' => {
                return Err("expansions are not evaluated here; write the value out");
            }
            ';' | '&' | '|' | '<' | '>' | '(' | ')' => {
                return Err("only NAME=\"value\" is read here; quote the value");
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
mod tests {
    use super::*;

    #[test]
    fn kernel_command_line() {
        let words = kernel_words(
            "quiet K3S_URL=https://a:6443 MUSTER_NTP=\"a b\" \"MUSTER_MIRRORS=c d\" x=y=z\n",
        );
        let expected = [
            ("K3S_URL", "https://a:6443"),
            ("MUSTER_NTP", "a b"),
            ("MUSTER_MIRRORS", "c d"),
            ("x", "y=z"),
        ];
        assert_eq!(
            words,
            expected.map(|(name, value)| (name.to_string(), value.to_string()))
        );
        assert_eq!(
            kernel_words("quiet A=\"b c\n"),
            [("A".to_string(), "b c".to_string())]
        );
    }

    #[test]
    fn conf_file() {
        let text = "# K3S_URL=\"no\"\n\nA=plain # why\nB=\"two words\"\n export C='$5'\nD=\"a\\\"b\"\nif true; then E=1; fi\nF=\n";
        let read: Vec<_> = conf_assignments(text)
            .into_iter()
            .map(|(line, name, value)| (line, name, value.unwrap()))
            .collect();
        let expected = [
            (3, "A", "plain"),
            (4, "B", "two words"),
            (5, "C", "$5"),
            (6, "D", "a\"b"),
            (8, "F", ""),
        ];
        assert_eq!(
            read,
            expected.map(|(line, name, value)| (line, name.to_string(), value.to_string()))
        );
    }

    #[test]
    fn what_only_a_shell_can_read_is_an_error() {
        for text in [
            "A=$(id)",
            "A=\"$B\"",
            "A=`id`",
            "A=\"open",
            "A='open",
            "A=two words",
            "A=x; rm",
            "A=~/x",
            "A=x\\",
        ] {
            assert!(conf_assignments(text)[0].2.is_err(), "{text}");
        }
    }
}
