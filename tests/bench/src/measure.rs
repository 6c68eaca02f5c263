//! Runs commands in turn and measures each as a whole process.

use crate::run;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command to measure.
pub struct Subject {
    pub name: String,
    /// A shell command that is run before each run, and not measured.
    pub before: String,
    /// The shell command. It should `exec` a single program, so that no shell is measured.
    pub command: String,
    /// How often the command does the same thing. The times are divided by this number.
    pub times: u32,
}

/// The times of one command (seconds), sorted.
pub struct Times {
    pub wall: Vec<f64>,
    pub cpu: Vec<f64>,
}

/// Runs the commands in turn (A B C A B C), once to warm up and `runs` times measured. So a machine
/// that becomes slower becomes slower for all of them.
pub fn in_turn(subjects: &[Subject], runs: usize) -> Vec<Times> {
    let mut all: Vec<Times> = subjects
        .iter()
        .map(|_| Times {
            wall: Vec::new(),
            cpu: Vec::new(),
        })
        .collect();
    for round in 0..=runs {
        for (subject, times) in subjects.iter().zip(&mut all) {
            let (wall, cpu) = once(subject);
            if round > 0 {
                times.wall.push(wall);
                times.cpu.push(cpu);
            }
        }
    }
    for times in &mut all {
        times.wall.sort_by(f64::total_cmp);
        times.cpu.sort_by(f64::total_cmp);
    }
    all
}

/// The wall and CPU seconds of one run.
fn once(subject: &Subject) -> (f64, f64) {
    run(&subject.before);
    let (before, started) = (children(), Instant::now());
    let mut child = start(&subject.command);
    let status = child.wait().unwrap();
    let wall = started.elapsed();
    assert!(status.success(), "{}: {status}", subject.command);
    let times = f64::from(subject.times);
    (wall.as_secs_f64() / times, (children() - before) / times)
}

/// The largest amount of anonymous memory of one run (KiB), looked at every millisecond.
pub fn peak_anonymous(subject: &Subject) -> u64 {
    run(&subject.before);
    let mut child = start(&subject.command);
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(1));
    }
    peak
}

fn start(command: &str) -> std::process::Child {
    Command::new("sh")
        .args(["-eu", "-c", command])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("no shell")
}

/// The CPU seconds of all children that have ended.
fn children() -> f64 {
    let usage: Usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("no resource usage");
    let microseconds =
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    microseconds as f64 / 1e6
}

/// The middle value of sorted values.
pub fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}
