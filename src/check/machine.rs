//! Checks the board itself: file systems, cgroups, memory and kernel modules. If something is not
//! ready yet but the prepare step of a boot makes it ready, the result of the check is also `ok`.

use super::report::Report;
use crate::host::machine::{Memory, megabytes, mount_of, mounts};
use crate::host::{Host, cgroup, modules};
use crate::settings::{AgentConfig, Settings};
use crate::steps::prepare;
use anyhow::{Result, ensure};
use std::path::Path;

/// Makes the checks that are possible even when muster's settings cannot be used. In that case,
/// `config` is the default.
pub fn check(report: &mut Report, host: &Host, config: &AgentConfig) {
    if let Err(error) = file_systems(report, host, config) {
        report.all_unknown(&["cgroups", "shared", "root"], &format!("{error:#}"));
    }
    match modules::missing(host) {
        Ok(missing) if missing.is_empty() => {
            report.ok("modules", "the kernel has the modules that k3s needs")
        }
        Ok(missing) => modules(report, host, &missing.join(" ")),
        Err(error) => report.unknown("modules", format_args!("{error:#}")),
    }
    memory(report, host);
    if let Some(problem) = config.interface_problem(host) {
        report.missing("config", problem);
    }
}

fn file_systems(report: &mut Report, host: &Host, config: &AgentConfig) -> Result<()> {
    let mounts = mounts(host)?;
    ensure!(
        !mounts.is_empty(),
        "not checked: /proc/self/mountinfo has no mounts"
    );
    match cgroup::problem(host, &mounts)? {
        Some(problem) => report.missing("cgroups", problem),
        None if cgroup::is_mounted(&mounts) => {
            report.ok("cgroups", "the kernel has the controllers that k3s needs")
        }
        None => report.ok(
            "cgroups",
            "cgroup v2 is not mounted yet; the prepare step of a boot mounts cgroup v2",
        ),
    }
    match mount_of(&mounts, Path::new("/")).is_some_and(|root| root.shared) {
        true => report.ok("shared", "/ is a shared mount"),
        false => report.ok(
            "shared",
            "/ is not a shared mount yet; the prepare step of a boot makes / a shared mount",
        ),
    }
    match prepare::file_system_problem(&mounts, config) {
        Some(problem) => report.missing("root", problem),
        None => report.ok(
            "root",
            "containers can start on the file systems of / and of k3s's data folder",
        ),
    }
    Ok(())
}

/// Reports the kernel modules `missing`, which are not loaded. The prepare step loads them, so this
/// is a warning only when the image has no modules for this kernel.
fn modules(report: &mut Report, host: &Host, missing: &str) {
    let release = host.read_text("/proc/sys/kernel/osrelease");
    let folder = format!("/lib/modules/{}", release.unwrap_or_default().trim());
    match host.metadata(&folder) {
        Some(_) => report.ok(
            "modules",
            format_args!(
                "kernel modules are not loaded yet; the prepare step of a boot loads {missing}"
            ),
        ),
        None => report.warning(
            "modules",
            format_args!(
                "there is no {folder}, so the kernel modules {missing} cannot be loaded: check \
                 that the image has the modloop of this kernel"
            ),
        ),
    }
}

fn memory(report: &mut Report, host: &Host) {
    let memory = Memory::read(host).unwrap_or_default();
    let (Some(total), Some(available)) = (memory.total, memory.available) else {
        return report.unknown(
            "memory",
            "/proc/meminfo does not tell how much memory there is",
        );
    };
    match prepare::memory_warning(total) {
        Some(warning) => report.warning("memory", warning),
        None => report.ok(
            "memory",
            format_args!(
                "{} MB, of which {} MB are available",
                megabytes(total),
                megabytes(available)
            ),
        ),
    }
}

/// Checks the space for the download of k3s.
pub fn space(report: &mut Report, host: &Host, settings: &Settings) {
    match prepare::space_problem(host, settings) {
        Ok(Some(problem)) => report.missing("space", problem),
        Ok(None) => report.ok(
            "space",
            format_args!(
                "there is enough space for k3s in {}",
                settings.bin_dir.display()
            ),
        ),
        Err(error) => report.unknown("space", format_args!("{error:#}")),
    }
}
