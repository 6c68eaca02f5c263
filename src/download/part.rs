//! Handles the partial file of a download, such as `.k3s.part` in the folder where k3s is
//! installed. The JSON file beside it (`.k3s.part.json`), called the note, records which download
//! the bytes belong to.
//!
//! Like [`host`](crate::host), this module changes the machine. It is called only from inside
//! [`Host::ask`], so a dry run does not call it.

#![expect(
    clippy::disallowed_methods,
    reason = "this module is one of the few that may change the machine (see lib.rs)"
)]

use super::asset::Asset;
use super::origin::Origin;
use super::target::{hash, lock, make_folder, note_path, part_path, remove, remove_if_exists};
use super::writer::{Writer, Written};
use crate::digest::Sha256;
use crate::host::Host;
use crate::paths::{K3S_NOTE, K3S_PART};
use anyhow::{Context, Result, bail};
use nix::fcntl::Flock;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The bytes of a download that have arrived so far. The file is not executable before
/// [`PartialFile::install`].
pub struct PartialFile {
    asset: Asset,
    target: PathBuf,
    /// The open and locked file. Without the lock, two muster processes (a boot, and a command at
    /// the console) could write to the same file. Each process would hash only its own bytes, and a
    /// mixture of the bytes of both processes would be installed.
    file: Flock<File>,
    /// The hash and the length of what is in the file. While an
    /// [`Appender`](super::append::Appender) exists, the file may already have more bytes than
    /// `written` tells.
    written: Written,
    origin: Origin,
}

impl PartialFile {
    /// Opens the partial file of the download whose complete file has the digest `sha256`. Bytes
    /// from an earlier attempt at this download are hashed again and kept; bytes of another
    /// download are removed. `target` is the path where the complete `asset` is installed later.
    /// Fails when another muster process is downloading to the same target.
    pub fn open(host: &Host, asset: Asset, target: &Path, sha256: Sha256) -> Result<PartialFile> {
        let target = host.path(target);
        if target.is_dir() {
            let shown = target.display();
            bail!("{shown} is a directory: remove it");
        }
        let folder = target
            .parent()
            .context("there is no folder to install the file into")?;
        make_folder(asset, folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let path = part_path(&target);
        let mut file = lock(&path)?;
        let origin = Origin::read(&note_path(&target)).filter(|origin| origin.sha256 == sha256);
        if origin.is_none() {
            file.set_len(0)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        // A muster process that was killed inside `install` may have left the file executable.
        file.set_permissions(Permissions::from_mode(K3S_PART.mode))
            .with_context(|| format!("cannot write {}", path.display()))?;
        let (hasher, len) =
            hash(&mut file).with_context(|| format!("cannot read {}", path.display()))?;
        let origin = origin.unwrap_or(Origin {
            sha256,
            url: String::new(),
            validator: None,
        });
        Ok(PartialFile {
            asset,
            target,
            file,
            written: Written { hasher, len },
            origin,
        })
    }

    /// The number of bytes in the file.
    pub fn len(&self) -> u64 {
        self.written.len
    }

    /// Whether the file has no bytes yet.
    pub fn is_empty(&self) -> bool {
        self.written.len == 0
    }

    /// The download that the file belongs to.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether the download is complete: the digest of the file is the expected one.
    pub fn is_complete(&self) -> bool {
        self.written.hasher.clone().finish() == self.origin.sha256
    }

    /// Empties the file, and records in the note that the next bytes come from `url`. `validator`
    /// is the `ETag` or `Last-Modified` that the server at `url` sent. `url` is empty when the next
    /// URL is not known yet.
    pub fn restart(&mut self, url: &str, validator: Option<String>) -> Result<()> {
        let origin = Origin {
            sha256: self.origin.sha256,
            url: url.into(),
            validator,
        };
        let restart = || -> io::Result<()> {
            // The file is emptied before the note is written. If muster is killed between these two
            // steps, an empty file is beside the old note, and there are no wrong bytes to resume.
            self.file.set_len(0)?;
            io::Seek::rewind(&mut &*self.file)?;
            let note = note_path(&self.target);
            let temporary = note.with_extension("muster");
            let written = write_new(&temporary, &origin.to_json())
                .and_then(|()| fs::rename(&temporary, &note));
            // When writing the note fails, remove its temporary file. Only the error of the write
            // is reported.
            written.inspect_err(|_| drop(fs::remove_file(&temporary)))
        };
        restart().with_context(|| {
            format!("cannot write the partial file of {}", self.target.display())
        })?;
        self.written = Written::default();
        self.origin = origin;
        Ok(())
    }

    /// Appends bytes: writes and hashes them in one pass.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written.append(&self.file, bytes)
    }

    /// Makes a writer that another thread can use to append. The writer must be given to
    /// [`PartialFile::take_back`] before anything else is done with this file.
    pub(super) fn writer(&self) -> io::Result<Writer> {
        Ok(Writer {
            file: self.file.try_clone()?,
            written: self.written.clone(),
        })
    }

    /// Takes back a writer. The hash and the length then include the bytes that the writer has
    /// appended.
    pub(super) fn take_back(&mut self, writer: Writer) {
        self.written = writer.written;
    }

    /// Gives the file the permissions of its asset and renames it to its target. The file must be
    /// complete.
    pub fn install(self) -> Result<()> {
        assert!(
            self.is_complete(),
            "this is a bug in muster: a partial file must not be installed before its digest matched"
        );
        let install = || -> io::Result<()> {
            self.file
                .set_permissions(Permissions::from_mode(self.asset.mode()))?;
            self.file.sync_all()?;
            fs::rename(part_path(&self.target), &self.target)?;
            // The rename is on disk only after an fsync of the folder.
            File::open(self.target.parent().unwrap_or(Path::new("/")))?.sync_all()
        };
        install()
            .inspect_err(|_| {
                // The installation failed, so the file gets the mode of a partial file again. If
                // this also fails, `open` sets the mode later.
                let _ = self
                    .file
                    .set_permissions(Permissions::from_mode(K3S_PART.mode));
            })
            .with_context(|| format!("cannot install {}", self.target.display()))?;
        remove(&note_path(&self.target))
    }

    /// Removes the partial file and its note.
    pub fn discard(self) -> Result<()> {
        remove(&part_path(&self.target))?;
        remove(&note_path(&self.target))
    }
}

/// Writes a new file with the permissions of a note. A file or link that is at `path` is replaced.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    remove_if_exists(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(K3S_NOTE.mode);
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests;
