//! What the server remembers of nodes, as files under `<data-dir>/server`, so that `k3s kubectl` of another process sees and
//! changes the same: a hash of each node's password, and one record a node whose time of change is its last heartbeat.

use crate::hash;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

/// A node whose last heartbeat is older is not ready.
const READY_FOR: Duration = Duration::from_secs(8);

pub struct Nodes {
    passwords: PathBuf,
    records: PathBuf,
    /// Held while a first password is stored, so that of two that arrive at once one is the first.
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

    /// Whether this is the node's password. The first one for a name is stored, and so is right.
    pub fn accepts(&self, name: &str, password: &str) -> Result<bool> {
        let file = self.passwords.join(name);
        if let Some(right) = verify(&file, password)? {
            return Ok(right);
        }
        let entry = hash::make(password)?;
        let stored = self
            .storing
            .lock()
            .map_err(|_| anyhow::anyhow!("a thread died while it stored a password"))?;
        if !file.exists() {
            write_whole(&file, &entry)?;
            return Ok(true);
        }
        drop(stored);
        Ok(verify(&file, password)?.unwrap_or(false))
    }

    /// Forgets a node's password: what deleting its secret does. False where there was none.
    pub fn forget_password(&self, name: &str) -> Result<bool> {
        remove(&self.passwords.join(name))
    }

    /// Deletes a node, and with it its password, as k3s does.
    pub fn delete(&self, name: &str) -> Result<bool> {
        self.forget_password(name)?;
        remove(&self.records.join(name))
    }

    /// A heartbeat; the first of a name makes the node. True where it did.
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
            // What is being written has a name that no node can have.
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

/// A name Kubernetes would take: a DNS subdomain.
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

fn write_whole(file: &Path, text: &str) -> Result<()> {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    // Threads write the same file: each its own temporary one.
    let part = file.with_file_name(format!(".{name}.{:?}", std::thread::current().id()));
    fs::write(&part, text)?;
    fs::rename(&part, file).with_context(|| format!("{}", file.display()))
}

fn remove(file: &Path) -> Result<bool> {
    match fs::remove_file(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{}", file.display())),
    }
}
