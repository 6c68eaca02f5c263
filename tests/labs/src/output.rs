//! What a program prints, line by line, as it is printed.

use crate::PATIENCE;
use crate::spawn::spawn;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
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
    stdin: Mutex<Option<ChildStdin>>,
    shared: Arc<Shared>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Output {
    /// Starts a command, its standard output and error both followed.
    pub fn follow(command: &mut Command) -> Output {
        Output::start(command.stdin(Stdio::null()), None, false)
    }

    /// The same, and the lines also go to a file, with the seconds since the start.
    pub fn record(command: &mut Command, file: PathBuf) -> Output {
        Output::start(command.stdin(Stdio::null()), Some(file), false)
    }

    /// A machine's serial console: it is recorded, can be typed at, and a prompt without a line's end is a line too.
    pub fn console(command: &mut Command, file: PathBuf) -> Output {
        Output::start(command.stdin(Stdio::piped()), Some(file), true)
    }

    fn start(command: &mut Command, record: Option<PathBuf>, prompts: bool) -> Output {
        let name = format!("{command:?}");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn(command).unwrap_or_else(|error| {
            panic!("{name}: {error}; `tests/setup.sh` installs what the labs need")
        });
        let shared = Arc::new(Shared::default());
        let record = record.map(|path| {
            let file = File::create(&path);
            Arc::new(Mutex::new(
                file.unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            ))
        });
        let started = Instant::now();
        let reader = |mut pipe: Box<dyn Read + Send>| {
            let (shared, record) = (shared.clone(), record.clone());
            std::thread::spawn(move || {
                let add = |bytes: &[u8]| {
                    let text = plain(bytes);
                    if let Some(file) = &record {
                        let seconds = started.elapsed().as_secs_f64();
                        let mut file = file.lock().unwrap();
                        // The record is for people to read; a full disk fails no test here.
                        let _ = writeln!(file, "{seconds:8.2} {text}");
                    }
                    let at = SystemTime::now();
                    shared.lines.lock().unwrap().push(Line { at, text });
                    shared.news.notify_all();
                };
                let (mut rest, mut chunk) = (Vec::new(), [0; 8192]);
                while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                    rest.extend_from_slice(&chunk[..length]);
                    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = rest.drain(..=end).collect();
                        add(&line);
                    }
                    if prompts && is_prompt(&rest) {
                        add(&std::mem::take(&mut rest));
                    }
                }
                if !rest.is_empty() {
                    add(&rest);
                }
                shared.news.notify_all();
            })
        };
        let readers = vec![
            reader(Box::new(child.stdout.take().expect("it is piped"))),
            reader(Box::new(child.stderr.take().expect("it is piped"))),
        ];
        let stdin = Mutex::new(child.stdin.take());
        Output {
            child,
            stdin,
            shared,
            readers,
        }
    }

    /// The program's pid: `setpriv` and `ip netns exec` become the program that they start.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types at a console.
    pub fn type_text(&self, text: &str) {
        let mut stdin = self.stdin.lock().unwrap();
        let stdin = stdin.as_mut().expect("a console");
        stdin.write_all(text.as_bytes()).expect("the console");
        stdin.flush().expect("the console");
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<Line> {
        self.shared.lines.lock().unwrap().clone()
    }

    /// All lines so far as one text.
    pub fn text(&self) -> String {
        let lines = self.lines();
        lines.iter().map(|line| line.text.clone() + "\n").collect()
    }

    /// Whether no more lines can come.
    pub fn has_ended(&self) -> bool {
        self.readers.iter().all(|reader| reader.is_finished())
    }

    /// Waits for a line that contains `word`; panics with the whole output when it does not come in time or cannot come any more.
    pub fn wait_for(&self, word: &str) -> Line {
        self.wait_for_within(word, PATIENCE)
    }

    /// The same with another time limit.
    pub fn wait_for_within(&self, word: &str, time: Duration) -> Line {
        self.wait_from(0, word, time)
    }

    /// The same, and only lines from number `start` on count.
    pub fn wait_from(&self, start: usize, word: &str, time: Duration) -> Line {
        let until = Instant::now() + time;
        loop {
            // In this order: what an ended program printed has been read when its readers have ended.
            let ended = self.has_ended();
            let lines = self.shared.lines.lock().unwrap();
            let found = lines
                .iter()
                .skip(start)
                .find(|line| line.text.contains(word));
            if let Some(line) = found {
                return line.clone();
            }
            let all: String = lines.iter().map(|line| line.text.clone() + "\n").collect();
            assert!(
                !ended,
                "it ended without printing {word:?}; it printed:\n{all}"
            );
            let seconds = time.as_secs();
            assert!(
                Instant::now() < until,
                "it did not print {word:?} within {seconds} s; it printed:\n{all}"
            );
            let pause = Duration::from_millis(100);
            drop(self.shared.news.wait_timeout(lines, pause).unwrap());
        }
    }

    /// Waits for the end.
    pub fn end(&mut self) -> ExitStatus {
        let status = crate::wait_for("the end of a program", PATIENCE, || {
            self.child.try_wait().expect("it is a child")
        });
        for reader in self.readers.drain(..) {
            // A daemon that was left behind may hold the pipe; what the program itself printed is there.
            let until = Instant::now() + Duration::from_secs(1);
            while !reader.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        status
    }

    /// Kills the program.
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

/// Whether what was printed last waits for somebody to type.
fn is_prompt(bytes: &[u8]) -> bool {
    // BusyBox's shell asks the terminal where its cursor is.
    let bytes = bytes.strip_suffix(b"\x1b[6n").unwrap_or(bytes);
    bytes.ends_with(b"login: ") || bytes.ends_with(b"# ")
}

/// A line without its end, carriage returns and terminal control sequences.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\r' | '\n' => {}
            // `ESC [ ... letter`, or ESC and one character.
            '\x1b' => {
                if characters.next() == Some('[') {
                    characters.find(char::is_ascii_alphabetic);
                }
            }
            _ => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_prompt_is_one_with_and_without_a_question_to_the_terminal() {
        for prompt in [
            "worker-64e59a login: ",
            "worker-64e59a:~# ",
            "worker-64e59a:~# \x1b[6n",
        ] {
            assert!(super::is_prompt(prompt.as_bytes()), "{prompt:?}");
        }
        assert!(!super::is_prompt(b" * Starting muster ..."));
    }

    #[test]
    fn control_sequences_are_no_part_of_a_line() {
        let line = super::plain(
            b"\x1b[32;01m*\x1b[0m Starting muster ...\x1b[80C\x1b[2D\x1b7 [ ok ]\r\r\n",
        );
        assert_eq!(line, "* Starting muster ... [ ok ]");
    }
}
