//! What k3s needs of the machine: a root it can start containers on, cgroups, modules, room. Most of it fails late and cryptically
//! inside k3s; here it is said first, with the remedy.

use crate::host::Host;
use crate::host::machine::{self, Memory, Mount, holder, megabytes, mounts};
use crate::paths;
use crate::settings::Settings;
use anyhow::{Result, bail};
use log::warn;
use std::path::{Path, PathBuf};

/// The controllers without which k3s or its kubelet will not start (k3s pkg/cgroups, kubelet's own check for pids).
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];
/// What k3s wants of modules, and vxlan, which flannel needs and k3s does not load.
const MODULES: [&str; 4] = ["overlay", "br_netfilter", "nf_conntrack", "vxlan"];
/// The smallest k3s of the releases in use (bytes); they have 65 to 81 MB. The fetch step knows the real size and asks again.
const SMALLEST_K3S: u64 = 65_000_000;
/// Below this much memory (bytes) k3s's documentation does not promise that an agent runs.
const AGENT_MEMORY: u64 = 512_000_000;
const CGROUP: &str = "/sys/fs/cgroup";
const CONTROLLERS_FILE: &str = "/sys/fs/cgroup/cgroup.controllers";
const SUBTREE_FILE: &str = "/sys/fs/cgroup/cgroup.subtree_control";

/// Prepares the machine, or says what in the image or on the kernel command line must change.
pub fn run(host: &Host, settings: &Settings) -> Result<()> {
    let mounts = mounts(host)?;
    if !holder(&mounts, Path::new("/")).is_some_and(|root| root.shared) {
        host.make_shared("/")?;
    }
    if cgroup_mount(&mounts).is_none() {
        host.mount("cgroup2", CGROUP, "cgroup2")?;
    }
    for why in obstacles(host, settings)? {
        if !host.plans() {
            bail!(why);
        }
        // A plan goes on, so that its reader sees the rest.
        warn!("a boot would stop here: {why}");
    }
    controllers(host)?;
    modules(host)?;
    let memory = Memory::read(host)?;
    if let Some(total) = memory.total.filter(|total| *total < AGENT_MEMORY) {
        warn!(
            "this board has {} MB of memory; k3s's documentation asks for 512 MB at least",
            megabytes(total)
        );
    }
    Ok(())
}

/// What k3s cannot run with, each with its remedy; none on a machine that is fit.
pub fn obstacles(host: &Host, settings: &Settings) -> Result<Vec<String>> {
    let mounts = mounts(host)?;
    let cgroup = match cgroup_mount(&mounts) {
        Some(mount) if mount.kind != "cgroup2" => Some(format!(
            "{CGROUP} is {}, not cgroup v2: set rc_cgroup_mode=\"unified\" in the image's /etc/rc.conf",
            mount.kind
        )),
        _ => match host.read(CONTROLLERS_FILE)? {
            Some(there) => missing_controllers(
                &String::from_utf8_lossy(&there),
                &host.read_text("/proc/cmdline")?,
            ),
            // Not mounted yet: nothing to tell.
            None => None,
        },
    };
    let found = [
        unfit(&mounts, &data_dir(settings)),
        cgroup,
        no_room(host, settings)?,
    ];
    Ok(found.into_iter().flatten().collect())
}

fn data_dir(settings: &Settings) -> PathBuf {
    let given = settings
        .for_k3s
        .iter()
        .find(|variable| variable.name == "K3S_DATA_DIR");
    PathBuf::from(given.map_or(paths::DATA_DIR, |variable| &variable.value))
}

/// Why k3s cannot run on these file systems, if so.
fn unfit(mounts: &[Mount], data_dir: &Path) -> Option<String> {
    let root = holder(mounts, Path::new("/"))?;
    if ["rootfs", "ramfs"].contains(&root.kind.as_str()) {
        return Some(format!(
            "/ is a {}, on which no container starts (pivot_root fails): have the initramfs switch_root to a tmpfs, as Alpine's does",
            root.kind
        ));
    }
    let data = holder(mounts, data_dir)?;
    let kind = data.kind.as_str();
    (kind == "overlay" || kind.starts_with("nfs")).then(|| {
        let folder = data_dir.display();
        format!(
            "{folder} is on {kind}, on which containerd cannot unpack images: mount a tmpfs on {folder} in /etc/fstab"
        )
    })
}

fn cgroup_mount(mounts: &[Mount]) -> Option<&Mount> {
    holder(mounts, Path::new(CGROUP)).filter(|mount| mount.point == Path::new(CGROUP))
}

/// Hands the controllers that k3s needs down from the root cgroup.
fn controllers(host: &Host) -> Result<()> {
    let enabled = host.read_text(SUBTREE_FILE)?;
    let absent: Vec<String> = CONTROLLERS
        .iter()
        .filter(|name| !has_word(&enabled, name))
        .map(|name| format!("+{name}"))
        .collect();
    if absent.is_empty() {
        Ok(())
    } else {
        host.write_kernel_file(SUBTREE_FILE, &absent.join(" "))
    }
}

fn has_word(text: &str, word: &str) -> bool {
    text.split_whitespace().any(|there| there == word)
}

/// Which controllers the kernel does not offer, and the kernel parameters that bring them.
fn missing_controllers(there: &str, cmdline: &str) -> Option<String> {
    let missing: Vec<&str> = CONTROLLERS
        .into_iter()
        .filter(|name| !has_word(there, name))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let names = missing.join(", ");
    let disabled = cmdline.split_whitespace().find(|word| {
        word.starts_with("cgroup_disable=") && missing.iter().any(|name| word.contains(name))
    });
    Some(match (disabled, missing.contains(&"memory")) {
        (Some(word), true) => format!(
            "the kernel offers no {names} cgroup: take {word} off the kernel command line, and put cgroup_memory=1 cgroup_enable=memory on it (cmdline.txt)"
        ),
        (Some(word), false) => {
            format!("the kernel offers no {names} cgroup: take {word} off the kernel command line")
        }
        (None, true) => format!(
            "the kernel offers no {names} cgroup: put cgroup_memory=1 cgroup_enable=memory on the kernel command line (cmdline.txt)"
        ),
        (None, false) => {
            format!(
                "the kernel offers no {names} cgroup: it was built without; take another kernel into the image"
            )
        }
    })
}

/// Loads modules that are not there. k3s can do without some of them, so a failure is a warning.
fn modules(host: &Host) -> Result<()> {
    let release = host.read_text("/proc/sys/kernel/osrelease")?;
    let builtin = host.read_text(format!("/lib/modules/{}/modules.builtin", release.trim()))?;
    let is_there = |module: &&str| {
        let file = format!("/{module}.ko");
        host.metadata(format!("/sys/module/{module}")).is_some()
            || builtin
                .lines()
                .any(|line| line.replace('-', "_").ends_with(&file))
    };
    let missing: Vec<&str> = MODULES
        .into_iter()
        .filter(|module| !is_there(module))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let argv = [&["modprobe", "-a"], missing.as_slice()].concat();
    if let Err(error) = host.run(&argv) {
        warn!("{error:#}; pods may lack network or storage: is the kernel's modloop in the image?");
    }
    Ok(())
}

/// Whether there is too little room for what the fetch step will bring, before it begins.
fn no_room(host: &Host, settings: &Settings) -> Result<Option<String>> {
    if settings.skip_download || host.metadata(settings.bin_dir.join("k3s")).is_some() {
        return Ok(None);
    }
    // What an earlier run left of the download is room already taken.
    let begun = host
        .metadata(settings.bin_dir.join(".k3s.part"))
        .map_or(0, |meta| meta.len());
    machine::no_room(host, &settings.bin_dir, SMALLEST_K3S.saturating_sub(begun))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::machine::parse_mounts;

    #[test]
    fn unfit_roots_name_the_remedy() {
        let data = Path::new("/var/lib/rancher/k3s");
        let on = |kind: &str| {
            unfit(
                &parse_mounts(&format!("22 1 0:21 / / rw - {kind} x rw\n")),
                data,
            )
        };
        assert_eq!(on("tmpfs"), None);
        assert_eq!(on("ext4"), None);
        assert!(on("rootfs").unwrap().contains("switch_root"));
        assert!(
            on("overlay")
                .unwrap()
                .contains("mount a tmpfs on /var/lib/rancher/k3s")
        );
        let nfs = "22 1 0:21 / / rw - tmpfs x rw\n23 22 0:9 / /var/lib rw - nfs4 x rw\n";
        assert!(unfit(&parse_mounts(nfs), data).unwrap().contains("nfs4"));
        let both =
            "22 1 0:21 / / rw - overlay x rw\n23 22 0:9 / /var/lib/rancher rw - tmpfs x rw\n";
        assert_eq!(unfit(&parse_mounts(both), data), None);
    }

    #[test]
    fn missing_controllers_name_the_kernel_parameter() {
        assert_eq!(missing_controllers("cpuset cpu io memory pids\n", ""), None);
        let why = missing_controllers("cpuset cpu io pids\n", "quiet").unwrap();
        assert!(
            why.contains("cgroup_memory=1 cgroup_enable=memory"),
            "{why}"
        );
        let why =
            missing_controllers("cpuset cpu io pids\n", "quiet cgroup_disable=memory").unwrap();
        assert!(
            why.contains("take cgroup_disable=memory off") && why.contains("cgroup_enable=memory"),
            "{why}"
        );
        assert!(
            missing_controllers("cpu memory pids", "")
                .unwrap()
                .contains("no cpuset cgroup")
        );
    }
}
