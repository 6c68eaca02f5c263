//! Reads and writes the records of the files that this boot has verified, so that a later run does
//! not ask for their digests again. The records are in `/run/muster`, where only root can write.

use crate::digest::Sha256;
use crate::host::Host;
use crate::paths::NodeFile;
use anyhow::Result;
use serde_json::{Value, json};

/// The release tag and the digest of a record ([`Asset::record`](super::asset::Asset::record)) that
/// a fetch step of this boot has written; `None` when no fetch step has.
pub fn read(host: &Host, record: NodeFile) -> Option<(String, Sha256)> {
    let text = host.read_text(record.path).ok()?;
    let record: Value = serde_json::from_str(&text).ok()?;
    let digest = Sha256::parse(record["sha256"].as_str()?)?;
    Some((record["tag"].as_str()?.into(), digest))
}

/// Records that the file of the release `tag` with this digest was verified.
pub fn write(host: &Host, record: NodeFile, tag: &str, digest: Sha256) -> Result<()> {
    let content = json!({ "tag": tag, "sha256": digest.to_string() });
    host.write_note(record, &format!("{content}\n"))
}
