//! The server's data about nodes: a hash of each node's password, and a record of each node. The
//! modification time of a record is the node's last heartbeat. All are files under
//! `<data-dir>/server`, so that `k3s kubectl`, another process, can read and change them.

use crate::hash;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

/// A node is NotReady when its last heartbeat is older than this.
const READY_FOR: Duration = Duration::from_secs(8);

pub struct Nodes {
    passwords: PathBuf,
    records: PathBuf,
    /// Locked while a first password is stored, so that only one of two simultaneous passwords is
    /// stored.
    storing: Mutex<()>,
}

pub struct Node {
    pub name: String,
    pub ready: bool,
    pub age: Duration,
    pub version: String,
    pub labels: String,
}

impl Nodes {
    pub fn open(data_dir: &Path) -> Result<Self> {
        let server = data_dir.join("server");
        let nodes = Self {
            passwords: server.join("node-passwords"),
            records: server.join("nodes"),
            storing: Mutex::default(),
        };
        for folder in [&nodes.passwords, &nodes.records] {
            fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        }
        Ok(nodes)
    }

    /// Returns whether this is the node's password. The first password for a name is stored, and so
    /// it is right.
    pub fn accepts(&self, name: &str, password: &str) -> Result<bool> {
        let file = self.passwords.join(name);
        if let Some(right) = verify(&file, password)? {
            return Ok(right);
        }
        let entry = hash::make(password)?;
        let stored = self
            .storing
            .lock()
            .map_err(|_| anyhow::anyhow!("a thread panicked while it stored a password"))?;
        if !file.exists() {
            write_whole(&file, &entry)?;
            return Ok(true);
        }
        drop(stored);
        Ok(verify(&file, password)?.unwrap_or(false))
    }

    /// Deletes a node's password, as deleting its secret does. Returns false if there was none.
    pub fn forget_password(&self, name: &str) -> Result<bool> {
        remove(&self.passwords.join(name))
    }

    /// Deletes a node and its password, as k3s does. Returns false if there was no such node.
    pub fn delete(&self, name: &str) -> Result<bool> {
        self.forget_password(name)?;
        remove(&self.records.join(name))
    }

    /// Records a heartbeat. Returns true if it is the first of this node.
    pub fn heartbeat(
        &self,
        name: &str,
        version: &str,
        labels: &str,
        address: &str,
    ) -> Result<bool> {
        let file = self.records.join(name);
        let old = fs::read_to_string(&file).unwrap_or_default();
        let now = crate::log::unix_now().as_secs().to_string();
        let since = old.lines().next().unwrap_or(&now);
        write_whole(&file, &format!("{since}\n{version}\n{labels}\n{address}\n"))?;
        Ok(old.is_empty())
    }

    pub fn list(&self) -> Result<Vec<Node>> {
        let mut nodes = Vec::new();
        for entry in fs::read_dir(&self.records)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // A temporary file has a name that is not a valid node name.
            if is_name(&name) {
                let beat = SystemTime::now()
                    .duration_since(entry.metadata()?.modified()?)
                    .unwrap_or_default();
                let text = fs::read_to_string(entry.path())?;
                let mut lines = text.lines().map(String::from);
                let mut next = || lines.next().unwrap_or_default();
                let since: u64 = next()
                    .parse()
                    .with_context(|| format!("record of {name}"))?;
                let age = crate::log::unix_now().saturating_sub(Duration::from_secs(since));
                nodes.push(Node {
                    name,
                    ready: beat < READY_FOR,
                    age,
                    version: next(),
                    labels: next(),
                });
            }
        }
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }
}

/// Whether Kubernetes accepts this node name: it must be a DNS subdomain.
pub fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let fits = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        !bytes.is_empty()
            && bytes.len() <= 63
            && bytes.iter().all(fits)
            && bytes[0] != b'-'
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Whether a kept hash is this password's; nothing where none is kept.
fn verify(file: &Path, password: &str) -> Result<Option<bool>> {
    let Ok(entry) = fs::read_to_string(file) else {
        return Ok(None);
    };
    let right = hash::verify(&entry, password);
    Ok(Some(right.with_context(|| format!("{}", file.display()))?))
}

/// Writes a file whole or not at all.
fn write_whole(file: &Path, text: &str) -> Result<()> {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    // Several threads write the same file, so each uses its own temporary file.
    let temporary = file.with_file_name(format!(".{name}.{:?}", std::thread::current().id()));
    fs::write(&temporary, text)?;
    fs::rename(&temporary, file).with_context(|| format!("{}", file.display()))
}

fn remove(file: &Path) -> Result<bool> {
    match fs::remove_file(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{}", file.display())),
    }
}
