//! Limits the requests of agents as k3s does: 20 that read and 10 that write at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};

const READING: usize = 20;
const MUTATING: usize = 10;

/// Counts the requests in progress.
#[derive(Default)]
pub struct Admission {
    reading: AtomicUsize,
    mutating: AtomicUsize,
}

impl Admission {
    /// Takes a slot, which is freed when it is dropped. Returns `None` if no slot is free.
    pub fn enter(&self, method: &str) -> Option<Slot<'_>> {
        let (count, limit) = match method {
            "GET" | "HEAD" => (&self.reading, READING),
            _ => (&self.mutating, MUTATING),
        };
        let slot = Slot(count);
        (count.fetch_add(1, Ordering::SeqCst) < limit).then_some(slot)
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
