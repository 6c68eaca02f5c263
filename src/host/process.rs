//! Runs another program to its end, or replaces this process with another program (exec).

use super::Host;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, alarm, dup2_stderr};
use std::fmt::{self, Display};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The environment variables that hold a secret. Programs that muster starts do not inherit them,
/// because muster passes secrets in files. Messages never show their values.
pub const SECRET_VARIABLES: [&str; 4] = [
    "K3S_TOKEN",
    "K3S_AGENT_TOKEN",
    "K3S_CLUSTER_SECRET",
    "K3S_VPN_AUTH",
];

/// The log of another process, to which this process writes too ([`Host::share_log_of`]). When the
/// value is dropped, this process closes the log and writes to its own standard error again. The
/// log may be a pipe to a program that stores the lines. Such a program ends only when no process
/// has the pipe open for writing.
#[derive(Debug)]
pub struct SharedLog {
    own: OwnedFd,
}

impl Drop for SharedLog {
    fn drop(&mut self) {
        let _ = dup2_stderr(&self.own);
    }
}

/// The time in which a program must end. Of the programs that muster runs, udhcpc takes the
/// longest: without a DHCP server it goes to the background after 6 s.
const RUN_LIMIT: Duration = Duration::from_secs(20);
/// The time in which the kernel must end a program that was killed.
const KILL_LIMIT: Duration = Duration::from_secs(1);

/// An environment variable for a program that muster starts ([`Host::exec`], [`Host::output`]).
#[derive(Clone, Debug)]
pub struct Variable {
    pub name: String,
    pub value: String,
    /// Whether a plan or a log may show the value. The values of variables that the operator passes
    /// through to k3s are not shown.
    pub shown: bool,
}

impl Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.shown {
            &self.value
        } else {
            "<redacted>"
        };
        write!(f, "{}={value}", self.name)
    }
}

/// What a program printed, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Whether its exit status was 0.
    pub success: bool,
    /// Its standard output, and then its standard error.
    pub text: String,
}

impl Host {
    /// Whether a process with this id exists.
    pub fn process_exists(&self, pid: u32) -> bool {
        Path::new("/proc").join(pid.to_string()).exists()
    }

    /// Sends a signal to a process. `what` is the description for the plan.
    pub fn signal(&self, what: impl Display, pid: i32, signal: Signal) -> Result<()> {
        self.effect(what, || Ok(kill(Pid::from_raw(pid), signal)?))?;
        Ok(())
    }

    /// Redirects the standard error of this process to the standard error of k3s, which is k3s's
    /// log. `pid` is the process id of k3s. Returns `None` when the log cannot be opened.
    pub fn share_log_of(&self, pid: i32) -> Option<SharedLog> {
        let path = self.path(format!("/proc/{pid}/fd/2"));
        let log = File::options().append(true).open(path).ok()?;
        let own = io::stderr().as_fd().try_clone_to_owned().ok()?;
        dup2_stderr(log).ok()?;
        Some(SharedLog { own })
    }

    /// Sets a time limit for this process: after `time` the kernel ends it with SIGALRM. `None`
    /// removes the limit. [`Host::exec`] removes it too. A dry run has no limit.
    pub fn limit_run(&self, time: Option<Duration>) {
        match time.map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX)) {
            Some(seconds) if !self.plans() => alarm::set(seconds),
            _ => alarm::cancel(),
        };
    }

    /// The metadata of the file that [`Host::run`] would run for `name`; `None` when no such
    /// program is in `PATH`.
    pub fn program(&self, name: &str) -> Option<Metadata> {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .filter_map(|folder| self.metadata(folder.join(name)))
            .find(Metadata::is_file)
    }

    /// Runs a program to its end. A program that does not end within [`RUN_LIMIT`] is killed. The
    /// error names the command, and its exit status if it ended.
    pub fn run(&self, argv: &[&str]) -> Result<()> {
        let words = quoted(argv);
        self.effect(format_args!("run {words}"), || run_to_end(argv, RUN_LIMIT))?;
        Ok(())
    }

    /// Runs a program, and returns what it printed. A dry run also runs the program, so the program
    /// must not change the machine. The error says why the program could not be started.
    pub fn output(
        &self,
        program: &Path,
        arguments: &[&str],
        environment: &[Variable],
    ) -> Result<Output> {
        let path = self.path(program);
        let mut command = Command::new(&path);
        command.args(arguments).stdin(Stdio::null());
        command.envs(environment.iter().map(|v| (&v.name, &v.value)));
        remove_secrets(&mut command);
        let output = command.output();
        let output =
            output.with_context(|| format!("cannot run {} and read its output", path.display()))?;
        let bytes = [output.stdout, output.stderr].concat();
        Ok(Output {
            success: output.status.success(),
            text: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }

    /// Replaces this process with another program, which keeps the process id. Returns only in a
    /// dry run, or with the reason why the program could not be started.
    pub fn exec(
        &self,
        program: &Path,
        arguments: &[String],
        environment: &[Variable],
    ) -> Result<()> {
        let mut words: Vec<&str> = vec![program.to_str().unwrap_or_default()];
        words.extend(arguments.iter().map(String::as_str));
        let variables: String = environment
            .iter()
            .map(|variable| format!("{variable} "))
            .collect();
        let what = format!("exec {variables}{}", quoted(&words));
        self.effect(what, || -> Result<()> {
            let path = self.path(program);
            let mut command = Command::new(&path);
            let variables = environment.iter().map(|v| (&v.name, &v.value));
            command.args(arguments).envs(variables);
            remove_secrets(&mut command);
            self.keep_lock_over_exec(true)?;
            self.limit_run(None);
            // Rust's runtime makes this process ignore SIGPIPE, and a program inherits this over
            // exec. But `Command::exec` resets SIGPIPE to its default, so nothing is needed here.
            let error = command.exec();
            self.keep_lock_over_exec(false)?;
            bail!("cannot run {}: {error}", path.display())
        })?;
        Ok(())
    }
}

fn remove_secrets(command: &mut Command) {
    for name in SECRET_VARIABLES {
        command.env_remove(name);
    }
}

fn quoted(argv: &[&str]) -> String {
    shlex::try_join(argv.iter().copied()).unwrap_or_else(|_| argv.join(" "))
}

fn run_to_end(argv: &[&str], limit: Duration) -> Result<()> {
    let [program, arguments @ ..] = argv else {
        bail!("the command is empty")
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    remove_secrets(&mut command);
    // The output is not a pipe: a daemon that the program starts may keep the pipe open, and then
    // muster would wait for the daemon.
    let child = command.stdout(Stdio::null()).spawn().with_context(|| {
        let path = std::env::var("PATH").unwrap_or_default();
        format!(
            "cannot run {program} (the image must have this program in a folder of PATH={path})"
        )
    })?;
    let Some(status) = wait(child, limit)? else {
        let seconds = limit.as_secs();
        bail!(
            "{} did not end within {seconds} s and was killed",
            quoted(argv)
        );
    };
    if !status.success() {
        bail!("{} failed: {status}", quoted(argv));
    }
    Ok(())
}

/// Waits for the end of a program; `None` when it did not end in time and was killed.
fn wait(mut child: Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let pid = Pid::from_raw(child.id().cast_signed());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait()));
    if let Ok(status) = receiver.recv_timeout(limit) {
        return status.map(Some);
    }
    // An error is ignored, because the program may have ended just now.
    let _ = kill(pid, Signal::SIGKILL);
    // The kernel cannot end a program that waits for a device, so this wait has a limit too.
    let _ = receiver.recv_timeout(KILL_LIMIT);
    Ok(None)
}

#[cfg(test)]
pub(crate) mod tests;
