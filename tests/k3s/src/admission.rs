//! k3s's limit on agents' requests in flight: 20 that read and 10 that write at a time, the others told to come again.

use std::sync::atomic::{AtomicUsize, Ordering};

const READING: usize = 20;
const MUTATING: usize = 10;

#[derive(Default)]
pub struct Admission {
    reading: AtomicUsize,
    mutating: AtomicUsize,
}

impl Admission {
    /// A place, given back when dropped; nothing where all are taken.
    pub fn enter(&self, method: &str) -> Option<Place<'_>> {
        let (count, limit) = match method {
            "GET" | "HEAD" => (&self.reading, READING),
            _ => (&self.mutating, MUTATING),
        };
        let place = Place(count);
        (count.fetch_add(1, Ordering::SeqCst) < limit).then_some(place)
    }
}

pub struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_20_readers_and_10_writers_and_each_place_again() {
        let admission = Admission::default();
        let mut readers: Vec<_> = (0..20).filter_map(|_| admission.enter("GET")).collect();
        let writers: Vec<_> = (0..20).filter_map(|_| admission.enter("POST")).collect();
        assert_eq!((readers.len(), writers.len()), (20, 10));
        assert!(admission.enter("GET").is_none());
        readers.pop();
        assert!(admission.enter("GET").is_some());
    }
}
