//! Reads symbolic links, and makes or replaces them atomically.

use super::Host;
use super::temporary::temporary;
use anyhow::{Context, Result};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

impl Host {
    /// Where a symbolic link points; `None` when `path` is not a symbolic link.
    pub fn link_target(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        fs::read_link(self.path(path)).ok()
    }

    /// Makes `link` a symbolic link to `target`. Does nothing when `link` already points to
    /// `target`.
    pub fn ensure_link(&self, target: &str, link: &str) -> Result<()> {
        if self.link_target(link).as_deref() == Some(Path::new(target)) {
            return Ok(());
        }
        self.effect(format_args!("link {link} to {target}"), || {
            let make = || -> io::Result<()> {
                let path = self.path(link);
                let folder = path.parent().unwrap_or(Path::new("/"));
                fs::create_dir_all(folder)?;
                let name = path.file_name().unwrap_or_default();
                let temporary = temporary(folder, &name.to_string_lossy())?;
                std::os::unix::fs::symlink(target, &temporary)?;
                fs::rename(&temporary, &path)
            };
            make().with_context(|| format!("cannot link {link}"))
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Mode;

    #[test]
    fn links_are_replaced_and_removed() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        host.ensure_link("/one", "/etc/link").unwrap();
        host.ensure_link("/two", "/etc/link").unwrap();
        assert_eq!(host.link_target("/etc/link"), Some(PathBuf::from("/two")));
        host.remove("/etc/link").unwrap();
        host.remove("/etc/link").unwrap();
        assert_eq!(host.list("/etc"), Vec::<String>::new());
    }
}
