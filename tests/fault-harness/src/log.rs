//! A logger that collects the lines of each thread separately. A row that runs inside this process
//! runs in one thread, and muster logs in the thread that calls it.

use log::{LevelFilter, Log, Metadata, Record};
use std::cell::RefCell;

thread_local! {
    static LINES: RefCell<String> = const { RefCell::new(String::new()) };
}

struct ThreadLogger;

impl Log for ThreadLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("muster")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.with_borrow_mut(|lines| {
                *lines += &format!("{} {}\n", record.level(), record.args())
            });
        }
    }

    fn flush(&self) {}
}

/// Installs the logger for this process.
pub fn start() {
    log::set_logger(&ThreadLogger).unwrap();
    log::set_max_level(LevelFilter::Info);
}

/// Forgets what this thread has logged.
pub fn clear() {
    LINES.take();
}

/// Returns what this thread has logged, and forgets it.
pub fn take() -> String {
    LINES.take()
}
