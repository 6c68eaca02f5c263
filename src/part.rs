//! A download in the making: `.k3s.part` beside where it will go, and the note that says what it is a part of.
//!
//! Like `host`, this module has effects; it is used from within one of `host`'s.

#![expect(
    clippy::disallowed_methods,
    reason = "this module is the second file of the seam that the list guards"
)]

use crate::digest::{Hasher, Sha256};
use crate::host::Host;
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The part of a file that has come so far. It is not executable until [`Part::install`].
pub struct Part {
    target: PathBuf,
    /// Locked: of two musters (the boot's, and one at the console) that wrote here, each would have hashed its own bytes, and
    /// installed a mixture.
    file: Flock<File>,
    hasher: Hasher,
    len: u64,
    origin: Origin,
}

/// What a part is a part of. Kept beside it, so that a later run can prove before it goes on that it goes on with the same object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Of the whole object.
    pub sha256: Sha256,
    /// Where the bytes came from first.
    pub url: String,
    /// What the server called that state of the object: for `If-Range`, there only.
    pub validator: Option<String>,
}

impl Origin {
    fn to_json(&self) -> String {
        json!({ "sha256": self.sha256.to_string(), "url": self.url, "validator": self.validator })
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

/// The longest note that is read (bytes).
const NOTE_MAX: u64 = 16 * 1024;
const BUFFER: usize = 64 * 1024;

impl Part {
    /// Takes up what an earlier attempt left of the object with this digest, all of its bytes hashed again; else begins anew.
    pub fn open(host: &Host, target: &Path, sha256: Sha256) -> Result<Part> {
        let target = host.path(target);
        if target.is_dir() {
            bail!(
                "{} is a directory: remove it, or set INSTALL_K3S_BIN_DIR",
                target.display()
            );
        }
        let folder = target.parent().context("no folder to install into")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = part_path(&target);
        let mut file = lock(&path)?;
        let origin = read_note(&target).filter(|origin| origin.sha256 == sha256);
        if origin.is_none() {
            file.set_len(0)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        // A run that was killed in the middle of `install` left it executable.
        file.set_permissions(Permissions::from_mode(0o600))
            .with_context(|| format!("cannot write {}", path.display()))?;
        let (hasher, len) =
            hash(&mut file).with_context(|| format!("cannot read {}", path.display()))?;
        let origin = origin.unwrap_or(Origin {
            sha256,
            url: String::new(),
            validator: None,
        });
        Ok(Part {
            target,
            file,
            hasher,
            len,
            origin,
        })
    }

    /// Bytes that are there.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether the bytes that are there are the whole object.
    pub fn is_whole(&self) -> bool {
        self.hasher.clone().finish() == self.origin.sha256
    }

    /// Throws away what is there, and notes where the bytes that follow come from.
    pub fn restart(&mut self, url: &str, validator: Option<String>) -> Result<()> {
        let origin = Origin {
            sha256: self.origin.sha256,
            url: url.into(),
            validator,
        };
        let restart = || -> io::Result<()> {
            // In this order: an empty part belongs to any object, so a kill in between loses nothing.
            self.file.set_len(0)?;
            io::Seek::rewind(&mut &*self.file)?;
            let note = note_path(&self.target);
            let temporary = note.with_extension("muster");
            let written = fs::write(&temporary, origin.to_json())
                .and_then(|()| fs::rename(&temporary, &note));
            // What could not be written whole goes; that it may not go is no second error.
            written.inspect_err(|_| drop(fs::remove_file(&temporary)))
        };
        restart().with_context(|| format!("cannot write beside {}", self.target.display()))?;
        self.hasher = Hasher::new();
        self.len = 0;
        self.origin = origin;
        Ok(())
    }

    /// Adds bytes: one pass, written and hashed.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Puts the file in its place, executable, whole or not at all. It must be whole.
    pub fn install(self) -> Result<()> {
        assert!(
            self.is_whole(),
            "a part is installed only when its digest matched"
        );
        let install = || -> io::Result<()> {
            self.file.set_permissions(Permissions::from_mode(0o755))?;
            self.file.sync_all()?;
            fs::rename(part_path(&self.target), &self.target)?;
            // The name is safe only when its folder is.
            File::open(self.target.parent().unwrap_or(Path::new("/")))?.sync_all()
        };
        install()
            .inspect_err(|_| {
                // What could not be put in its place is a part again; if not even that works, it is when it is opened.
                let _ = self.file.set_permissions(Permissions::from_mode(0o600));
            })
            .with_context(|| format!("cannot install {}", self.target.display()))?;
        remove(&note_path(&self.target))
    }

    /// Gives the room back.
    pub fn discard(self) -> Result<()> {
        remove(&part_path(&self.target))?;
        remove(&note_path(&self.target))
    }
}

/// Gives back the room of a part that nobody needs: the right file is in its place. One that another muster writes stays.
pub fn clear(host: &Host, target: &Path) -> Result<()> {
    let target = host.path(target);
    let path = part_path(&target);
    if path.exists() {
        let _locked = lock(&path)?;
        remove(&path)?;
    }
    remove(&note_path(&target))
}

/// The digest of an executable that is there; `None` where there is no such file.
pub fn installed(host: &Host, target: &Path) -> Result<Option<Sha256>> {
    let path = host.path(target);
    let is_executable = fs::metadata(&path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o777 == 0o755);
    if !is_executable {
        return Ok(None);
    }
    let read = || hash(&mut File::open(&path)?);
    let (hasher, _) = read().with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(hasher.finish()))
}

/// Opens a part for this process alone.
fn lock(path: &Path) -> Result<Flock<File>> {
    let mut options = OpenOptions::new();
    // Not truncated here: it may be another's.
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    loop {
        let file = options
            .open(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((_, Errno::EWOULDBLOCK)) => {
                bail!(
                    "another muster is downloading to {}: let it, or stop it",
                    path.display()
                )
            }
            Err((_, error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        };
        // Between the two calls another muster may have finished, and then this is what it installed.
        let ours = file
            .metadata()
            .with_context(|| format!("cannot read {}", path.display()))?;
        if fs::metadata(path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
        {
            return Ok(file);
        }
    }
}

fn hash(file: &mut File) -> io::Result<(Hasher, u64)> {
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

fn part_path(target: &Path) -> PathBuf {
    beside(target, "part")
}

fn note_path(target: &Path) -> PathBuf {
    beside(target, "part.json")
}

fn beside(target: &Path, suffix: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{suffix}"))
}

fn read_note(target: &Path) -> Option<Origin> {
    let mut text = String::new();
    File::open(note_path(target))
        .ok()?
        .take(NOTE_MAX)
        .read_to_string(&mut text)
        .ok()?;
    Origin::parse(&text)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Mode;

    #[test]
    fn a_part_is_taken_up_only_for_the_same_object() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        let target = Path::new("/bin/k3s");
        let whole = Sha256::of(b"hello world");
        let mut part = Part::open(&host, target, whole).unwrap();
        part.restart("https://a/k3s", Some("\"1\"".into())).unwrap();
        part.write(b"hello ").unwrap();
        drop(part);

        let mut part = Part::open(&host, target, whole).unwrap();
        assert_eq!(
            (part.len(), part.origin().validator.as_deref()),
            (6, Some("\"1\""))
        );
        part.write(b"world").unwrap();
        assert!(part.is_whole());
        drop(part);

        let part = Part::open(&host, target, Sha256::of(b"another")).unwrap();
        assert!(part.is_empty());
        drop(part);
        assert!(Part::open(&host, target, whole).unwrap().is_empty());
    }

    #[test]
    fn nothing_is_executable_before_it_is_installed() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        let target = Path::new("/bin/k3s");
        let mut part = Part::open(&host, target, Sha256::of(b"x")).unwrap();
        part.restart("https://a/k3s", None).unwrap();
        part.write(b"x").unwrap();
        assert_eq!(
            host.metadata("/bin/.k3s.part")
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o600
        );
        assert_eq!(installed(&host, target).unwrap(), None);
        part.install().unwrap();
        assert_eq!(installed(&host, target).unwrap(), Some(Sha256::of(b"x")));
        assert_eq!(host.list("/bin"), ["k3s"]);
    }

    /// A boot in the background and an operator's `muster fetch` at the console.
    #[test]
    fn two_musters_do_not_write_one_part() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        let target = Path::new("/bin/k3s");
        let whole = Sha256::of(b"hello world");
        let mut boot = Part::open(&host, target, whole).unwrap();
        boot.restart("https://a/k3s", None).unwrap();
        boot.write(b"hello ").unwrap();
        for digest in [whole, Sha256::of(b"another")] {
            let error = Part::open(&host, target, digest)
                .map(|_| ())
                .unwrap_err()
                .to_string();
            assert!(error.contains("another muster is downloading"), "{error}");
        }
        boot.write(b"world").unwrap();
        boot.install().unwrap();
        assert_eq!(installed(&host, target).unwrap(), Some(whole));
        // What is in its place is nobody's part any more.
        assert!(Part::open(&host, target, whole).unwrap().is_empty());
        assert_eq!(installed(&host, target).unwrap(), Some(whole));
    }
}
