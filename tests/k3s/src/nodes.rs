//! The server's data about nodes: a hash of each node's password, its object and its lease. All are
//! files under `<data-dir>/server`, so that `k3s kubectl`, another process, can read and change them.

use crate::hash;
use crate::objects::{Collection, Objects, remove, write_whole};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// A node is NotReady when its last heartbeat is older than this.
const READY_FOR: Duration = Duration::from_secs(8);

pub struct Nodes {
    passwords: PathBuf,
    nodes: Objects,
    leases: Objects,
    /// Locked while a first password is stored, so that only one of two simultaneous passwords is
    /// stored.
    storing: Mutex<()>,
}

impl Nodes {
    pub fn open(data_dir: &Path) -> Result<Self> {
        let server = data_dir.join("server");
        let passwords = server.join("node-passwords");
        fs::create_dir_all(&passwords).with_context(|| format!("{}", passwords.display()))?;
        Ok(Self {
            passwords,
            nodes: Objects::open(&server, Collection::Nodes)?,
            leases: Objects::open(&server, Collection::Leases)?,
            storing: Mutex::default(),
        })
    }

    pub fn objects(&self, kind: Collection) -> &Objects {
        match kind {
            Collection::Nodes => &self.nodes,
            Collection::Leases => &self.leases,
        }
    }

    /// Whether a node's last heartbeat is recent.
    pub fn is_ready(&self, name: &str) -> bool {
        self.leases.age(name).is_some_and(|age| age < READY_FOR)
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

    /// Deletes a node, its lease and its password, as k3s does. Returns false if there was no such
    /// node.
    pub fn delete(&self, name: &str) -> Result<bool> {
        self.forget_password(name)?;
        self.leases.delete(name)?;
        self.nodes.delete(name)
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
