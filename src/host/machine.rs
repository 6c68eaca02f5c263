//! Reads the mounts and the memory size from `/proc`, and checks whether a download fits into the
//! file system and the memory.

use crate::host::Host;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// One mount of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The mount point.
    pub point: PathBuf,
    /// The file system type, such as `tmpfs`.
    pub kind: String,
    /// Whether it is a shared mount: mounts below it propagate to other mount namespaces.
    pub shared: bool,
}

/// All mounts, in the order in which they were made.
pub fn mounts(host: &Host) -> Result<Vec<Mount>> {
    Ok(parse_mounts(&host.read_text("/proc/self/mountinfo")?))
}

/// Parses the text of a mountinfo file. Lines of another form are skipped.
pub fn parse_mounts(text: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        let fields: Vec<&str> = before.split(' ').collect();
        let shared = fields
            .get(6..)?
            .iter()
            .any(|field| field.starts_with("shared:"));
        Some(Mount {
            point: PathBuf::from(fields[4]),
            kind: after.split(' ').next()?.into(),
            shared,
        })
    };
    text.lines().filter_map(mount).collect()
}

/// The mount that `path` is on: the mount with the longest mount point that contains `path`. If
/// several mounts have this mount point, the last of them is returned, because a later mount hides
/// an earlier one.
pub fn mount_of<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.as_os_str().len())
}

/// The memory of the board in bytes, from `/proc/meminfo`. A field is `None` when the file does not
/// have it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// All usable memory.
    pub total: Option<u64>,
    /// Memory that programs can get without swapping.
    pub available: Option<u64>,
}

impl Memory {
    /// Reads `/proc/meminfo`.
    pub fn read(host: &Host) -> Result<Memory> {
        Ok(Memory::parse(&host.read_text("/proc/meminfo")?))
    }

    fn parse(text: &str) -> Memory {
        let field = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            // In `/proc/meminfo`, kB means 1024 bytes.
            line.trim()
                .strip_suffix(" kB")?
                .parse::<u64>()
                .ok()?
                .checked_mul(1024)
        };
        Memory {
            total: field("MemTotal"),
            available: field("MemAvailable"),
        }
    }
}

/// The memory that a download must leave free for the rest of the boot (bytes).
const MEMORY_KEPT: u64 = 16 << 20;

/// The space that a download needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// What is downloaded, in words for a message.
    pub what: &'static str,
    /// The space that is needed (bytes).
    pub bytes: u64,
}

/// Checks whether there is enough space for `need` in the file system of `folder` and, when that
/// file system is in memory, in the available memory. Returns `None` when there is enough,
/// otherwise a message for the operator that names the remedy.
pub fn no_room(host: &Host, folder: &Path, need: Need) -> Result<Option<String>> {
    let Need {
        what,
        bytes: needed,
    } = need;
    let (shown, wanted) = (folder.display(), megabytes(needed));
    let free = host.free_space(folder)?;
    if free < needed {
        let free = megabytes(free);
        return Ok(Some(format!(
            "{what} needs {wanted} MB in {shown}, which has {free} MB free: make the root file system \
             larger, for example with rootflags=size=75% on the kernel command line"
        )));
    }
    let mounts = mounts(host)?;
    let in_memory = mount_of(&mounts, folder)
        .is_some_and(|mount| ["tmpfs", "ramfs", "rootfs"].contains(&mount.kind.as_str()));
    let available = Memory::read(host)?.available.filter(|_| in_memory);
    let usable = available.map(|available| available.saturating_sub(MEMORY_KEPT));
    Ok(usable.filter(|usable| *usable < needed).map(|usable| {
        let usable = megabytes(usable);
        format!(
            "{what} needs {wanted} MB in {shown}, which is in memory, and only {usable} MB of \
             memory are available: use a board with more memory"
        )
    }))
}

/// Bytes in megabytes (1,000,000 bytes), for messages.
pub fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}

#[cfg(test)]
mod tests;
