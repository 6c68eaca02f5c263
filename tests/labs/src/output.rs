//! What a program says, line by line, as it says it.

use crate::PATIENCE;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

/// A line and when it was read, which is never before it was written.
#[derive(Clone, Debug)]
pub struct Line {
    pub at: SystemTime,
    pub text: String,
}

#[derive(Default)]
struct Shared {
    lines: Mutex<Vec<Line>>,
    news: Condvar,
}

/// A running program whose output is followed. Dropped, it is killed.
pub struct Output {
    child: Child,
    shared: Arc<Shared>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Output {
    /// Starts a command, its standard output and error both followed.
    pub fn follow(command: &mut Command) -> Output {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{command:?}: {error}; `tests/setup.sh` installs what the lab needs")
            });
        let shared = Arc::new(Shared::default());
        let reader = |pipe: Box<dyn Read + Send>| {
            let shared = shared.clone();
            std::thread::spawn(move || {
                for text in BufReader::new(pipe).lines().map_while(Result::ok) {
                    shared.lines.lock().unwrap().push(Line {
                        at: SystemTime::now(),
                        text,
                    });
                    shared.news.notify_all();
                }
                shared.news.notify_all();
            })
        };
        let readers = vec![
            reader(Box::new(child.stdout.take().expect("it is piped"))),
            reader(Box::new(child.stderr.take().expect("it is piped"))),
        ];
        Output {
            child,
            shared,
            readers,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn lines(&self) -> Vec<Line> {
        self.shared.lines.lock().unwrap().clone()
    }

    pub fn text(&self) -> String {
        self.lines()
            .iter()
            .map(|line| format!("{}\n", line.text))
            .collect()
    }

    /// Waits for a line that holds `word`; panics with all that was said when it does not come in time, or cannot come any more.
    pub fn wait_for(&mut self, word: &str) -> Line {
        self.wait_for_within(word, PATIENCE)
    }

    pub fn wait_for_within(&mut self, word: &str, time: Duration) -> Line {
        let until = Instant::now() + time;
        loop {
            // In this order: what an ended program said has been read when its readers have ended.
            let ended = self.readers.iter().all(|reader| reader.is_finished());
            let lines = self.shared.lines.lock().unwrap();
            if let Some(line) = lines.iter().find(|line| line.text.contains(word)) {
                return line.clone();
            }
            let all: String = lines
                .iter()
                .map(|line| format!("{}\n", line.text))
                .collect();
            assert!(!ended, "it ended without saying {word:?}; it said:\n{all}");
            assert!(
                Instant::now() < until,
                "it did not say {word:?} within {} s; it said:\n{all}",
                time.as_secs()
            );
            drop(
                self.shared
                    .news
                    .wait_timeout(lines, Duration::from_millis(100))
                    .unwrap(),
            );
        }
    }

    /// Waits for the end.
    pub fn end(&mut self) -> ExitStatus {
        let status = crate::wait_for("the end of a program", PATIENCE, || {
            self.child.try_wait().expect("it is a child")
        });
        for reader in self.readers.drain(..) {
            // A daemon that was left behind may hold the pipe; what the program itself said is there.
            let until = Instant::now() + Duration::from_secs(1);
            while !reader.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        status
    }

    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.kill();
    }
}
