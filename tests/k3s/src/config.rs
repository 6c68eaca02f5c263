//! Reads k3s's config file `config.yaml`, and then the files of `config.yaml.d` in order of their
//! names. It supports flat keys with scalar or list values. Any other YAML is an error.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the settings of the files as flags. The last file with a key counts; `key+:` appends to
/// the earlier values.
pub fn read(root: &Path, file: &str) -> Result<Vec<(String, String)>> {
    let mut flags = Vec::new();
    for path in files(root, file)? {
        let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        for (key, values) in parse(&text).with_context(|| format!("{}", path.display()))? {
            let name = key.strip_suffix('+').unwrap_or(&key).to_owned();
            if !key.ends_with('+') {
                flags.retain(|(other, _)| *other != name);
            }
            flags.extend(values.into_iter().map(|value| (name.clone(), value)));
        }
    }
    Ok(flags)
}

fn files(root: &Path, file: &str) -> Result<Vec<PathBuf>> {
    let main = root.join(file.trim_start_matches('/'));
    let folder = root.join(format!("{}.d", file.trim_start_matches('/')));
    let mut drop_ins = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|ending| ending == "yaml" || ending == "yml")
            {
                drop_ins.push(path);
            }
        }
    }
    drop_ins.sort();
    Ok(main
        .exists()
        .then_some(main)
        .into_iter()
        .chain(drop_ins)
        .collect())
}

fn parse(text: &str) -> Result<Vec<(String, Vec<String>)>> {
    let mut keys: Vec<(String, Vec<String>)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with('#') || bare == "---" {
            continue;
        }
        if let Some(item) = bare.strip_prefix("- ") {
            let Some((_, values)) = keys.last_mut() else {
                bail!("line {}: a list item without a key", number + 1)
            };
            values.push(scalar(item));
            continue;
        }
        let Some((key, value)) = bare.split_once(':').filter(|_| !line.starts_with(' ')) else {
            bail!("line {}: neither a key nor an item: {bare}", number + 1);
        };
        let value = scalar(value);
        let values = match value
            .strip_prefix('[')
            .and_then(|list| list.strip_suffix(']'))
        {
            Some(list) => list
                .split(',')
                .map(scalar)
                .filter(|item| !item.is_empty())
                .collect(),
            None if value.is_empty() => Vec::new(),
            None => vec![value],
        };
        keys.push((scalar(key), values));
    }
    Ok(keys)
}

/// Returns a value without quotes and without the comment after it.
fn scalar(text: &str) -> String {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some((inside, _)) = text
            .strip_prefix(quote)
            .and_then(|rest| rest.split_once(quote))
        {
            return inside.into();
        }
    }
    text.split(" #").next().unwrap_or_default().trim().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_keys_lists_quotes_and_comments() {
        let text = "# a comment\nnode-name: n1 # a comment\nnode-label:\n  - \"a=b\"\n  - c=d\ndebug: true\nnode-taint: [x=y:NoSchedule, 'z']\n";
        let list = |values: &[&str]| {
            values
                .iter()
                .map(|value| (*value).to_owned())
                .collect::<Vec<_>>()
        };
        let expected = [
            ("node-name", &["n1"][..]),
            ("node-label", &["a=b", "c=d"]),
            ("debug", &["true"]),
            ("node-taint", &["x=y:NoSchedule", "z"]),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(key, values)| (key.to_owned(), list(values)))
            .collect();
        assert_eq!(parse(text).unwrap(), expected);
        assert!(parse("deep:\n  key: value\n").is_err());
        assert!(parse("- item\n").is_err());
    }
}
