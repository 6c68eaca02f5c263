//! Appends a body to a partial file: receiving, writing and hashing.
//!
//! One thread receives, decrypts and writes. On a board with more than two CPUs another one hashes:
//! without SHA instructions, hashing takes longer than all the rest.

use super::part::PartialFile;
use crate::digest::Hasher;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::mem;
use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

/// The size of a buffer (bytes).
const BUFFER: usize = 64 * 1024;
/// The largest number of buffers. When all buffers hold bytes that are not hashed yet,
/// receiving waits.
const BUFFERS: usize = 8;

/// Appends to a partial file. Dropping an `Appender` waits until all appended bytes are hashed, so
/// that the partial file's hasher then covers all bytes in the file.
pub struct Appender<'a> {
    part: &'a mut PartialFile,
    buffer: Vec<u8>,
    /// The thread that hashes; `None` when the calling thread also hashes.
    hash_thread: Option<HashThread>,
}

impl Appender<'_> {
    /// Prepares to append to `part`.
    pub fn new(part: &mut PartialFile) -> Appender<'_> {
        let cpus = thread::available_parallelism().map_or(1, NonZero::get);
        Appender::for_cpus(part, cpus)
    }

    fn for_cpus(part: &mut PartialFile, cpus: usize) -> Appender<'_> {
        let hash_thread = match cpus {
            // On two CPUs, another thread was slower (docs/performance.md).
            0..=2 => None,
            // If the hash thread cannot be started, the calling thread hashes.
            _ => HashThread::start(part.hasher.clone()).ok(),
        };
        Appender {
            part,
            buffer: vec![0; BUFFER],
            hash_thread,
        }
    }

    /// The length of the partial file (bytes). It includes all bytes that were appended so far.
    pub fn len(&self) -> u64 {
        self.part.len()
    }

    /// Reads the next bytes of `body` into the buffer, for [`Appender::append`]. Returns how many
    /// bytes were read; 0 means that the body has ended.
    pub fn receive(&mut self, body: &mut impl Read) -> io::Result<usize> {
        body.read(&mut self.buffer)
    }

    /// Appends the first `n` bytes of the buffer that [`Appender::receive`] filled.
    pub fn append(&mut self, n: usize) -> io::Result<()> {
        match &mut self.hash_thread {
            None => self.part.write(&self.buffer[..n]),
            Some(thread) => {
                self.part.write_unhashed(&self.buffer[..n])?;
                thread.exchange(&mut self.buffer, n);
                Ok(())
            }
        }
    }
}

impl Drop for Appender<'_> {
    fn drop(&mut self) {
        if let Some(thread) = self.hash_thread.take() {
            self.part.hasher = thread.finish();
        }
    }
}

/// A thread that hashes buffers in the order in which it gets them, and returns each buffer, so
/// that it is used again.
struct HashThread {
    shared: Arc<Shared>,
    thread: JoinHandle<Hasher>,
    /// The number of buffers that were allocated.
    buffers: usize,
}

/// What the calling thread and the hash thread share. (std's channels would also work, but they add
/// 11 KB to the program.)
#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Signals that the queue has changed. The hash thread waits when there is nothing to hash, and
    /// the calling thread waits when there is no free buffer, so at most one thread waits.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// The buffers to hash, each with the number of bytes to hash.
    full: VecDeque<(Vec<u8>, usize)>,
    /// The buffers that were hashed and can be used again.
    free: Vec<Vec<u8>>,
    /// Whether the calling thread has added its last buffer.
    ended: bool,
}

/// Why taking the lock cannot fail: a lock fails only when a thread panicked while holding it.
const NO_PANIC: &str = "no thread panics while it holds the lock";

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect(NO_PANIC)
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        self.changed.wait(queue).expect(NO_PANIC)
    }

    /// Hashes the buffers that are added to the queue, until `ended` is set. Returns the hasher.
    fn hash(&self, mut hasher: Hasher) -> Hasher {
        let mut queue = self.lock();
        loop {
            match queue.full.pop_front() {
                Some((buffer, n)) => {
                    drop(queue);
                    hasher.update(&buffer[..n]);
                    queue = self.lock();
                    queue.free.push(buffer);
                    self.changed.notify_one();
                }
                None if queue.ended => return hasher,
                None => queue = self.wait(queue),
            }
        }
    }
}

impl HashThread {
    fn start(hasher: Hasher) -> io::Result<HashThread> {
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        let thread = thread::Builder::new()
            .name("hash".into())
            .spawn(move || own.hash(hasher))?;
        Ok(HashThread {
            shared,
            thread,
            buffers: 1,
        })
    }

    /// Queues `buffer`, so that its first `n` bytes are hashed, and puts a free buffer in its
    /// place. Waits when no buffer is free.
    fn exchange(&mut self, buffer: &mut Vec<u8>, n: usize) {
        let mut queue = self.shared.lock();
        queue.full.push_back((mem::take(buffer), n));
        self.shared.changed.notify_one();
        while queue.free.is_empty() && self.buffers == BUFFERS {
            queue = self.shared.wait(queue);
        }
        *buffer = queue.free.pop().unwrap_or_else(|| {
            self.buffers += 1;
            vec![0; BUFFER]
        });
    }

    /// Waits until all queued bytes are hashed. Returns the hasher.
    fn finish(self) -> Hasher {
        self.shared.lock().ended = true;
        self.shared.changed.notify_one();
        self.thread.join().expect("hashing does not panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;
    use crate::download::target;
    use crate::host::{Host, Mode};
    use std::path::Path;

    #[test]
    fn with_few_and_many_cpus_the_file_and_its_digest_are_those_of_the_body() {
        let body: Vec<u8> = (0..40 * BUFFER).map(|i| (i / 7) as u8).collect();
        for cpus in [1, 2, 4] {
            let root = tempfile::tempdir().unwrap();
            let host = Host::new(root.path(), Mode::Perform);
            let path = Path::new("/bin/k3s");
            let mut part = PartialFile::open(&host, path, Sha256::of(&body)).unwrap();
            let mut rest = body.as_slice();
            // Each round is an attempt that ends early, and the next one appends to its bytes.
            for _attempt in 0..4 {
                let mut appender = Appender::for_cpus(&mut part, cpus);
                assert_eq!(appender.hash_thread.is_some(), cpus > 2);
                for _read in 0..10 {
                    let n = appender.receive(&mut rest).unwrap();
                    appender.append(n).unwrap();
                }
            }
            assert_eq!((part.len(), rest.len()), (body.len() as u64, 0));
            assert!(part.is_complete());
            part.install().unwrap();
            let installed = target::installed(&host, path).unwrap();
            assert_eq!(installed, Some(Sha256::of(&body)));
        }
    }

    /// There are more pieces than buffers, so each buffer is used again.
    #[test]
    fn the_hash_thread_hashes_each_piece_once_and_in_order() {
        let pieces: Vec<Vec<u8>> = (1..200_u8).map(|i| vec![i; i as usize * 10]).collect();
        let mut thread = HashThread::start(Hasher::new()).unwrap();
        let mut buffer = vec![0; BUFFER];
        for piece in &pieces {
            buffer[..piece.len()].copy_from_slice(piece);
            thread.exchange(&mut buffer, piece.len());
            assert_eq!(buffer.len(), BUFFER);
        }
        assert!(thread.buffers <= BUFFERS);
        assert_eq!(thread.finish().finish(), Sha256::of(&pieces.concat()));
    }
}
