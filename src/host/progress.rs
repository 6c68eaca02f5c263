//! Reports how far the boot is: in the log, which also goes to the log server, and in the status
//! file, which `muster status` shows.

use super::download_progress::Reported;
use super::{Host, LOG_AGAIN, NO_STEP};
use crate::paths;
use crate::report::format::{BOOT, State, severity};
use crate::report::led::{PATIENCE, Rhythm};
use crate::report::line::Line;
use crate::status::Status;
use anyhow::Result;
use log::{Level, debug, log};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// What the running step has reported.
#[derive(Default)]
pub(super) struct Progress {
    /// What the step has achieved, for the line that is logged at its end.
    result: RefCell<String>,
    /// The problem that was logged last, and when (time since boot).
    problem: RefCell<Option<(String, Duration)>>,
    /// When the step began to wait (time since boot); `None` when it does not wait.
    waits_since: Cell<Option<Duration>>,
    /// The last report of the running download's progress.
    pub(super) download: Cell<Reported>,
    /// Whether this process writes the status file.
    owns_status: Cell<bool>,
}

impl Host {
    /// Loads the status that an earlier muster process of this boot wrote, so that this process
    /// adds to it.
    pub fn resume_status(&self) {
        let text = self.read_text(paths::STATUS.path).unwrap_or_default();
        self.status.replace(Status::parse(&text));
    }

    /// Changes what `muster status` shows, and writes the status file if this process is the one
    /// that writes it ([`Host::own_status`]).
    pub fn report(&self, change: impl FnOnce(&mut Status)) {
        let mut status = self.status.borrow_mut();
        change(&mut status);
        if !self.progress.owns_status.get() {
            return;
        }
        if let Err(error) = self.write_note(paths::STATUS, &status.to_json()) {
            // A boot must not fail only because the status file cannot be written.
            debug!("{error:#}");
        }
    }

    /// Makes this process the one that writes the status file. A step that an operator runs by hand
    /// does not write the file, because the service may be running a boot at the same time.
    pub fn own_status(&self) {
        self.progress.owns_status.set(true);
    }

    /// The number of boot attempts since power-on, with those of earlier muster processes.
    pub fn attempts(&self) -> u64 {
        self.status.borrow().runs()
    }

    /// Reports that a boot attempt with these steps begins.
    pub fn begin_attempt<'a>(&self, steps: impl Iterator<Item = &'a str>) {
        self.enter(NO_STEP);
        self.report(|status| status.begin(steps));
        self.outbox.set_attempt(self.attempts());
    }

    /// Reports that a step begins. Later effects and log lines belong to it.
    pub fn begin_step(&self, step: &'static str) {
        self.enter(step);
        self.progress.result.take();
        self.progress.problem.take();
        self.set_waiting(false);
        self.report(|status| status.start(step, self.uptime()));
        self.send_only(State::Running, "started".into(), None);
    }

    /// Sets what the running step has achieved, in words such as `the hostname is worker-43dfae`.
    /// This is the line that is logged when the step is done.
    pub fn set_result(&self, text: String) {
        *self.progress.result.borrow_mut() = text;
    }

    /// Appends `text` to the result of the running step ([`Self::set_result`]).
    pub fn add_result(&self, text: String) {
        let mut result = self.progress.result.borrow_mut();
        if !result.is_empty() {
            result.push_str("; ");
        }
        result.push_str(&text);
    }

    /// Reports that the running step is done, and logs its result with the time that it took.
    pub fn end_step(&self) {
        let took = self.end(None);
        let mut result = self.progress.result.take();
        if result.is_empty() {
            result.push_str("done");
        }
        let seconds = took.as_secs_f64();
        self.log(
            Level::Info,
            State::Done,
            Some(took),
            &format!("{result} ({seconds:.1} s)"),
        );
    }

    /// When `result` is an error, reports that the running step has failed. The caller logs the
    /// error.
    pub fn fail_step_on_error<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|error| {
            self.end(Some(&format!("{error:#}")));
        })
    }

    /// Logs a failure of the running step that does not end the boot.
    pub fn log_failure(&self, text: &str) {
        self.log(Level::Warn, State::Failed, None, text);
    }

    /// Reports that a boot attempt has failed with the error `text`: sends the error to the log
    /// server, and makes the LED show that a person is needed. The caller prints the error. Later
    /// log lines belong to no step.
    pub fn send_failure(&self, text: String) {
        self.set_rhythm(Rhythm::Stuck);
        self.outbox.add(Line {
            severity: severity::ERROR,
            step: BOOT,
            state: Some(State::Failed),
            text,
            ..Line::default()
        });
        self.enter(NO_STEP);
    }

    /// Reports that k3s starts now. If `after_all_steps` is false, k3s is restarted, and the steps
    /// of a boot were not run before.
    pub fn report_start(&self, after_all_steps: bool) {
        self.restore_led();
        let now = self.uptime();
        self.report(|status| match after_all_steps {
            true => status.join(now),
            false => status.restart(now),
        });
    }

    /// Logs the last line before k3s starts.
    pub fn log_joined(&self, text: &str) {
        self.log(Level::Info, State::Joined, None, text);
    }

    fn end(&self, error: Option<&str>) -> Duration {
        let (step, now) = (self.step(), self.uptime());
        self.report(|status| status.end(step, now, error));
        self.status.borrow().took(step)
    }

    /// Logs the problem that keeps the running step waiting, and shows it in `muster status`. A
    /// problem that was logged already is logged again every 30 s, so this can be called often.
    /// Returns whether this call has logged the same problem again.
    pub fn report_problem(&self, text: &str) -> bool {
        let (step, now) = (self.step(), self.uptime());
        let last = self.progress.problem.borrow().clone();
        let logged = last.filter(|(last, _)| last == text).map(|(_, at)| at);
        let is_recent = logged.is_some_and(|at| now < at + LOG_AGAIN);
        let was_waiting = self.set_waiting(true);
        if is_recent && was_waiting {
            return false;
        }
        if is_recent {
            self.send_only(State::Waiting, text.into(), None);
        } else {
            *self.progress.problem.borrow_mut() = Some((text.into(), now));
            self.log(Level::Warn, State::Waiting, None, text);
        }
        self.report(|status| status.problem(step, text));
        logged.is_some() && !is_recent
    }

    /// Logs `text` if the running step was waiting because of a problem. To be called when the
    /// problem does not exist any more.
    pub fn problem_solved(&self, text: &str) {
        if self.progress.waits_since.get().is_some() {
            self.resume_step(text);
        }
    }

    /// Logs `text`, which says what the running step does now. The step does not wait any more.
    pub fn resume_step(&self, text: &str) {
        self.progress.download.take();
        if self.set_waiting(false) {
            let step = self.step();
            self.report(|status| status.solved(step));
        }
        self.log(Level::Info, State::Running, None, text);
    }

    /// Waits for this time. In a long wait the problem of the running step is logged again every
    /// 30 s. Fails when the settings or the token change ([`Host::wait`]).
    pub(super) fn wait_and_report(&self, time: Duration) -> Result<()> {
        let mut left = time;
        while left > LOG_AGAIN {
            self.wait(LOG_AGAIN)?;
            left -= LOG_AGAIN;
            let problem = self.progress.problem.borrow().clone();
            if let Some((text, _)) = problem {
                self.report_problem(&text);
            }
        }
        self.wait(left)
    }

    fn log(&self, level: Level, state: State, took: Option<Duration>, text: &str) {
        self.outbox.attach(state, took);
        log!(target: self.step(), level, "{text}");
    }

    /// Sets whether the running step waits. Returns whether it waited before. When the wait is
    /// longer than [`PATIENCE`], the LED shows that a person is needed.
    fn set_waiting(&self, is_waiting: bool) -> bool {
        self.outbox.set_waiting(is_waiting);
        let (now, since) = (self.uptime(), self.progress.waits_since.get());
        let since_when = is_waiting.then(|| since.unwrap_or(now));
        self.progress.waits_since.set(since_when);
        let is_long = since_when.is_some_and(|then| now >= then + PATIENCE);
        self.set_rhythm(if is_long {
            Rhythm::Stuck
        } else {
            Rhythm::Working
        });
        since.is_some()
    }

    /// Sends a line to the log server without logging it on the console.
    pub(super) fn send_only(&self, state: State, text: String, bytes: Option<(u64, Option<u64>)>) {
        self.outbox.add(Line {
            severity: severity::DEBUG,
            step: self.step(),
            state: Some(state),
            bytes: bytes.map(|(bytes, _)| bytes),
            total: bytes.and_then(|(_, total)| total),
            text,
            ..Line::default()
        });
    }
}
