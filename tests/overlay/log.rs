//! `muster-log`, which writes the log of muster and k3s.

use crate::support::{project, succeed};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The longest wait for an event.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A folder with the log, a console and the list of lines that were shown on the console.
struct Log(tempfile::TempDir);

impl Log {
    fn new() -> Log {
        Log(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Starts the writer, as supervise-daemon does with each process that it starts.
    fn start(&self) -> Child {
        let mut command = Command::new("sh");
        command.arg(project().join("openrc/muster-log"));
        command.args(["log", "console", "shown"].map(|name| self.path(name)));
        command.stdin(Stdio::piped()).spawn().unwrap()
    }

    /// Has the writer log these lines, and waits until it has ended.
    fn write(&self, lines: &str) {
        let mut writer = self.start();
        let mut input = writer.stdin.take().unwrap();
        input.write_all(lines.as_bytes()).unwrap();
        drop(input);
        assert!(writer.wait().unwrap().success());
    }
}

#[test]
fn restarts_do_not_lose_what_k3s_said_when_it_died() {
    let log = Log::new();
    log.write("k3s: panic: why\n");
    log.write("muster: join: again\n");
    log.write("muster: join: once more\n");
    assert_eq!(
        log.text("log"),
        "k3s: panic: why\nmuster: join: again\nmuster: join: once more\n"
    );
    assert!(!log.path("log.0").exists());
}

#[test]
fn the_log_has_a_limit_over_restarts_too() {
    let log = Log::new();
    let line = |n: usize| format!("{n:099}\n");
    let lines = |from, to| (from..to).map(line).collect::<String>();
    log.write(&lines(0, 6_000));
    log.write(&lines(6_000, 12_000));
    log.write(&lines(12_000, 21_000));
    let text = log.text("log.0") + &log.text("log");
    assert!(text.len() <= 2_000_200, "{}", text.len());
    assert!(text.ends_with(&line(20_999)), "the last line is missing");
    assert!(text.len() >= 1_000_000, "{}", text.len());
    assert_eq!(text, lines(21_000 - text.len() / 100, 21_000));
}

#[test]
fn a_warning_is_on_the_console_once() {
    let log = Log::new();
    let lines = "muster: WARN: network: no carrier\nmuster: fetch: installed\n\
                 muster: ERROR: it\\n's \"quoted\" $HOME `id`\nlevel=warning msg=k3s\n";
    log.write(lines);
    log.write(lines);
    let shown: String = lines.split_inclusive('\n').step_by(2).collect();
    assert_eq!(log.text("console"), shown);
    assert_eq!(log.text("log"), lines.repeat(2));
}

/// The console is a FIFO without a reader, where even opening blocks.
#[test]
fn a_console_that_blocks_does_not_hold_up_the_log() {
    let log = Log::new();
    succeed(Command::new("mkfifo").arg(log.path("console")));
    let mut writer = log.start();
    let mut input = writer.stdin.take().unwrap();
    let warning = move |n: usize| format!("muster: WARN: fetch: {n} {}", "x".repeat(1000));
    // In a thread: the pipe is shorter than the lines, and full when the writer stops reading.
    std::thread::spawn(move || {
        for n in 0..1000 {
            writeln!(input, "{}", warning(n)).unwrap();
        }
    });
    let last = warning(999);
    let started = Instant::now();
    while !log.text("log").contains(&last) {
        if started.elapsed() > TIMEOUT {
            writer.kill().unwrap();
            panic!("the log does not go on");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // The writer opens the FIFO for each line, so that a reader must have it open for writing too.
    let mut options = File::options();
    let mut console = options
        .read(true)
        .write(true)
        .open(log.path("console"))
        .unwrap();
    let mut shown = String::new();
    let mut buffer = [0; 4096];
    while shown.lines().count() < 100 || !shown.ends_with('\n') {
        let n = console.read(&mut buffer).unwrap();
        shown.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    assert!(writer.wait().unwrap().success());
    for (n, line) in shown.lines().enumerate() {
        assert_eq!(line, &warning(n)[..500]);
    }
}
