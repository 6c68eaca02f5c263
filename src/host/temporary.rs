//! Names temporary files. Each name contains the process id, so that two processes never write to
//! the same file.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Returns a path for a temporary file beside `name` in `folder`. The path contains the process id,
/// so no other process uses it. Removes older temporary files for the same `name`, except those of
/// other processes that still run.
pub(super) fn temporary(folder: &Path, name: &str) -> io::Result<PathBuf> {
    let own = std::process::id();
    for entry in fs::read_dir(folder)?.flatten() {
        let file = entry.file_name();
        let pid = file.to_string_lossy();
        let pid = pid.strip_prefix(&format!(".{name}."));
        let pid = pid.and_then(|rest| rest.strip_suffix(".muster"));
        let Some(pid) = pid.and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        if pid == own || !Path::new("/proc").join(pid.to_string()).exists() {
            remove_if_exists(&entry.path())?;
        }
    }
    Ok(folder.join(format!(".{name}.{own}.muster")))
}

/// Removes a file. Succeeds also when the file does not exist.
pub(super) fn remove_if_exists(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use crate::host::files::Content;
    use crate::host::{Host, Mode};
    use crate::paths::NodeFile;
    use std::fs;

    #[test]
    fn what_a_killed_run_left_is_removed_and_a_running_ones_file_stays() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        fs::create_dir_all(host.path("/etc")).unwrap();
        // No process has the id 4194305 (Linux, PID_MAX_LIMIT), and process 1 always runs.
        for pid in [4_194_305, 1] {
            fs::write(host.path(format!("/etc/.example.{pid}.muster")), "").unwrap();
        }
        let file = NodeFile {
            path: "/etc/example",
            mode: 0o644,
        };
        host.ensure_file(file, Content::Public("one")).unwrap();
        assert_eq!(host.list("/etc"), [".example.1.muster", "example"]);
    }

    #[test]
    fn a_file_that_does_not_exist_is_removed_and_a_folder_is_not() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        fs::create_dir(host.path("/etc")).unwrap();
        host.remove("/none").unwrap();
        assert!(host.remove("/etc").is_err());
        assert!(host.digest("/etc").is_err());
        assert_eq!(host.digest("/none").unwrap(), None);
    }
}
