//! A board made of namespaces on this machine.

use crate::spawn::KILLED_WITH_PARENT;
use crate::{BRIDGE, Board, Output, Overlay, PATIENCE, Services, Site, run, wait_for};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// A board on a site's segment, without a kernel, initramfs or OpenRC of its own.
pub struct NamespaceBoard<'a> {
    pub(crate) site: &'a Site,
    label: String,
    mac: String,
    /// The name of its network namespace.
    pub namespace: String,
    /// The site's end of its cable.
    pub port: String,
    pub(crate) folder: PathBuf,
    /// The size of its root, as tmpfs takes it.
    pub size: String,
    /// What its overlay is made from at the next power-on.
    pub overlay: Overlay,
    first_process: Option<Output>,
    /// The muster that was started by [`Board::power_on`].
    service: Option<Output>,
    powered_on_at: SystemTime,
}

impl<'a> NamespaceBoard<'a> {
    /// A board that is off. Its overlay names the site's k3s server, and its mirror behind that.
    pub fn new(site: &'a Site, mac: &str) -> NamespaceBoard<'a> {
        let number = site.next_board();
        let namespace = format!("{}b{number}", site.namespace);
        let port = format!("port{number}");
        run(&["ip", "netns", "add", &namespace]);
        run(&[
            "ip",
            "link",
            "add",
            &port,
            "netns",
            &site.namespace,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            &namespace,
        ]);
        run(&[
            "ip",
            "-n",
            &site.namespace,
            "link",
            "set",
            &port,
            "master",
            BRIDGE,
            "up",
        ]);
        run(&[
            "ip", "-n", &namespace, "link", "set", "eth0", "address", mac,
        ]);
        let folder = site.path(&format!("board{number}"));
        fs::create_dir(&folder).expect("a new folder");
        NamespaceBoard {
            site,
            label: format!("board{number}"),
            mac: mac.into(),
            namespace,
            port,
            folder,
            size: "300m".into(),
            overlay: site.overlay(),
            first_process: None,
            service: None,
            powered_on_at: SystemTime::UNIX_EPOCH,
        }
    }

    /// Powers the board on, from nothing but its overlay, and does not start muster.
    pub fn power_on_without_muster(&mut self) {
        self.power_off();
        let archive = self.site.archive(&self.overlay);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/power-on.sh");
        let mut command = Command::new(KILLED_WITH_PARENT[0]);
        command.args(&KILLED_WITH_PARENT[1..]);
        // muster can set the clock, which is this machine's: a board of the labs may not.
        command.args(["--inh-caps=-sys_time", "--bounding-set=-sys_time"]);
        command.args(["ip", "netns", "exec", &self.namespace, "unshare"]);
        command.args(["--mount", "--uts", "--pid", "--fork", "--kill-child"]);
        command.args(["sh", script]).arg(&self.folder).arg(archive);
        command.arg(&self.size);
        self.powered_on_at = SystemTime::now();
        let first = Output::follow(&mut command);
        first.wait_for("powered on");
        self.first_process = Some(first);
    }

    /// The board's processes, by this machine's numbers.
    pub fn pids(&self) -> Vec<u32> {
        let text = run(&["ip", "netns", "pids", &self.namespace]);
        text.split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect()
    }

    /// The board's processes whose command line holds `word`, and those command lines.
    pub fn processes(&self, word: &str) -> Vec<(u32, String)> {
        let command = |pid: u32| {
            let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            Some((
                pid,
                String::from_utf8_lossy(&bytes)
                    .replace('\0', " ")
                    .trim()
                    .to_string(),
            ))
        };
        self.pids()
            .into_iter()
            .filter_map(command)
            .filter(|(_, line)| line.contains(word))
            .collect()
    }

    /// A file of the board's, seen from here.
    pub fn path(&self, path: &str) -> PathBuf {
        Path::new("/proc")
            .join(self.first_pid())
            .join("root")
            .join(path.trim_start_matches('/'))
    }

    /// The board's root folder as `/proc` names it for this process: `/`, or a folder of another
    /// mount namespace when this process runs in a changed root.
    pub fn root_as_seen_from_here(&self) -> PathBuf {
        let link = Path::new("/proc").join(self.first_pid()).join("root");
        fs::read_link(link).expect("the board's root")
    }

    /// A command on the board, with the environment that a service has.
    pub fn command(&self, argv: &[&str]) -> Command {
        self.command_as(&[], argv)
    }

    /// The same, as a user without rights.
    pub fn command_as_nobody(&self, argv: &[&str]) -> Command {
        self.command_as(&["--setuid", "65534", "--setgid", "65534"], argv)
    }

    fn command_as(&self, user: &[&str], argv: &[&str]) -> Command {
        let pid = self.first_pid();
        let mut command = Command::new("setpriv");
        command.args([
            "--inh-caps=-sys_time",
            "--bounding-set=-sys_time",
            "nsenter",
            "--target",
            &pid,
        ]);
        command
            .args(["--mount", "--uts", "--net", "--pid", "--root", "--wd"])
            .args(user)
            .args(argv);
        command.env_clear().env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        );
        command
    }

    /// The board's first process, by this machine's number.
    fn first_pid(&self) -> String {
        let outer = self.first_process.as_ref().expect("the board is on").pid();
        // `unshare` waits outside for the first process, its only child.
        let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"))
            .expect("the first process");
        children
            .split_whitespace()
            .next()
            .expect("the first process")
            .into()
    }

    /// Runs a command on the board to its end; returns what it printed.
    pub fn run(&self, argv: &[&str]) -> String {
        let output = self.command(argv).output().expect("a command on the board");
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            output.status.success(),
            "{argv:?}: {}: {out}{err}",
            output.status
        );
        out.into_owned()
    }

    /// Runs muster to its end, by hand. Returns its log.
    pub fn run_muster(&self, arguments: &[&str]) -> String {
        let mut output = self.boot(arguments);
        let status = output.end();
        assert!(status.success(), "{arguments:?}: {}", output.text());
        output.text()
    }

    /// Starts muster as OpenRC would.
    pub fn boot(&self, arguments: &[&str]) -> Output {
        Output::follow(&mut self.command(&[&["/usr/sbin/muster"], arguments].concat()))
    }

    /// The running muster, or what it became, by this machine's numbers; `None` when it has ended.
    pub fn host_muster_pid(&self) -> Option<u32> {
        // `nsenter` keeps the command in its own arguments, and waits outside of the board's PID namespace.
        let is_it = |line: &str| {
            line.starts_with("/usr/sbin/muster") || line.starts_with("/usr/local/bin/k3s")
        };
        self.processes("")
            .into_iter()
            .find(|(_, line)| is_it(line))
            .map(|(pid, _)| pid)
    }

    /// Waits until the server has heard this boot's node after `since` and has it Ready.
    pub fn wait_joined(&self, boot: &Output, since: SystemTime) {
        let ended = || boot.has_ended().then(|| boot.text());
        self.site.wait_joined(&self.name(), since, ended);
    }

    /// Boots, and waits until the server has the node Ready. What is returned is `k3s agent` by then.
    pub fn boot_to_joined(&self) -> Output {
        let since = SystemTime::now();
        let boot = self.boot(&[]);
        self.wait_joined(&boot, since);
        boot
    }
}

impl Board for NamespaceBoard<'_> {
    fn site(&self) -> &Site {
        self.site
    }

    fn label(&self) -> &str {
        &self.label
    }

    fn mac(&self) -> &str {
        &self.mac
    }

    fn overlay(&mut self) -> &mut Overlay {
        &mut self.overlay
    }

    fn power_on(&mut self) {
        self.power_on_without_muster();
        self.service = Some(self.boot(&[]));
    }

    fn power_off(&mut self) {
        if let Some(mut first) = self.first_process.take() {
            first.kill();
            self.service = None;
            wait_for("the board's processes to end", PATIENCE, || {
                self.pids().is_empty().then_some(())
            });
            for link in ["eth0", "lo"] {
                run(&["ip", "-n", &self.namespace, "link", "set", link, "down"]);
                run(&["ip", "-n", &self.namespace, "addr", "flush", "dev", link]);
            }
        }
    }

    fn powered_on_at(&self) -> SystemTime {
        self.powered_on_at
    }

    fn console(&self) -> &Output {
        self.service.as_ref().expect("the board is on")
    }

    fn log(&self) -> String {
        self.console().text()
    }

    fn try_shell(&self, script: &str) -> (i32, String) {
        let output = self.command(&["sh", "-c", script]).output();
        let output = output.expect("a command on the board");
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    fn read(&self, path: &str) -> Option<String> {
        let bytes = fs::read(self.path(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn muster_pid(&self) -> Option<u32> {
        let status = format!("/proc/{}/status", self.host_muster_pid()?);
        let status = fs::read_to_string(status).ok()?;
        // This machine's number comes first, the board's last.
        let line = status.lines().find(|line| line.starts_with("NSpid:"))?;
        line.split_whitespace().last()?.parse().ok()
    }

    fn services(&self) -> Services {
        let state = self.muster_pid().map_or("stopped", |_| "started");
        Services::of(format!("muster {state}"))
    }

    fn log_in(&self) -> Services {
        self.services()
    }
}

impl Drop for NamespaceBoard<'_> {
    fn drop(&mut self) {
        self.first_process = None;
        run(&["ip", "netns", "del", &self.namespace]);
    }
}
