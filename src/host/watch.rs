//! Watches the files in which the operator may correct the cause of a failure, and ends a wait when
//! one of them changes.

use super::Host;
use anyhow::{Result, bail};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// The interval at which the watched files are checked for a change.
const POLL: Duration = Duration::from_secs(1);

/// Paths of files, each with its state: a text that changes when the file is written or replaced.
pub type FileStates = BTreeMap<String, String>;

/// The files that a [`Host`] watches, with their states from when the watch began.
#[derive(Default)]
pub(super) struct Watch(RefCell<FileStates>);

impl Host {
    /// Watches these files from now on. This must be called before the files are read, so that a
    /// change after the reading is noticed in every case.
    pub fn watch(&self, files: &[String]) {
        let mut watched = self.watch.0.borrow_mut();
        for file in files {
            watched
                .entry(file.clone())
                .or_insert_with(|| state(self, file));
        }
    }

    /// Ends the watch, and returns its files with their states from when the watch began.
    pub fn end_watch(&self) -> FileStates {
        self.watch.0.take()
    }

    /// Sleeps like [`Host::sleep`]. Fails as soon as a watched file has changed, because the
    /// running boot uses what was in the file before.
    pub fn wait(&self, time: Duration) -> Result<()> {
        let mut left = time;
        loop {
            if changed_file(self, &self.watch.0.borrow()).is_some() {
                bail!("stopped waiting");
            }
            if left.is_zero() {
                return Ok(());
            }
            let part = left.min(POLL);
            self.sleep(part);
            left -= part;
        }
    }
}

/// The first of `files` whose state has changed; `None` when all are unchanged.
pub fn changed_file<'a>(host: &Host, files: &'a FileStates) -> Option<&'a str> {
    let changed = |(file, then): &(&String, &String)| state(host, file) != **then;
    files.iter().find(changed).map(|(file, _)| file.as_str())
}

/// The inode number, size and change time of a file.
fn state(host: &Host, file: &str) -> String {
    host.metadata(file).map_or("absent".into(), |meta| {
        let (seconds, nanoseconds) = (meta.ctime(), meta.ctime_nsec());
        format!("{} {} {seconds}.{nanoseconds:09}", meta.ino(), meta.len())
    })
}

#[cfg(test)]
mod tests {
    use crate::host::{Host, Mode};
    use std::fs;
    use std::time::Duration;

    #[test]
    fn a_wait_ends_when_a_watched_file_changes() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        let hour = Duration::from_secs(3600);
        fs::write(root.path().join("token"), "a").unwrap();
        for (file, text) in [("token", "b"), ("absent", "")] {
            host.watch(&["/token".into(), "/absent".into()]);
            host.wait(Duration::from_millis(1)).unwrap();
            fs::write(root.path().join(file), text).unwrap();
            // Watching the file again keeps its state from the first call.
            host.watch(&[format!("/{file}")]);
            assert!(host.wait(hour).is_err());
            host.end_watch();
            host.wait(Duration::from_millis(1)).unwrap();
        }
    }
}
