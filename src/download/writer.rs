//! Writes and hashes the bytes of a download, on the calling thread or on a second thread.

use crate::digest::Hasher;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

/// The size of a buffer (bytes).
pub(super) const BUFFER: usize = 64 * 1024;
/// The largest number of buffers. When all buffers hold bytes that are not written yet,
/// receiving waits.
pub(super) const BUFFERS: usize = 8;

/// The hash and the length of what is in a partial file.
#[derive(Clone, Default)]
pub(super) struct Written {
    /// The running hash of all bytes in the file.
    pub hasher: Hasher,
    /// The number of bytes in the file.
    pub len: u64,
}

impl Written {
    /// Appends bytes to the file: writes and hashes them in one pass.
    pub fn append(&mut self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }
}

/// Appends to a partial file on another thread.
pub(super) struct Writer {
    pub file: File,
    pub written: Written,
}

impl Writer {
    /// Appends bytes: writes and hashes them in one pass.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written.append(&self.file, bytes)
    }
}

/// A thread that writes and hashes buffers in the order in which it gets them, and returns each
/// buffer, so that it is used again.
pub(super) struct WriterThread {
    shared: Arc<Shared>,
    thread: JoinHandle<Writer>,
    /// The number of buffers that were allocated.
    pub buffers: usize,
}

/// What the two threads share. (std's channels would also work, but they add 11 KB to the program.)
#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Signals that the queue has changed. The writer thread waits when there is nothing to write,
    /// and the calling thread waits when there is no free buffer, so at most one thread waits.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// The buffers to write, each with the number of bytes to write.
    full: VecDeque<(Vec<u8>, usize)>,
    /// The buffers that were written and can be used again.
    free: Vec<Vec<u8>>,
    /// Whether the calling thread has added its last buffer.
    ended: bool,
    /// The error of the first write that failed. Nothing is written after it.
    error: Option<io::Error>,
}

/// Why locking the queue cannot fail: a `Mutex` refuses the lock only after a thread has panicked
/// while it held this lock.
const NO_PANIC: &str = "no thread panics while it holds the lock";

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect(NO_PANIC)
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        self.changed.wait(queue).expect(NO_PANIC)
    }

    /// Writes the buffers that are added to the queue, until `ended` is set or a write fails.
    fn write(&self, mut writer: Writer) -> Writer {
        let mut queue = self.lock();
        loop {
            match queue.full.pop_front() {
                Some((buffer, n)) => {
                    drop(queue);
                    let result = writer.write(&buffer[..n]);
                    queue = self.lock();
                    queue.free.push(buffer);
                    self.changed.notify_one();
                    if let Err(error) = result {
                        queue.error = Some(error);
                        return writer;
                    }
                }
                None if queue.ended => return writer,
                None => queue = self.wait(queue),
            }
        }
    }
}

impl WriterThread {
    pub fn start(writer: Writer) -> io::Result<WriterThread> {
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        let thread = thread::Builder::new()
            .name("write".into())
            .spawn(move || own.write(writer))?;
        Ok(WriterThread {
            shared,
            thread,
            buffers: 1,
        })
    }

    /// Gives `buffer` to the writer thread, which writes the first `n` bytes of that buffer. Then
    /// sets `buffer` to a free buffer, and waits for one when all buffers are in use. Fails when an
    /// earlier write failed.
    pub fn exchange(&mut self, buffer: &mut Vec<u8>, n: usize) -> io::Result<()> {
        let mut queue = self.shared.lock();
        queue.full.push_back((mem::take(buffer), n));
        self.shared.changed.notify_one();
        while queue.free.is_empty() && self.buffers == BUFFERS && queue.error.is_none() {
            queue = self.shared.wait(queue);
        }
        *buffer = queue.free.pop().unwrap_or_else(|| {
            self.buffers += 1;
            vec![0; BUFFER]
        });
        queue.error.take().map_or(Ok(()), Err)
    }

    /// Waits until the last bytes are written. Returns the writer, and the error of a failed write,
    /// unless [`WriterThread::exchange`] has returned it already.
    pub fn finish(self) -> (Writer, io::Result<()>) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_one();
        let writer = self.thread.join().expect("writing does not panic");
        let error = self.shared.lock().error.take();
        (writer, error.map_or(Ok(()), Err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_write_error_of_the_second_thread_ends_the_download() {
        // Nobody reads at the other end of this socket.
        let writer = || Writer {
            file: OwnedFd::from(UnixStream::pair().unwrap().0).into(),
            written: Written::default(),
        };
        let is_expected = |error: io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        // `finish` returns the error of the last bytes, and `exchange` returns the error of earlier
        // bytes.
        let mut buffer = vec![0; BUFFER];
        let thread = WriterThread::start(writer()).unwrap();
        thread.shared.lock().full.push_back((vec![0; 1], 1));
        assert!(thread.finish().1.is_err_and(is_expected));
        let mut thread = WriterThread::start(writer()).unwrap();
        let error = (0..).find_map(|_| thread.exchange(&mut buffer, 1).err());
        assert!(error.is_some_and(is_expected));
        assert!(thread.finish().1.is_ok());
    }
}
