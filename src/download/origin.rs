//! Reads the note, a JSON file beside a partial file (such as `.k3s.part.json`), and makes its
//! text. The note records which download the partial file belongs to, so that a later run of muster
//! can resume this download.

use crate::digest::Sha256;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The longest JSON file that is read (bytes).
const LENGTH_MAX: u64 = 16 * 1024;

/// The download that a partial file belongs to. A later run of muster resumes the partial file only
/// when that run downloads a file with the same digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The digest that the complete file must have.
    pub sha256: Sha256,
    /// The URL from which the first bytes of the partial file were downloaded. Empty while the
    /// partial file has no bytes.
    pub url: String,
    /// The `ETag` or `Last-Modified` of the answer from that URL. A request that resumes the
    /// download sends this value as `If-Range`.
    pub validator: Option<String>,
}

impl Origin {
    /// Reads the JSON file at `path`. Returns `None` when the file is missing or damaged.
    pub fn read(path: &Path) -> Option<Origin> {
        #[expect(
            clippy::disallowed_methods,
            reason = "only `part` calls this, and `part` is allowed to read files directly"
        )]
        let file = File::open(path).ok()?;
        let mut text = String::new();
        file.take(LENGTH_MAX).read_to_string(&mut text).ok()?;
        Origin::parse(&text)
    }

    /// The text of the JSON file.
    pub fn to_json(&self) -> String {
        json!({
            "sha256": self.sha256.to_string(),
            "url": self.url,
            "validator": self.validator,
        })
        .to_string()
    }

    fn parse(text: &str) -> Option<Origin> {
        let value: Value = serde_json::from_str(text).ok()?;
        Some(Origin {
            sha256: Sha256::parse(value["sha256"].as_str()?)?,
            url: value["url"].as_str()?.into(),
            validator: value["validator"].as_str().map(String::from),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_reads_back_and_a_damaged_one_does_not() {
        let mut origin = Origin {
            sha256: Sha256::of(b"k3s"),
            url: "https://a/k3s".into(),
            validator: Some("\"1\"".into()),
        };
        assert_eq!(Origin::parse(&origin.to_json()), Some(origin.clone()));
        origin.validator = None;
        assert_eq!(Origin::parse(&origin.to_json()), Some(origin.clone()));
        let text = origin.to_json();
        for damaged in ["", "{}", &text[1..], r#"{"sha256":"00","url":"x"}"#] {
            assert_eq!(Origin::parse(damaged), None, "{damaged}");
        }
    }
}
