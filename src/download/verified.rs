//! Records which files this boot has verified, so that a later run of muster in the same boot does
//! not ask for their digests again. The records are in `/run/muster`, where only root can write.

use crate::digest::Sha256;
use crate::host::Host;
use crate::paths::NodeFile;
use anyhow::Result;
use serde_json::{Value, json};

/// Reads a record ([`Asset::record`](super::asset::Asset::record)) that a fetch step of this boot
/// has written. Returns the release tag and the digest; `None` when there is no such record.
pub fn read(host: &Host, record: NodeFile) -> Option<(String, Sha256)> {
    let text = host.read_text(record.path).ok()?;
    let record: Value = serde_json::from_str(&text).ok()?;
    let digest = Sha256::parse(record["sha256"].as_str()?)?;
    Some((record["tag"].as_str()?.into(), digest))
}

/// Records that the file that belongs to the release `tag` and has this digest was verified.
pub fn write(host: &Host, record: NodeFile, tag: &str, digest: Sha256) -> Result<()> {
    let content = json!({ "tag": tag, "sha256": digest.to_string() });
    host.write_note(record, &format!("{content}\n"))
}
