//! Notes: files of muster's own, for a later process of the same boot.

use super::Host;
use super::temporary::remove_if_exists;
use crate::paths::NodeFile;
use anyhow::{Context, Result};

impl Host {
    /// Writes a file that only muster reads, for a later run of the same boot. It is not an effect
    /// and not part of a plan.
    pub fn write_note(&self, file: NodeFile, content: &str) -> Result<()> {
        if self.plans() {
            Ok(())
        } else {
            self.write_whole(file, content.as_bytes())
        }
    }

    /// Removes a file that [`Host::write_note`] wrote.
    pub fn remove_note(&self, file: NodeFile) -> Result<()> {
        if self.plans() {
            return Ok(());
        }
        remove_if_exists(&self.path(file.path))
            .with_context(|| format!("cannot remove {}", file.path))
    }
}
