//! The prepare step: it makes the machine ready for k3s (a shared root mount, cgroups, kernel
//! modules), and checks what k3s cannot run without.
//!
//! k3s itself would fail later, with messages that do not name the cause. The messages here name
//! the remedy.

use crate::download::target::part_path;
use crate::host::Host;
use crate::host::machine::{self, Memory, Mount, megabytes, mount_of, mounts};
use crate::settings::{AgentConfig, Settings};
use anyhow::{Result, bail};
use log::warn;
use std::path::Path;

/// The cgroup controllers that k3s and its kubelet need to start (k3s, `pkg/cgroups`; the kubelet
/// checks for pids itself).
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];
/// The kernel modules that k3s loads, and vxlan, which flannel needs and k3s does not load.
const MODULES: [&str; 4] = ["overlay", "br_netfilter", "nf_conntrack", "vxlan"];
/// The size of the smallest k3s among the releases in use (bytes); the largest has 81 MB. The fetch
/// step knows the real size and checks the space again.
const SMALLEST_K3S: u64 = 65_000_000;
/// The memory that k3s's documentation requires for an agent (bytes).
const AGENT_MEMORY: u64 = 512_000_000;
/// Where cgroup v2 is mounted.
const CGROUP: &str = "/sys/fs/cgroup";
/// The controllers that the kernel has, separated by spaces (Linux, cgroup-v2).
const CONTROLLERS_FILE: &str = "/sys/fs/cgroup/cgroup.controllers";
/// The controllers that are enabled for the cgroups below the root cgroup.
const SUBTREE_FILE: &str = "/sys/fs/cgroup/cgroup.subtree_control";

/// Prepares the machine. Fails with all [`problems`] at once, so that the operator need not boot once
/// for each of them; a dry run logs them as warnings.
pub fn run(host: &Host, settings: &Settings, config: &AgentConfig) -> Result<()> {
    let mounts = mounts(host)?;
    if !mount_of(&mounts, Path::new("/")).is_some_and(|root| root.shared) {
        host.make_shared("/")?;
    }
    if cgroup_mount(&mounts).is_none() {
        host.mount("cgroup2", CGROUP, "cgroup2")?;
    }
    let problems = problems(host, settings, config)?;
    if !problems.is_empty() && !host.plans() {
        bail!(problems.join("; "));
    }
    for problem in problems {
        // A dry run continues, so that its reader sees the rest of the plan.
        warn!("a boot would stop here: {problem}");
    }
    enable_controllers(host)?;
    load_modules(host)?;
    let memory = Memory::read(host)?;
    if let Some(total) = memory.total.filter(|total| *total < AGENT_MEMORY) {
        warn!(
            "this board has {} MB of memory; k3s's documentation requires at least 512 MB",
            megabytes(total)
        );
    }
    Ok(())
}

/// Returns one message, with the remedy, for each problem that prevents k3s from running on this
/// machine. A cgroup file system that is not mounted yet is not a problem, because [`run`] mounts
/// it.
pub fn problems(host: &Host, settings: &Settings, config: &AgentConfig) -> Result<Vec<String>> {
    let mounts = mounts(host)?;
    let cgroup = match cgroup_mount(&mounts) {
        Some(mount) if mount.kind != "cgroup2" => Some(format!(
            "{CGROUP} is a {}, and k3s needs cgroup v2: set rc_cgroup_mode=\"unified\" in the \
             image's /etc/rc.conf",
            mount.kind
        )),
        _ => match host.read(CONTROLLERS_FILE)? {
            Some(available) => controller_problem(
                &String::from_utf8_lossy(&available),
                &host.read_text("/proc/cmdline")?,
            ),
            None => None,
        },
    };
    let found = [
        file_system_problem(&mounts, Path::new(config.data_dir())),
        cgroup,
        space_problem(host, settings)?,
    ];
    Ok(found.into_iter().flatten().collect())
}

/// Returns a message when k3s cannot run on the file system of `/` or of its data folder; `None`
/// when k3s can run.
fn file_system_problem(mounts: &[Mount], data_dir: &Path) -> Option<String> {
    let root = mount_of(mounts, Path::new("/"))?;
    if ["rootfs", "ramfs"].contains(&root.kind.as_str()) {
        return Some(format!(
            "/ is of type {}, where no container can start (pivot_root fails): use an initramfs \
             that does switch_root to a tmpfs, as Alpine's does",
            root.kind
        ));
    }
    let data = mount_of(mounts, data_dir)?;
    let kind = data.kind.as_str();
    (kind == "overlay" || kind.starts_with("nfs")).then(|| {
        let folder = data_dir.display();
        format!(
            "{folder} is on a file system of type {kind}, where containerd cannot unpack images: \
             mount a tmpfs on {folder} in /etc/fstab"
        )
    })
}

/// The mount at [`CGROUP`], of whatever type; `None` when nothing is mounted there.
fn cgroup_mount(mounts: &[Mount]) -> Option<&Mount> {
    mount_of(mounts, Path::new(CGROUP)).filter(|mount| mount.point == Path::new(CGROUP))
}

/// Enables the controllers in [`CONTROLLERS`] for the cgroups directly below the root cgroup.
fn enable_controllers(host: &Host) -> Result<()> {
    let enabled = host.read_text(SUBTREE_FILE)?;
    let missing: Vec<String> = CONTROLLERS
        .iter()
        .filter(|name| !has_word(&enabled, name))
        .map(|name| format!("+{name}"))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        host.write_kernel_file(SUBTREE_FILE, &missing.join(" "))
    }
}

fn has_word(text: &str, word: &str) -> bool {
    text.split_whitespace().any(|other| other == word)
}

/// Returns a message when the kernel lacks controllers: it names them, and the kernel parameters
/// that enable them. Returns `None` when no controller is missing. `available` is the text of
/// [`CONTROLLERS_FILE`].
fn controller_problem(available: &str, cmdline: &str) -> Option<String> {
    let missing: Vec<&str> = CONTROLLERS
        .into_iter()
        .filter(|name| !has_word(available, name))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let names = missing.join(", ");
    let disabled = cmdline.split_whitespace().find(|word| {
        word.starts_with("cgroup_disable=") && missing.iter().any(|name| word.contains(name))
    });
    let remedy = match (disabled, missing.contains(&"memory")) {
        (Some(word), true) => format!(
            "remove {word} from the kernel command line (cmdline.txt), and add \
             cgroup_memory=1 cgroup_enable=memory"
        ),
        (Some(word), false) => {
            format!("remove {word} from the kernel command line (cmdline.txt)")
        }
        (None, true) => "add cgroup_memory=1 cgroup_enable=memory to the kernel command line \
                         (cmdline.txt)"
            .into(),
        (None, false) => "use a kernel in the image that was built with it".into(),
    };
    Some(format!(
        "the kernel has no cgroup controller {names}: {remedy}"
    ))
}

/// Loads the modules that are neither loaded nor built into the kernel. k3s can run without some of
/// them, so a failure is only a warning.
fn load_modules(host: &Host) -> Result<()> {
    let release = host.read_text("/proc/sys/kernel/osrelease")?;
    let builtin = host.read_text(format!("/lib/modules/{}/modules.builtin", release.trim()))?;
    let is_loaded = |module: &&str| {
        let file = format!("/{module}.ko");
        host.metadata(format!("/sys/module/{module}")).is_some()
            || builtin
                .lines()
                .any(|line| line.replace('-', "_").ends_with(&file))
    };
    let missing: Vec<&str> = MODULES
        .into_iter()
        .filter(|module| !is_loaded(module))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let argv = [&["modprobe", "-a"], missing.as_slice()].concat();
    if let Err(error) = host.run(&argv) {
        warn!(
            "{error:#}; pods may have no network or storage: check that the image has the modloop \
             of this kernel"
        );
    }
    Ok(())
}

/// Returns a message when there is too little space to download k3s; `None` when there is enough
/// space, or when k3s is in the image or installed already.
fn space_problem(host: &Host, settings: &Settings) -> Result<Option<String>> {
    if settings.skip_download || host.metadata(settings.bin_dir.join("k3s")).is_some() {
        return Ok(None);
    }
    // The partial file of an earlier run is resumed, so only the rest needs space.
    let downloaded = host
        .metadata(part_path(&settings.bin_dir.join("k3s")))
        .map_or(0, |meta| meta.len());
    machine::no_room(
        host,
        &settings.bin_dir,
        SMALLEST_K3S.saturating_sub(downloaded),
    )
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a test makes the files that a kernel would"
)]
mod tests {
    use super::*;
    use crate::host::Mode;
    use crate::host::machine::parse_mounts;
    use crate::settings::{self, Sources};
    use std::fs;

    #[test]
    fn an_unsuitable_file_system_is_reported_with_the_remedy() {
        let data = Path::new("/var/lib/rancher/k3s");
        let on = |kind: &str| {
            file_system_problem(
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
        let problem = file_system_problem(&parse_mounts(nfs), data).unwrap();
        assert!(problem.contains("nfs4"), "{problem}");
        let both =
            "22 1 0:21 / / rw - overlay x rw\n23 22 0:9 / /var/lib/rancher rw - tmpfs x rw\n";
        assert_eq!(file_system_problem(&parse_mounts(both), data), None);
    }

    #[test]
    fn a_missing_controller_is_reported_with_the_kernel_parameter() {
        assert_eq!(controller_problem("cpuset cpu io memory pids\n", ""), None);
        let why = controller_problem("cpuset cpu io pids\n", "quiet").unwrap();
        assert!(
            why.contains("cgroup_memory=1 cgroup_enable=memory"),
            "{why}"
        );
        let why =
            controller_problem("cpuset cpu io pids\n", "quiet cgroup_disable=memory").unwrap();
        assert!(
            why.contains("remove cgroup_disable=memory") && why.contains("cgroup_enable=memory"),
            "{why}"
        );
        assert!(
            controller_problem("cpu memory pids", "")
                .unwrap()
                .contains("no cgroup controller cpuset")
        );
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        let mounts = "22 1 0:21 / / rw shared:1 - overlay x rw\n\
                      23 22 0:9 / /sys/fs/cgroup rw shared:2 - cgroup2 x rw\n";
        for (path, text) in [
            ("/proc/self/mountinfo", mounts),
            (CONTROLLERS_FILE, "cpu cpuset pids\n"),
        ] {
            let path = host.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let sources = Sources {
            flags: Vec::new(),
            environment: Vec::new(),
            conf: "/none".into(),
        };
        let settings = settings::load(&host, &sources).unwrap();
        let error = run(&host, &settings, &AgentConfig::default()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("a file system of type overlay"), "{error}");
        assert!(
            error.contains("; the kernel has no cgroup controller memory"),
            "{error}"
        );
    }
}
