//! The one place that touches the machine.
//!
//! Steps decide; a [`Host`] performs. Every effect is one call here that carries its own description, and a dry run is the
//! same calls on a host that prints the description in place of the effect: what a plan shows is what a boot does, because
//! it is the same code. clippy's `disallowed-methods` keeps the rest of the crate from going round it.
//!
//! Reading is not an effect: a plan reads what a boot reads. Nor is what muster notes for itself (its status file).

#![expect(
    clippy::disallowed_methods,
    reason = "this module is the seam that the list guards"
)]

use crate::status::{STATUS_FILE, Status};
use anyhow::{Context, Result, anyhow, bail};
use log::{debug, warn};
use nix::mount::{MsFlags, mount};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};
use std::cell::{Cell, RefCell};
use std::fmt::{self, Display};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The log target under which a boot tells each effect, in the words of the plan.
pub const EFFECTS: &str = "effect";

/// What becomes of effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They happen.
    Perform,
    /// They are printed on standard output, one a line, and nothing happens.
    Plan,
}

/// The machine, below a root folder (`--root`), with its effects performed or planned.
pub struct Host {
    root: PathBuf,
    mode: Mode,
    step: Cell<&'static str>,
    status: RefCell<Status>,
    /// The time since power-on and the wall clock, when the clock was found right.
    right_clock: Cell<Option<(Duration, Duration)>>,
}

/// Whether what a file is given may be shown.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    Public(&'a str),
    Secret(&'a str),
}

impl<'a> Content<'a> {
    fn text(self) -> &'a str {
        match self {
            Content::Public(text) | Content::Secret(text) => text,
        }
    }
}

/// An environment variable for a program; one that the operator passes through is never shown.
#[derive(Clone, Debug)]
pub struct Variable {
    pub name: String,
    pub value: String,
    pub shown: bool,
}

impl Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}={}",
            self.name,
            if self.shown {
                &self.value
            } else {
                "<redacted>"
            }
        )
    }
}

/// Environment variables that no program started here may inherit: muster hands tokens over in files.
const SECRET_VARIABLES: [&str; 3] = ["K3S_TOKEN", "K3S_AGENT_TOKEN", "K3S_CLUSTER_SECRET"];

/// A clock that is behind by more than this was set back; one that is steered moves by less.
const SET_BACK: Duration = Duration::from_secs(60);

/// No file that muster reads whole is larger than this (bytes); a longer one is an error, not memory.
const READ_MAX: u64 = 1 << 20;

impl Host {
    pub fn new(root: impl Into<PathBuf>, mode: Mode) -> Host {
        Host {
            root: root.into(),
            mode,
            step: Cell::new("muster"),
            status: RefCell::default(),
            right_clock: Cell::new(None),
        }
    }

    pub fn plans(&self) -> bool {
        self.mode == Mode::Plan
    }

    /// The step to which effects belong from here on, for their descriptions.
    pub fn enter(&self, step: &'static str) {
        self.step.set(step);
    }

    /// The step at hand, for the log.
    pub fn step(&self) -> &'static str {
        self.step.get()
    }

    /// Where `path`, which is absolute, lies below the root folder.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    // ---- Reading ----

    /// The bytes of a file; `None` when there is no such file. Errors name the file.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Option<Vec<u8>>> {
        let path = path.as_ref();
        read_whole(&self.path(path)).with_context(|| format!("cannot read {}", path.display()))
    }

    /// The same for a file that the operator named on the command line: relative to where they stand, whatever the root folder is.
    pub fn read_as_named(&self, path: &str) -> Result<Option<Vec<u8>>> {
        read_whole(Path::new(path)).with_context(|| format!("cannot read {path}"))
    }

    /// The text of a file, empty when there is none; what is not UTF-8 in it is replaced.
    pub fn read_text(&self, path: impl AsRef<Path>) -> Result<String> {
        let bytes = self.read(path)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The names in a folder, sorted; none when there is no such folder.
    pub fn list(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path(folder)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    pub fn metadata(&self, path: impl AsRef<Path>) -> Option<fs::Metadata> {
        fs::metadata(self.path(path)).ok()
    }

    /// Where a symbolic link points; `None` when `path` is none.
    pub fn link_target(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        fs::read_link(self.path(path)).ok()
    }

    /// Bytes free to root on the file system of `folder` or of the nearest folder above it that exists.
    pub fn free_space(&self, folder: &Path) -> Result<u64> {
        let path = self.path(folder);
        let there = path
            .ancestors()
            .find(|path| path.exists())
            .unwrap_or(Path::new("/"));
        let stat = nix::sys::statvfs::statvfs(there)
            .with_context(|| format!("cannot ask the free space of {}", folder.display()))?;
        // The field widths differ between targets.
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
        Ok(stat.blocks_free() as u64 * stat.fragment_size() as u64)
    }

    pub fn hostname(&self) -> Result<String> {
        let name = nix::unistd::gethostname().context("cannot ask the kernel for the hostname")?;
        Ok(String::from_utf8_lossy(name.as_bytes()).into_owned())
    }

    /// The address by which the interface is reached, IPv4 before IPv6; none that is only good on its own link.
    pub fn address(&self, interface: &str) -> Option<IpAddr> {
        let all = nix::ifaddrs::getifaddrs().ok()?;
        let mut addresses: Vec<IpAddr> = all
            .filter(|found| found.interface_name == interface)
            .filter_map(|found| {
                let address = found.address?;
                let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
                v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
            })
            .filter(|address| match address {
                IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_unspecified(),
                IpAddr::V6(v6) => !v6.is_unicast_link_local() && !v6.is_multicast(),
            })
            .collect();
        addresses.sort_by_key(IpAddr::is_ipv6);
        addresses.first().copied()
    }

    /// The wall clock: time since 1970.
    pub fn now(&self) -> Duration {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }

    /// Time since power-on, which no one sets.
    pub fn uptime(&self) -> Duration {
        clock_gettime(ClockId::CLOCK_BOOTTIME)
            .map(Duration::from)
            .unwrap_or_default()
    }

    // ---- Effects ----

    /// An effect: performed on a boot, and then what it returned; on a plan its description is printed, and `None` returned.
    fn effect<T>(
        &self,
        what: impl Display,
        perform: impl FnOnce() -> Result<T>,
    ) -> Result<Option<T>> {
        let step = self.step.get();
        if self.plans() {
            let mut out = io::stdout().lock();
            writeln!(out, "{step}: {what}").context("cannot print the plan")?;
            return Ok(None);
        }
        debug!(target: EFFECTS, "{step}: {what}");
        perform().map(Some)
    }

    /// A question that only the network can answer, or a wait for it: asked on a boot; a plan says what would be asked.
    pub fn ask<T>(&self, what: impl Display, ask: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        self.effect(what, ask)
    }

    /// Makes a file hold `content` with permissions `mode`, whole or not at all; nothing when it does already.
    pub fn ensure_file(
        &self,
        path: impl AsRef<Path>,
        mode: u32,
        content: Content<'_>,
    ) -> Result<()> {
        let path = path.as_ref();
        let text = content.text();
        // A plan may run as a user who cannot read what root wrote: then the plan is to write.
        let there = self
            .read(path)
            .or_else(|error| if self.plans() { Ok(None) } else { Err(error) })?;
        let right_mode = self
            .metadata(path)
            .is_some_and(|meta| meta.permissions().mode() & 0o7777 == mode);
        if right_mode && there.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        let shown = match content {
            Content::Public(text) if text.trim_end().lines().count() == 1 => {
                format!("): {}", text.trim_end())
            }
            Content::Public(_) => ")".into(),
            Content::Secret(_) => "): <redacted>".into(),
        };
        self.effect(
            format_args!("write {} ({mode:04o}{shown}", path.display()),
            || self.write_whole(path, mode, text.as_bytes()),
        )?;
        Ok(())
    }

    /// Notes something of muster's own, for a later run of the same boot; no effect, and no part of a plan.
    pub fn note(&self, path: &str, content: &str) -> Result<()> {
        if self.plans() {
            Ok(())
        } else {
            self.write_whole(Path::new(path), 0o644, content.as_bytes())
        }
    }

    /// Changes what `muster status` tells of this boot.
    pub fn report(&self, change: impl FnOnce(&mut Status)) {
        let mut status = self.status.borrow_mut();
        change(&mut status);
        if let Err(error) = self.note(STATUS_FILE, &status.to_json()) {
            // A boot does not end for want of its own report.
            debug!("{error:#}");
        }
    }

    /// Says, in the log and in the status, what the step at hand is waiting out.
    pub fn trouble(&self, text: &str) {
        let step = self.step.get();
        warn!(target: step, "{text}");
        self.report(|status| status.trouble(step, text));
    }

    fn write_whole(&self, path: &Path, mode: u32, bytes: &[u8]) -> Result<()> {
        let write = || -> Result<()> {
            let target = self.path(path);
            let folder = target
                .parent()
                .ok_or_else(|| anyhow!("not a file's path"))?;
            fs::create_dir_all(folder)?;
            let name = target
                .file_name()
                .ok_or_else(|| anyhow!("not a file's path"))?;
            // One name for all runs: what a killed run left is overwritten by the next.
            let temporary = folder.join(format!(".{}.muster", name.to_string_lossy()));
            remove_if_there(&temporary)?;
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(&temporary)?;
            file.set_permissions(Permissions::from_mode(mode))?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &target)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes to a file of the kernel's, which takes each write as a command.
    pub fn write_kernel_file(&self, path: &str, text: &str) -> Result<()> {
        self.effect(format_args!("write {text} to {path}"), || {
            let mut file = OpenOptions::new()
                .write(true)
                .open(self.path(path))
                .with_context(|| format!("cannot open {path}"))?;
            file.write_all(text.as_bytes())
                .with_context(|| format!("cannot write {text} to {path}"))
        })?;
        Ok(())
    }

    /// Makes `link` point to `target`; nothing when it does already.
    pub fn ensure_link(&self, target: &str, link: &str) -> Result<()> {
        if self.link_target(link).as_deref() == Some(Path::new(target)) {
            return Ok(());
        }
        self.effect(format_args!("link {link} to {target}"), || {
            let make = || -> io::Result<()> {
                let path = self.path(link);
                let temporary = path.with_extension("muster");
                fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
                remove_if_there(&temporary)?;
                std::os::unix::fs::symlink(target, &temporary)?;
                fs::rename(&temporary, &path)
            };
            make().with_context(|| format!("cannot link {link}"))
        })?;
        Ok(())
    }

    /// Removes a file that is there.
    pub fn remove(&self, path: &str) -> Result<()> {
        self.effect(format_args!("remove {path}"), || {
            remove_if_there(&self.path(path)).with_context(|| format!("cannot remove {path}"))
        })?;
        Ok(())
    }

    pub fn set_hostname(&self, name: &str) -> Result<()> {
        self.effect(format_args!("set the hostname to {name}"), || {
            nix::unistd::sethostname(name)
                .with_context(|| format!("cannot set the hostname to {name}"))
        })?;
        Ok(())
    }

    /// Steps the wall clock to the time since 1970 that `time` finds; `None` from it leaves the clock as it is.
    pub fn set_clock(
        &self,
        what: impl Display,
        time: impl FnOnce() -> Result<Option<Duration>>,
    ) -> Result<()> {
        self.effect(what, || match time()? {
            Some(time) => clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::from_duration(time))
                .context("cannot set the clock"),
            None => Ok(()),
        })?;
        Ok(())
    }

    pub fn mount(&self, source: &str, target: &str, kind: &str) -> Result<()> {
        self.effect(format_args!("mount {kind} on {target}"), || {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            mount(
                Some(source),
                &self.path(target),
                Some(kind),
                flags,
                None::<&str>,
            )
            .with_context(|| format!("cannot mount {kind} on {target}"))
        })?;
        Ok(())
    }

    /// Makes the mount at `target`, and all below it, shared, so that pods' mounts propagate.
    pub fn make_shared(&self, target: &str) -> Result<()> {
        self.effect(format_args!("make {target} a shared mount"), || {
            mount(
                None::<&str>,
                &self.path(target),
                None::<&str>,
                MsFlags::MS_REC | MsFlags::MS_SHARED,
                None::<&str>,
            )
            .with_context(|| format!("cannot make {target} a shared mount"))
        })?;
        Ok(())
    }

    /// Runs a program to its end. The error says what it printed last.
    pub fn run(&self, argv: &[&str]) -> Result<()> {
        let words = shown(argv);
        self.effect(format_args!("run {words}"), || run_to_end(argv))?;
        Ok(())
    }

    /// Becomes another program, under the same pid. Returns only on a plan, or with the reason why it could not.
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
        self.effect(
            format_args!("exec {variables}{}", shown(&words)),
            || -> Result<()> {
                let path = self.path(program);
                let mut command = Command::new(&path);
                command.args(arguments).envs(
                    environment
                        .iter()
                        .map(|variable| (&variable.name, &variable.value)),
                );
                without_secrets(&mut command);
                // Command::exec also gives the new program the default SIGPIPE, which Rust's runtime ignores.
                let error = command.exec();
                bail!("cannot run {}: {error}", path.display())
            },
        )?;
        Ok(())
    }

    /// From here on the clock counts as right; see [`Host::wait_out`].
    pub fn trust_clock(&self) {
        self.right_clock.set(Some((self.uptime(), self.now())));
    }

    /// Sleeps until another attempt may work, on a boot. Something else may have set the clock back meanwhile, as a late hwclock
    /// service does that reads a chip without a battery: then no attempt ever would, so the clock is set right again.
    pub fn wait_out(&self, time: Duration) {
        if let Some((then, clock)) = self.right_clock.get() {
            let right = clock + self.uptime().saturating_sub(then);
            if self.now() + SET_BACK < right {
                self.trouble("something has set the clock back; it is set right again");
                if let Err(error) = self.set_clock("set the clock right again", || Ok(Some(right)))
                {
                    self.trouble(&format!("{error:#}"));
                }
            }
        }
        self.sleep(time);
    }

    /// Sleeps, on a boot.
    pub fn sleep(&self, time: Duration) {
        if !self.plans() {
            std::thread::sleep(time);
        }
    }
}

fn read_whole(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match fs::File::open(path).and_then(|file| file.take(READ_MAX + 1).read_to_end(&mut bytes)) {
        Ok(_) if bytes.len() as u64 > READ_MAX => Err(io::Error::other("larger than 1 MiB")),
        Ok(_) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn without_secrets(command: &mut Command) {
    for name in SECRET_VARIABLES {
        command.env_remove(name);
    }
}

fn shown(argv: &[&str]) -> String {
    shlex::try_join(argv.iter().copied()).unwrap_or_else(|_| argv.join(" "))
}

fn run_to_end(argv: &[&str]) -> Result<()> {
    let [program, arguments @ ..] = argv else {
        bail!("no program to run")
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    without_secrets(&mut command);
    // A file, not a pipe: a daemon that the program leaves behind may keep its output open.
    let status = command.stdout(Stdio::null()).status().with_context(|| {
        format!(
            "cannot run {program} (is it in the image, and in PATH={})",
            std::env::var("PATH").unwrap_or_default()
        )
    })?;
    if !status.success() {
        bail!("{} failed: {status}", shown(argv));
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
