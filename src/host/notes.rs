//! Writes and removes notes. A note is a small file in `/run/muster`, which a muster process writes
//! for other processes of the same boot: later muster processes, the DHCP script, the time daemon.

use super::Host;
use super::temporary::remove_if_exists;
use crate::paths::NodeFile;
use anyhow::{Context, Result};

impl Host {
    /// Writes a note, or replaces it. A dry run neither writes a note nor prints it in the plan.
    pub fn write_note(&self, file: NodeFile, content: &str) -> Result<()> {
        if self.plans() {
            Ok(())
        } else {
            self.write_whole(file, content.as_bytes())
        }
    }

    /// Removes a file that [`Host::write_note`] wrote. A dry run does nothing.
    pub fn remove_note(&self, file: NodeFile) -> Result<()> {
        if self.plans() {
            return Ok(());
        }
        remove_if_exists(&self.path(file.path))
            .with_context(|| format!("cannot remove {}", file.path))
    }
}
