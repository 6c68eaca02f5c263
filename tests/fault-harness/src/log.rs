//! The log of each row: a row is one thread, and muster logs in the thread that it runs in.

use log::{LevelFilter, Log, Metadata, Record};
use std::cell::RefCell;

thread_local! {
    static LINES: RefCell<String> = const { RefCell::new(String::new()) };
}

struct PerThread;

impl Log for PerThread {
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

pub fn start() {
    log::set_logger(&PerThread).unwrap();
    log::set_max_level(LevelFilter::Info);
}

pub fn clear() {
    LINES.take();
}

pub fn take() -> String {
    LINES.take()
}
