//! The texts in the source of muster, each with the macros and functions around it. Tests find with
//! it what muster can say.

/// A string in the source.
#[derive(Debug)]
pub struct Literal {
    /// The string, in which `…` stands for each `{placeholder}`.
    pub text: String,
    /// The names of the macros (with `!`) and functions whose arguments it is in, the innermost last.
    /// A block in braces, such as a closure's, begins anew.
    pub within: Vec<String>,
}

/// The strings of a source file, without those in comments, in raw strings and in its tests.
pub fn literals(source: &str) -> Vec<Literal> {
    let source = source.split("\n#[cfg(test)]").next().unwrap();
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    // The name in front of each open bracket; `{` for a block.
    let mut open: Vec<&str> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &source[at..];
        at += match bytes[at] {
            b'/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            b'\'' => character(rest),
            b'r' if rest.starts_with("r\"") => rest[2..].find('"').unwrap() + 3,
            b'"' => {
                let (text, length) = string(rest);
                let begin = open.iter().rposition(|name| *name == "{");
                let within = &open[begin.map_or(0, |begin| begin + 1)..];
                found.push(Literal {
                    text: without_placeholders(&text),
                    within: within.iter().map(|name| name.to_string()).collect(),
                });
                length
            }
            b'(' | b'[' => {
                open.push(name_before(&source[..at]));
                1
            }
            b'{' => {
                open.push("{");
                1
            }
            b')' | b']' | b'}' => {
                open.pop();
                1
            }
            _ => rest.chars().next().unwrap().len_utf8(),
        };
    }
    found
}

/// The length of a character in quotes, or of the quote of a lifetime.
fn character(rest: &str) -> usize {
    let inside = &rest[1..];
    match inside.strip_prefix('\\') {
        Some(escape) => escape[1..].find('\'').unwrap() + 4,
        None => match inside.char_indices().nth(1) {
            Some((length, '\'')) => length + 2,
            _ => 1,
        },
    }
}

/// The string that `rest` begins with, and its length in the source.
fn string(rest: &str) -> (String, usize) {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (text, at + 1),
            '\\' => match characters.next().unwrap().1 {
                '\n' => while characters.next_if(|(_, c)| c.is_whitespace()).is_some() {},
                'n' | 't' | 'r' => text.push(' '),
                c => text.push(c),
            },
            c => text.push(c),
        }
    }
    panic!("a string has no end: {rest}");
}

/// The name of the function or the macro whose arguments begin here.
fn name_before(source: &str) -> &str {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '!';
    let start = source.trim_end_matches(is_name).len();
    &source[start..]
}

fn without_placeholders(text: &str) -> String {
    let mut parts = text.split('{');
    let mut plain = parts.next().unwrap().to_string();
    for part in parts {
        plain.push('…');
        plain.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    plain
}

#[test]
fn strings_are_found_with_what_is_around_them() {
    let source = r#"
        fn f<'a>(x: &'a str) { // "no"
            let quote = ['"', '\'', 'é'];
            host.ask(format_args!("ask {url}"), || { bail!("it {x:?} \
                goes on") });
        }
#[cfg(test)]
mod tests { const X: &str = "no"; }"#;
    let found: Vec<(String, String)> = literals(source)
        .into_iter()
        .map(|found| (found.text, found.within.join(" ")))
        .collect();
    let expected = [("ask …", "ask format_args!"), ("it … goes on", "bail!")];
    assert_eq!(found, expected.map(|(a, b)| (a.into(), b.into())));
}
