//! The prepare step: it makes the machine ready for k3s (a shared root mount, cgroups, kernel
//! modules), and checks whether k3s can run on this machine.
//!
//! Without these checks k3s would fail later, with messages that do not name the cause. The
//! messages of this step name the remedy.

use crate::board::node::Node;
use crate::download::asset::Asset;
use crate::download::target::part_path;
use crate::host::Host;
use crate::host::machine::{self, Memory, Mount, megabytes, mount_of, mounts};
use crate::host::{cgroup, modules};
use crate::settings::{AgentConfig, Settings};
use anyhow::{Result, bail};
use log::warn;
use std::path::Path;

/// The size of the smallest k3s executable among the releases that are in use today (bytes). The
/// fetch step checks the free space again as soon as it knows the real size.
const SMALLEST_K3S: u64 = 65_000_000;
/// The memory that k3s's documentation requires for an agent (bytes).
const AGENT_MEMORY: u64 = 512_000_000;

/// Whether the machine whose files [`run`] reads is the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    /// It is: the step judges whether k3s can run on it.
    Here,
    /// It is not. The plan of another board has its overlay only, which does not tell what memory,
    /// space, file systems and interfaces the board will have.
    Elsewhere,
}

/// Prepares the machine. If there are [`problems`], fails with one message that contains all of
/// them, so that the operator can solve them all before the next boot. A dry run does not fail, but
/// logs each problem as a warning.
pub fn run(
    host: &Host,
    settings: &Settings,
    config: &AgentConfig,
    node: &Node,
    board: Board,
) -> Result<()> {
    let mounts = mounts(host)?;
    if !mount_of(&mounts, Path::new("/")).is_some_and(|root| root.shared) {
        host.make_shared("/")?;
    }
    cgroup::mount(host, &mounts)?;
    let problems = match board {
        Board::Here => problems(host, settings, config)?,
        Board::Elsewhere => Vec::new(),
    };
    if !problems.is_empty() && !host.plans() {
        bail!(problems.join("; "));
    }
    for problem in problems {
        // A dry run continues, so that its reader sees the rest of the plan.
        warn!("a boot would stop here: {problem}");
    }
    cgroup::enable_controllers(host)?;
    modules::load(host)?;
    if board == Board::Elsewhere {
        return Ok(());
    }
    for warning in warnings(host, config, node)? {
        warn!("{warning}");
    }
    host.set_result("k3s can run on this machine".into());
    Ok(())
}

/// Returns one message for each thing that does not prevent k3s from running but that the operator
/// should know.
fn warnings(host: &Host, config: &AgentConfig, node: &Node) -> Result<Vec<String>> {
    let memory = Memory::read(host)?.total.and_then(memory_warning);
    let found = [memory, config.other_interface(host, node)?];
    Ok(found.into_iter().flatten().collect())
}

/// Returns a message when a board with this memory (bytes) has less than an agent requires; `None`
/// when it has enough.
pub fn memory_warning(total: u64) -> Option<String> {
    (total < AGENT_MEMORY).then(|| {
        format!(
            "this board has {} MB of memory; k3s's documentation requires at least 512 MB",
            megabytes(total)
        )
    })
}

/// Returns one message, with the remedy, for each problem that prevents k3s from running on this
/// machine. A cgroup file system that is not mounted yet is not a problem, because [`run`] mounts
/// it.
fn problems(host: &Host, settings: &Settings, config: &AgentConfig) -> Result<Vec<String>> {
    let mounts = mounts(host)?;
    let found = [
        file_system_problem(&mounts, config),
        cgroup::problem(host, &mounts)?,
        config.interface_problem(host),
        space_problem(host, settings)?,
    ];
    Ok(found.into_iter().flatten().collect())
}

/// Returns a message when k3s cannot run on the file system of `/` or of its data folder; `None`
/// when k3s can run.
pub fn file_system_problem(mounts: &[Mount], config: &AgentConfig) -> Option<String> {
    let root = mount_of(mounts, Path::new("/"))?;
    if ["rootfs", "ramfs"].contains(&root.kind.as_str()) {
        return Some(format!(
            "/ is a file system of type {}, where no container can start (pivot_root fails): use \
             an initramfs that changes to a tmpfs (switch_root), as the initramfs of Alpine does",
            root.kind
        ));
    }
    if !unpacks_to_overlays(config) {
        return None;
    }
    let folder = config.data_dir();
    let data = mount_of(mounts, Path::new(folder))?;
    let kind = data.kind.as_str();
    (kind == "overlay" || kind.starts_with("nfs")).then(|| {
        format!(
            "{folder} is on a file system of type {kind}, where containerd cannot unpack images: \
             mount a tmpfs on {folder} in /etc/fstab, or write the line \
             `snapshotter: fuse-overlayfs` into k3s's configuration file"
        )
    })
}

/// Whether k3s mounts overlays in its data folder. The containerd of k3s does so with the
/// snapshotters `overlayfs`, which is the default, and `stargz`.
fn unpacks_to_overlays(config: &AgentConfig) -> bool {
    let has_other_runtime = config.get("container-runtime-endpoint").is_some()
        || config.get("docker").is_some_and(|value| value == "true");
    let snapshotter = config.get("snapshotter").unwrap_or("overlayfs");
    !has_other_runtime && !["native", "fuse-overlayfs"].contains(&snapshotter)
}

/// Returns a message when there is too little space to download k3s; `None` when there is enough
/// space, or when k3s is in the image or installed already.
pub fn space_problem(host: &Host, settings: &Settings) -> Result<Option<String>> {
    if settings.skip_download || host.metadata(settings.bin_dir.join("k3s")).is_some() {
        return Ok(None);
    }
    // The fetch step resumes the partial file of an earlier run, so space is needed only for the
    // bytes that this file does not have yet.
    let downloaded = host
        .metadata(part_path(&settings.bin_dir.join("k3s")))
        .map_or(0, |meta| meta.len());
    machine::no_room(
        host,
        &settings.bin_dir,
        Asset::K3s.need(SMALLEST_K3S, downloaded),
    )
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the files that a kernel would"
)]
mod tests;
