//! Reads and writes files. A file is read whole, up to a size limit. It is written whole or not at
//! all: to a temporary file that is then renamed. Only the kernel's files, such as those below
//! `/sys`, are written directly.

use super::Host;
use super::temporary::{remove_if_exists, temporary};
use crate::digest::{Hasher, Sha256};
use crate::paths::NodeFile;
use anyhow::{Context, Result, bail};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The largest file that muster reads whole (bytes). A larger file is an error, so that it cannot
/// use up the memory. Files in `/proc` are read without a limit, because the list of mounts can be
/// larger than this on a node with many pods.
const READ_MAX: u64 = 1 << 20;
/// The largest file that muster reads whole (bytes) when the operator names it on the command line.
/// A list of 100,000 boards is larger than [`READ_MAX`].
const NAMED_MAX: u64 = 64 << 20;

/// The text of a file to be written, and whether the plan of a dry run may show it.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// The plan shows the text, if the text is a single line.
    Public(&'a str),
    /// The plan shows `<redacted>` instead of the text.
    Secret(&'a str),
}

impl<'a> Content<'a> {
    fn text(self) -> &'a str {
        match self {
            Content::Public(text) | Content::Secret(text) => text,
        }
    }
}

impl Host {
    /// The bytes of a file, or `None` when there is no such file. Errors name the file.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Option<Vec<u8>>> {
        let path = path.as_ref();
        let limit = match path.starts_with("/proc") {
            true => u64::MAX,
            false => READ_MAX,
        };
        read_whole(&self.path(path), limit)
            .with_context(|| format!("cannot read {}", path.display()))
    }

    /// Reads the file at a path that the operator gave on the command line, up to `NAMED_MAX`. A
    /// relative path starts at the working directory. `--root` is not put in front of the path.
    pub fn read_as_named(&self, path: &str) -> Result<Option<Vec<u8>>> {
        read_whole(Path::new(path), NAMED_MAX).with_context(|| format!("cannot read {path}"))
    }

    /// The text of a file, empty when there is no such file. Bytes that are not UTF-8 are replaced.
    pub fn read_text(&self, path: impl AsRef<Path>) -> Result<String> {
        let bytes = self.read(path)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The names in a folder, sorted; empty when the folder does not exist or cannot be read.
    pub fn list(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// The metadata of the file at `path`, after following symbolic links; `None` when it cannot be
    /// read, for example because there is no such file.
    pub fn metadata(&self, path: impl AsRef<Path>) -> Option<fs::Metadata> {
        fs::metadata(self.path(path)).ok()
    }

    /// Writes `content` to the path of `file` with the permissions of `file`, whole or not at all.
    /// Does nothing when the file already has this content and these permissions.
    pub fn ensure_file(&self, file: NodeFile, content: Content<'_>) -> Result<()> {
        let NodeFile { path, mode } = file;
        let text = content.text();
        // A dry run by a user who is not root may be unable to read the file. Then the plan says
        // that a boot writes the file, because nobody knows whether the content is right already.
        let current = self
            .read(path)
            .or_else(|error| if self.plans() { Ok(None) } else { Err(error) })?;
        let has_mode = self
            .metadata(path)
            .is_some_and(|meta| meta.permissions().mode() & 0o7777 == mode);
        if has_mode && current.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        let shown = match content {
            Content::Public(text) if text.trim_end().lines().count() == 1 => {
                format!("): {}", text.trim_end())
            }
            Content::Public(_) => ")".into(),
            Content::Secret(_) => "): <redacted>".into(),
        };
        self.effect(format_args!("write {path} ({mode:04o}{shown}"), || {
            self.write_whole(file, text.as_bytes())
        })?;
        Ok(())
    }

    /// The digest of a file, or `None` when there is no such file.
    pub fn digest(&self, path: &str) -> Result<Option<Sha256>> {
        let hash = || -> io::Result<Sha256> {
            let mut file = fs::File::open(self.path(path))?;
            let mut hasher = Hasher::new();
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(hasher.finish()),
                    n => hasher.update(&buffer[..n]),
                }
            }
        };
        match hash() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            other => other
                .map(Some)
                .with_context(|| format!("cannot read {path}")),
        }
    }

    pub(super) fn write_whole(&self, file: NodeFile, bytes: &[u8]) -> Result<()> {
        let target = self.path(file.path);
        let made = match target.parent() {
            Some(folder) => fs::create_dir_all(folder).map_err(Into::into),
            None => Ok(()),
        };
        made.and_then(|()| replace(&target, file.mode, bytes))
            .with_context(|| format!("cannot write {}", file.path))
    }

    /// Writes a file that the operator named on the command line, whole or not at all. `--root` is
    /// put in front of an absolute path; a relative path starts at the working directory. Fails
    /// when the folder does not exist, or when the path is that of a folder, a device or the like.
    pub fn write_as_named(&self, path: &str, text: &str) -> Result<()> {
        let path = Path::new(path);
        let target = match path.is_absolute() {
            true => self.path(path),
            false => Path::new(".").join(path),
        };
        let write = || {
            let is_other = |meta: fs::Metadata| !meta.is_file();
            if fs::metadata(&target).is_ok_and(is_other) {
                bail!("it is not a regular file");
            }
            replace(&target, 0o644, text.as_bytes())
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes to a file that the kernel provides, such as one below `/sys`. The kernel takes each
    /// write as a command, so the file cannot be replaced by a rename.
    pub fn write_kernel_file(&self, path: &str, text: &str) -> Result<()> {
        self.effect(format_args!("write {text} to {path}"), || {
            let mut file = OpenOptions::new()
                .write(true)
                .open(self.path(path))
                .with_context(|| format!("cannot open {path}"))?;
            file.write_all(text.as_bytes())
                .with_context(|| format!("cannot write {text} to {path}"))
        })?;
        Ok(())
    }

    /// Removes a file. It is not an error when the file does not exist.
    pub fn remove(&self, path: &str) -> Result<()> {
        self.effect(format_args!("remove {path}"), || {
            remove_if_exists(&self.path(path)).with_context(|| format!("cannot remove {path}"))
        })?;
        Ok(())
    }
}

/// Writes `bytes` to a temporary file in the folder of `target`, and renames that file to `target`.
fn replace(target: &Path, mode: u32, bytes: &[u8]) -> Result<()> {
    let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else {
        bail!("it is not the path of a file");
    };
    let temporary = temporary(folder, &name.to_string_lossy())?;
    let mut open = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)?;
    open.set_permissions(Permissions::from_mode(mode))?;
    open.write_all(bytes)?;
    open.sync_all()?;
    fs::rename(&temporary, target)?;
    Ok(())
}

/// Reads a file; `None` when the file does not exist. Fails when it has more than `limit` bytes.
fn read_whole(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let read = |file: fs::File| file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
    match fs::File::open(path).and_then(read) {
        Ok(_) if bytes.len() as u64 > limit => {
            let limit = limit >> 20;
            Err(io::Error::other(format!(
                "the file is larger than {limit} MiB"
            )))
        }
        Ok(_) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
