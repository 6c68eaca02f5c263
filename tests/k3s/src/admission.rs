//! Limits the requests of agents as k3s does: 20 that read and 10 that write at the same time.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const READING: usize = 20;
const MUTATING: usize = 10;

/// Counts the requests in progress.
#[derive(Default)]
pub struct Admission {
    reading: AtomicUsize,
    mutating: AtomicUsize,
    /// The most requests that wrote at the same time.
    most: Mutex<usize>,
}

impl Admission {
    /// Takes a slot, which is freed when it is dropped. Returns `None` if no slot is free.
    pub fn enter(&self, method: &str) -> Option<Slot<'_>> {
        let (count, limit) = match method {
            "GET" | "HEAD" => (&self.reading, READING),
            _ => (&self.mutating, MUTATING),
        };
        let one_more = |now| (now < limit).then_some(now + 1);
        let admitted = count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more);
        admitted.is_ok().then(|| Slot(count))
    }

    /// Writes to `file` how many requests that write were admitted at the same time at most.
    pub fn record(&self, file: &Path) -> io::Result<()> {
        let mut most = self.most.lock().expect("no thread panics with this lock");
        let now = self.mutating.load(Ordering::SeqCst);
        if now > *most {
            *most = now;
            fs::write(file, format!("{now}\n"))?;
        }
        Ok(())
    }
}

/// One admitted request.
pub struct Slot<'a>(&'a AtomicUsize);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_20_readers_and_10_writers_and_reuses_slots() {
        let admission = Admission::default();
        let mut readers: Vec<_> = (0..20).filter_map(|_| admission.enter("GET")).collect();
        let writers: Vec<_> = (0..20).filter_map(|_| admission.enter("POST")).collect();
        assert_eq!((readers.len(), writers.len()), (20, 10));
        assert!(admission.enter("GET").is_none());
        readers.pop();
        assert!(admission.enter("GET").is_some());
    }
}
