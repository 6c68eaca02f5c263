//! Checks and prepares cgroup v2, which k3s's kubelet and containerd need.

use super::Host;
use super::machine::{Mount, mount_of};
use anyhow::Result;
use std::path::Path;

/// The cgroup controllers that k3s and its kubelet need to start (k3s, `pkg/cgroups`; the kubelet
/// checks for pids itself).
const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];
/// Where cgroup v2 is mounted.
const CGROUP: &str = "/sys/fs/cgroup";
/// The file that lists the controllers of the kernel, separated by spaces (Linux, cgroup-v2).
pub const CONTROLLERS_FILE: &str = "/sys/fs/cgroup/cgroup.controllers";
/// The file that lists the controllers that are enabled for the cgroups directly below the root
/// cgroup. A write to the file enables further controllers.
const SUBTREE_FILE: &str = "/sys/fs/cgroup/cgroup.subtree_control";

/// Mounts cgroup v2 at `CGROUP`, unless something is mounted there. `mounts` are the current
/// mounts.
pub fn mount(host: &Host, mounts: &[Mount]) -> Result<()> {
    match cgroup_mount(mounts) {
        Some(_) => Ok(()),
        None => host.mount("cgroup2", CGROUP, "cgroup2"),
    }
}

/// Returns a message, with the remedy, when k3s cannot use the cgroups of this machine; `None` when
/// it can. It is not a problem when no cgroup file system is mounted yet.
pub fn problem(host: &Host, mounts: &[Mount]) -> Result<Option<String>> {
    Ok(match cgroup_mount(mounts) {
        Some(mount) if mount.kind != "cgroup2" => Some(format!(
            "{CGROUP} has the type {}, and k3s needs cgroup v2: set rc_cgroup_mode=\"unified\" in \
             the image's /etc/rc.conf",
            mount.kind
        )),
        _ => match host.read(CONTROLLERS_FILE)? {
            Some(available) => controller_problem(
                &String::from_utf8_lossy(&available),
                &host.read_text("/proc/cmdline")?,
            ),
            None => None,
        },
    })
}

/// Whether a file system of any type is mounted at `CGROUP`.
pub fn is_mounted(mounts: &[Mount]) -> bool {
    cgroup_mount(mounts).is_some()
}

/// The mount at [`CGROUP`], of whatever type; `None` when nothing is mounted there.
fn cgroup_mount(mounts: &[Mount]) -> Option<&Mount> {
    mount_of(mounts, Path::new(CGROUP)).filter(|mount| mount.point == Path::new(CGROUP))
}

/// Enables the controllers in [`CONTROLLERS`] for the cgroups directly below the root cgroup.
pub fn enable_controllers(host: &Host) -> Result<()> {
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

/// Returns a message when the kernel lacks controllers. The message names these controllers and the
/// remedy. Returns `None` when no controller is missing. `available` is the text of
/// [`CONTROLLERS_FILE`], and `cmdline` is the kernel command line.
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
             cgroup_memory=1 cgroup_enable=memory there"
        ),
        (Some(word), false) => {
            format!("remove {word} from the kernel command line (cmdline.txt)")
        }
        (None, true) => "add cgroup_memory=1 cgroup_enable=memory to the kernel command line \
                         (cmdline.txt)"
            .into(),
        (None, false) => "use an image whose kernel has each of these controllers".into(),
    };
    Some(format!(
        "the kernel has no cgroup controller {names}: {remedy}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_parameter_that_disables_other_controllers_stays() {
        let why = controller_problem("cpu memory pids", "cgroup_disable=pressure").unwrap();
        assert!(why.ends_with("use an image whose kernel has each of these controllers"));
        let why = controller_problem("cpu memory pids", "cpuset cgroup_disable=cpuset").unwrap();
        assert!(
            why.ends_with(
                "remove cgroup_disable=cpuset from the kernel command line (cmdline.txt)"
            )
        );
    }

    #[test]
    fn only_a_mount_at_the_folder_itself_counts() {
        let on = |point: &str| {
            let text = format!("22 1 0:21 / {point} rw - tmpfs x rw\n");
            is_mounted(&crate::host::machine::parse_mounts(&text))
        };
        assert!(on("/sys/fs/cgroup"));
        assert!(!on("/sys") && !on("/sys/fs/cgroup/unified"));
    }
}
