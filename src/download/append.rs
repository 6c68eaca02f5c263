//! Appends the body of a mirror's answer to a partial file: receives the bytes of the body, writes
//! them to the file and hashes them.
//!
//! On a board with more than two CPUs, the calling thread receives and decrypts, and a second
//! thread writes and hashes. On a CPU without AES and SHA instructions the two threads have about
//! the same work, so the download takes about half the time that a single thread would need. With
//! one or two CPUs the calling thread does everything.

use super::part::PartialFile;
use super::writer::{BUFFER, WriterThread};
use std::io::{self, Read};
use std::num::NonZero;
use std::thread;

/// Appends to a partial file. Dropping an `Appender` waits until all appended bytes are written and
/// hashed, so that the partial file's hasher then covers all bytes in the file.
pub struct Appender<'a> {
    part: &'a mut PartialFile,
    buffer: Vec<u8>,
    len: u64,
    /// The thread that writes and hashes; `None` when the calling thread does this itself.
    thread: Option<WriterThread>,
}

impl Appender<'_> {
    /// Prepares to append to `part`.
    pub fn new(part: &mut PartialFile) -> Appender<'_> {
        let cpus = thread::available_parallelism().map_or(1, NonZero::get);
        Appender::for_cpus(part, cpus)
    }

    fn for_cpus(part: &mut PartialFile, cpus: usize) -> Appender<'_> {
        let thread = match cpus {
            // With two CPUs, a download with a second thread took longer than a download without
            // one (docs/performance.md).
            0..=2 => None,
            // If the second thread cannot be started, the calling thread writes and hashes.
            _ => part.writer().and_then(WriterThread::start).ok(),
        };
        Appender {
            len: part.len(),
            part,
            buffer: vec![0; BUFFER],
            thread,
        }
    }

    /// The length of the partial file (bytes). It includes all bytes that were appended so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Reads the next bytes of `body` into the buffer, for [`Appender::append`]. Returns how many
    /// bytes were read; 0 means that the body has ended.
    pub fn receive(&mut self, body: &mut impl Read) -> io::Result<usize> {
        body.read(&mut self.buffer)
    }

    /// Appends the first `n` bytes of the buffer that [`Appender::receive`] filled. When a second
    /// thread writes, the returned error may be the error of an earlier write.
    pub fn append(&mut self, n: usize) -> io::Result<()> {
        match &mut self.thread {
            None => self.part.write(&self.buffer[..n])?,
            Some(thread) => thread.exchange(&mut self.buffer, n)?,
        }
        self.len += n as u64;
        Ok(())
    }

    /// Waits until all bytes are written and hashed.
    pub fn finish(&mut self) -> io::Result<()> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        let (writer, result) = thread.finish();
        self.part.take_back(writer);
        result
    }
}

impl Drop for Appender<'_> {
    fn drop(&mut self) {
        // A caller that drops the `Appender` and has not called `finish` reports another error. So
        // the error of `finish` is ignored here.
        let _ = self.finish();
    }
}

#[cfg(test)]
mod tests;
