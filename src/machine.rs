//! What the kernel tells of the machine: mounts, memory, and the room that both leave.

use crate::host::Host;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// One mount, as `/proc/self/mountinfo` has it (proc_pid_mountinfo(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub point: PathBuf,
    pub kind: String,
    pub shared: bool,
}

/// All mounts, in the order in which they were made.
pub fn mounts(host: &Host) -> Result<Vec<Mount>> {
    Ok(parse_mounts(&host.read_text("/proc/self/mountinfo")?))
}

/// Reads a mountinfo; lines that are none are passed over.
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

/// The mount that holds `path`: the last one, since mounts stack, of those with the longest mount point.
pub fn holder<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.as_os_str().len())
}

/// What `/proc/meminfo` says (bytes).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub total: Option<u64>,
    pub available: Option<u64>,
}

impl Memory {
    pub fn read(host: &Host) -> Result<Memory> {
        Ok(Memory::parse(&host.read_text("/proc/meminfo")?))
    }

    fn parse(text: &str) -> Memory {
        let field = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            // The file says kB and means KiB.
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

/// What a download must leave free of memory (bytes): the rest of the boot happens in it.
const MEMORY_KEPT: u64 = 16 << 20;

/// Refuses to write `needed` bytes into `folder` where there is no room for them: on its file system, and in the memory that a
/// RAM root is made of. The text is the remedy's; `None` is room.
pub fn no_room(host: &Host, folder: &Path, needed: u64) -> Result<Option<String>> {
    let (shown, wanted) = (folder.display(), megabytes(needed));
    let free = host.free_space(folder)?;
    if free < needed {
        let free = megabytes(free);
        return Ok(Some(format!(
            "k3s needs {wanted} MB in {shown}, which has {free} MB free: give the root more, such as rootflags=size=75% on the kernel command line"
        )));
    }
    let mounts = mounts(host)?;
    let in_memory = holder(&mounts, folder)
        .is_some_and(|mount| ["tmpfs", "ramfs", "rootfs"].contains(&mount.kind.as_str()));
    let available = Memory::read(host)?.available.filter(|_| in_memory);
    Ok(available.map(|available| available.saturating_sub(MEMORY_KEPT)).filter(|available| *available < needed).map(|available| {
        let available = megabytes(available);
        format!("k3s needs {wanted} MB in {shown}, which is memory, and {available} MB of that are available: this board is too small")
    }))
}

/// Bytes as the megabytes that messages show.
pub fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo() {
        let mounts = parse_mounts(
            "22 1 0:21 / / rw,relatime shared:1 - tmpfs tmpfs rw\n\
             garbage\n\
             24 22 0:23 / /var/lib/rancher rw master:2 - nfs4 10.0.0.1:/x rw\n\
             25 22 0:24 / / rw - overlay overlay rw\n",
        );
        assert_eq!(
            mounts[0],
            Mount {
                point: "/".into(),
                kind: "tmpfs".into(),
                shared: true
            }
        );
        assert!(!mounts[1].shared);
        assert_eq!(holder(&mounts, Path::new("/etc")).unwrap().kind, "overlay");
        assert_eq!(
            holder(&mounts, Path::new("/var/lib/rancher/k3s"))
                .unwrap()
                .kind,
            "nfs4"
        );
        assert_eq!(
            holder(&mounts, Path::new("/var/lib/rancher2"))
                .unwrap()
                .kind,
            "overlay"
        );
    }

    #[test]
    fn meminfo() {
        let memory =
            Memory::parse("MemTotal:        2048 kB\nMemFree: 1 kB\nMemAvailable:    1024 kB\n");
        assert_eq!(
            memory,
            Memory {
                total: Some(2 << 20),
                available: Some(1 << 20)
            }
        );
        assert_eq!(Memory::parse("garbage"), Memory::default());
    }
}
