//! The record of the k3s that this boot has verified, so that a later run does not ask for its
//! digest again. It is in `/run/muster`, where only root can write.

use crate::digest::Sha256;
use crate::host::Host;
use crate::paths;
use anyhow::Result;
use serde_json::{Value, json};

/// The release tag and the digest that a fetch step of this boot has verified; `None` when no fetch
/// step has, or when its record could not be written.
pub fn read(host: &Host) -> Option<(String, Sha256)> {
    let text = host.read_text(paths::VERIFIED.path).ok()?;
    let record: Value = serde_json::from_str(&text).ok()?;
    let digest = Sha256::parse(record["sha256"].as_str()?)?;
    Some((record["tag"].as_str()?.into(), digest))
}

/// Records that the k3s with this tag and digest was verified.
pub fn write(host: &Host, tag: &str, digest: Sha256) -> Result<()> {
    let record = json!({ "tag": tag, "sha256": digest.to_string() });
    host.write_note(paths::VERIFIED, &format!("{record}\n"))
}
