//! What keeps test processes on one machine apart: folders for logs, slots for emulated machines, and
//! the removal of namespaces that a killed process left.

use crate::tools::{cache, run};
use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

/// How many sites may have emulated machines at a time, whatever the test processes.
const SLOTS: u32 = 2;

/// An empty folder for the logs of the test that runs on this thread: `logs/<test binary>/<test>` of the cache.
pub(crate) fn log_folder() -> PathBuf {
    static USED: Mutex<Option<HashMap<String, u32>>> = Mutex::new(None);
    let program = std::env::current_exe().expect("this program");
    let program = program.file_stem().expect("its name").to_string_lossy();
    // Cargo puts a hash behind the name of a test binary.
    let program = program.rsplit_once('-').map_or(&*program, |(name, _)| name);
    let thread = std::thread::current();
    let mut name = format!("{program}/{}", thread.name().unwrap_or("main"));
    let mut used = USED.lock().unwrap();
    let count = used.get_or_insert_default().entry(name.clone());
    let count = count.and_modify(|count| *count += 1).or_insert(1);
    if *count > 1 {
        name += &format!("-{count}");
    }
    let folder = cache().join("logs").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).expect("old logs");
    }
    fs::create_dir_all(&folder).expect("a folder for logs");
    folder
}

/// Waits until fewer than [`SLOTS`] other sites on this machine have emulated machines.
pub(crate) fn take_slot() -> File {
    fs::create_dir_all(cache()).expect("the cache");
    loop {
        for slot in 1..=SLOTS {
            let path = cache().join(format!("slot{slot}.lock"));
            let file = File::create(path).expect("a slot");
            match file.try_lock() {
                Ok(()) => return file,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => panic!("a slot: {error}"),
            }
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A test process that was killed leaves its network namespaces, with no process in them.
pub(crate) fn remove_left_namespaces() {
    for line in run(&["ip", "netns", "list"]).lines() {
        let name = line.split(' ').next().unwrap_or_default();
        let Some((pid, _)) = name
            .strip_prefix("mst")
            .and_then(|rest| rest.split_once('s'))
        else {
            continue;
        };
        if !Path::new("/proc").join(pid).exists() {
            let script = "[ -n \"$(ip netns pids \"$0\")\" ] || ip netns del \"$0\"";
            // Another test process may have removed it meanwhile.
            let _ = Command::new("sh").args(["-c", script, name]).output();
        }
    }
}
