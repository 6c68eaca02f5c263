//! Handles the files of one download: the installed file (the target), and beside it the partial
//! file and its note. This module knows their paths, locks the partial file, hashes the installed
//! file, and removes files that are not needed.
//!
//! Like [`host`](crate::host), this module changes the machine. It is called only from inside
//! [`Host::ask`], so a dry run does not call it.

#![expect(
    clippy::disallowed_methods,
    reason = "this module is one of the few that may change the machine (see lib.rs)"
)]

use super::asset::Asset;
use crate::digest::{Hasher, Sha256};
use crate::host::Host;
use crate::paths::K3S_PART;
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The size of one read while hashing (bytes).
const BUFFER: usize = 64 * 1024;

/// Removes the partial file and its note, which are not needed when the right file is installed.
/// Fails when another muster process is writing to the partial file.
pub fn clear(host: &Host, target: &Path) -> Result<()> {
    let target = host.path(target);
    let path = part_path(&target);
    if path.exists() {
        let _locked = lock(&path)?;
        remove(&path)?;
    }
    remove(&note_path(&target))
}

/// Makes the folder into which an asset is installed. The folders `agent` and `agent/images` in
/// k3s's data folder get the mode 0700, which k3s gives them too.
pub(super) fn make_folder(asset: Asset, folder: &Path) -> io::Result<()> {
    if asset == Asset::Images
        && let Some(data) = folder.ancestors().nth(2)
    {
        fs::create_dir_all(data)?;
        return DirBuilder::new().recursive(true).mode(0o700).create(folder);
    }
    fs::create_dir_all(folder)
}

/// The digest of the installed file; `None` when there is no such file with the permissions `mode`.
pub fn installed(host: &Host, target: &Path, mode: u32) -> Result<Option<Sha256>> {
    let path = host.path(target);
    // A symbolic link does not count, because somebody could make it point to another file after
    // the digest was compared.
    let has_mode = fs::symlink_metadata(&path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o777 == mode);
    if !has_mode {
        return Ok(None);
    }
    let read = || hash(&mut File::open(&path)?);
    let (hasher, _) = read().with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(hasher.finish()))
}

/// Opens and locks a partial file for this process alone.
pub(super) fn lock(path: &Path) -> Result<Flock<File>> {
    let mut options = OpenOptions::new();
    // The file is not truncated here, because another muster may be writing to it.
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(K3S_PART.mode)
        // A symbolic link would make root write to another file.
        .custom_flags(libc::O_NOFOLLOW);
    loop {
        let file = options
            .open(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((_, Errno::EWOULDBLOCK)) => {
                bail!(
                    "another muster is downloading to {}: wait until that process ends, or stop it",
                    path.display()
                )
            }
            Err((_, error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        };
        // Another muster process may have renamed the file to its target after this process opened
        // it and before it was locked. Then the installed file is locked, and the loop opens a new
        // partial file.
        let locked = file
            .metadata()
            .with_context(|| format!("cannot read {}", path.display()))?;
        if fs::metadata(path)
            .is_ok_and(|at_path| (at_path.dev(), at_path.ino()) == (locked.dev(), locked.ino()))
        {
            return Ok(file);
        }
    }
}

/// Hashes the file from its current position to its end. Returns the hasher and the number of
/// bytes.
pub(super) fn hash(file: &mut File) -> io::Result<(Hasher, u64)> {
    let mut hasher = Hasher::new();
    let mut len = 0;
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((hasher, len)),
            n => {
                hasher.update(&buffer[..n]);
                len += n as u64;
            }
        }
    }
}

/// The partial file's path, such as `/usr/local/bin/.k3s.part`.
pub fn part_path(target: &Path) -> PathBuf {
    beside(target, "part")
}

/// The path of the note beside the partial file. The note records which download the partial file
/// belongs to ([`super::origin`]).
pub(super) fn note_path(target: &Path) -> PathBuf {
    beside(target, "part.json")
}

fn beside(target: &Path, suffix: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{suffix}"))
}

/// Removes a file. It is not an error when the file does not exist.
pub(super) fn remove(path: &Path) -> Result<()> {
    remove_if_exists(path).with_context(|| format!("cannot remove {}", path.display()))
}

/// Does the same as [`remove`], but returns the error of the system call.
pub(super) fn remove_if_exists(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
