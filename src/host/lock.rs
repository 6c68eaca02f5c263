//! The agent lock. On a node only one process can hold it: `k3s agent`, or a muster process that
//! will become `k3s agent`.
//!
//! The lock is a POSIX record lock, because such a lock belongs to a process: k3s keeps the lock
//! after exec, and the children of k3s do not inherit it. An flock belongs to an open file: the
//! container shims would inherit it and hold it after k3s has ended, so that k3s could not be
//! restarted.

use super::Host;
use crate::paths;
use anyhow::{Context, Result, bail};
use log::warn;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

impl Host {
    /// Takes the agent lock. The lock lasts until this process ends, also after exec. Fails when
    /// another process holds the lock. If the lock file cannot be opened, there is only a warning.
    /// In a dry run this does nothing.
    pub fn lock_agent(&self) -> Result<()> {
        if self.plans() || self.agent_lock.get().is_some() {
            return Ok(());
        }
        let file = match self.open_lock() {
            Ok(file) => file,
            Err(error) => {
                // /run may be full. k3s must start nevertheless, so this is only a warning.
                warn!("{error:#}; without the lock, a second muster on this node is not noticed");
                return Ok(());
            }
        };
        match fcntl(&file, FcntlArg::F_SETLK(&whole_file(libc::F_WRLCK))) {
            Ok(_) => {
                self.agent_lock.get_or_init(|| file);
                Ok(())
            }
            Err(Errno::EACCES | Errno::EAGAIN) => {
                let pid = self.agent_pid().unwrap_or_default();
                bail!(
                    "muster or k3s is already running on this node (pid {pid}); to restart k3s, \
                     run: rc-service muster restart"
                )
            }
            Err(error) => Err(error).context(format!("cannot lock {}", paths::LOCK.path)),
        }
    }

    /// The id of another process that holds the lock; `None` when there is no such process.
    pub fn agent_pid(&self) -> Option<i32> {
        let file = File::open(self.path(paths::LOCK.path)).ok()?;
        let mut lock = whole_file(libc::F_WRLCK);
        fcntl(&file, FcntlArg::F_GETLK(&mut lock)).ok()?;
        (lock.l_type != libc::F_UNLCK as libc::c_short).then_some(lock.l_pid)
    }

    /// Sets whether the lock's file stays open when this process becomes another program. If exec
    /// closes the file, the lock ends.
    pub(super) fn keep_lock_over_exec(&self, kept: bool) -> Result<()> {
        let flag = if kept {
            FdFlag::empty()
        } else {
            FdFlag::FD_CLOEXEC
        };
        if let Some(file) = self.agent_lock.get() {
            fcntl(file, FcntlArg::F_SETFD(flag))
                .context("cannot set whether the lock file stays open when k3s starts")?;
        }
        Ok(())
    }

    fn open_lock(&self) -> Result<File> {
        let path = self.path(paths::LOCK.path);
        let open = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false);
            options.mode(paths::LOCK.mode).open(&path)
        };
        open().with_context(|| format!("cannot open {}", paths::LOCK.path))
    }
}

fn whole_file(kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use crate::host::{Host, Mode};
    use std::process::Command;

    /// A record lock does not stop its own process, so this test runs itself again in another
    /// process, which finds the root folder in this variable.
    const ROOT: &str = "MUSTER_LOCK_TEST_ROOT";

    #[test]
    fn a_second_process_does_not_get_the_lock() {
        if let Some(root) = std::env::var_os(ROOT) {
            let host = Host::new(root, Mode::Perform);
            println!("{}", host.lock_agent().unwrap_err());
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        host.lock_agent().unwrap();
        host.lock_agent().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["a_second_process_does_not_get_the_lock", "--nocapture"]);
        let output = command.env(ROOT, root.path()).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        let running = format!("already running on this node (pid {})", std::process::id());
        assert!(printed.contains(&running), "{printed}");
    }

    #[test]
    fn a_dry_run_takes_no_lock() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Plan);
        host.lock_agent().unwrap();
        assert_eq!(host.list("/run/muster"), Vec::<String>::new());
        assert_eq!(host.agent_pid(), None);
    }
}
