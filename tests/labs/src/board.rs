//! A diskless board: it has a MAC address and a cable; all else it gets at power-on.

use crate::site::Site;
use crate::{Output, PATIENCE, muster, run, wait_for};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A board on a site's segment.
pub struct Board<'a> {
    site: &'a Site,
    pub mac: String,
    namespace: String,
    /// The site's end of its cable.
    pub port: String,
    folder: PathBuf,
    /// The size of its root, as tmpfs takes it.
    pub size: String,
    /// Lines of `/etc/conf.d/muster`.
    pub conf: Vec<String>,
    /// What the overlay holds as the join token; `None`: no such file.
    pub token: Option<String>,
    /// More files of the overlay: path, text, mode.
    pub files: Vec<(String, String, u32)>,
    first_process: Option<Output>,
}

impl<'a> Board<'a> {
    /// A board that is off. Its overlay names the site's k3s server, and its mirror behind that.
    pub fn new(site: &'a Site, mac: &str) -> Board<'a> {
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
            "br0",
            "up",
        ]);
        run(&[
            "ip", "-n", &namespace, "link", "set", "eth0", "address", mac,
        ]);
        let folder = site.path(&format!("board{number}"));
        let conf = vec![
            format!("K3S_URL=\"{}\"", site.server_url()),
            format!("MUSTER_MIRRORS=\"server {}\"", site.mirror_url()),
            "SSL_CERT_FILE=\"/etc/muster/mirror-ca.pem\"".into(),
            "MUSTER_NTP=\"no\"".into(),
            "MUSTER_LOG=\"effect=debug,info\"".into(),
        ];
        let token = Some(site.token());
        Board {
            site,
            mac: mac.into(),
            namespace,
            port,
            folder,
            size: "300m".into(),
            conf,
            token,
            files: Vec::new(),
            first_process: None,
        }
    }

    /// The name that the board must give itself, by the real shell pipeline.
    pub fn name(&self) -> String {
        let script = "echo \"$0\" | sha1sum | head -c 6 | awk '{print \"worker-\" $0}'";
        run(&["sh", "-c", script, &self.mac]).trim().into()
    }

    /// Powers the board on, from nothing but its overlay.
    pub fn power_on(&mut self) {
        self.power_off();
        self.write_overlay();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/power-on.sh");
        let mut command = Command::new("ip");
        // muster can set the clock, which is this machine's: a board of the lab may not.
        command.args([
            "netns",
            "exec",
            &self.namespace,
            "setpriv",
            "--inh-caps=-sys_time",
            "--bounding-set=-sys_time",
        ]);
        command
            .args([
                "unshare",
                "--mount",
                "--uts",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                script,
            ])
            .arg(&self.folder)
            .arg(&self.size);
        let mut first = Output::follow(&mut command);
        first.wait_for("powered on");
        self.first_process = Some(first);
    }

    /// Powers the board off: whatever ran ends at once, and whatever it had is gone.
    pub fn power_off(&mut self) {
        if let Some(mut first) = self.first_process.take() {
            first.kill();
            wait_for("the board's processes to end", PATIENCE, || {
                self.pids().is_empty().then_some(())
            });
            for link in ["eth0", "lo"] {
                run(&["ip", "-n", &self.namespace, "link", "set", link, "down"]);
                run(&["ip", "-n", &self.namespace, "addr", "flush", "dev", link]);
            }
        }
    }

    fn write_overlay(&self) {
        let overlay = self.folder.join("overlay");
        if overlay.exists() {
            fs::remove_dir_all(&overlay).expect("the old overlay");
        }
        let put = |path: &str, bytes: &[u8], mode: u32| {
            let path = overlay.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("the overlay");
            fs::write(&path, bytes).expect("the overlay");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("the overlay");
        };
        put(
            "usr/sbin/muster",
            &fs::read(muster()).expect("muster"),
            0o755,
        );
        put(
            "etc/conf.d/muster",
            format!("{}\n", self.conf.join("\n")).as_bytes(),
            0o644,
        );
        put(
            "etc/muster/mirror-ca.pem",
            &fs::read(self.site.mirror_ca()).expect("the mirror's CA"),
            0o644,
        );
        if let Some(token) = &self.token {
            put("etc/muster/token", format!("{token}\n").as_bytes(), 0o600);
        }
        for (path, text, mode) in &self.files {
            put(path, text.as_bytes(), *mode);
        }
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

    pub fn read(&self, path: &str) -> Option<String> {
        fs::read(self.path(path))
            .ok()
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
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

    /// Starts muster as OpenRC would.
    pub fn boot(&self, arguments: &[&str]) -> Output {
        Output::follow(&mut self.command(&[&["/usr/sbin/muster"], arguments].concat()))
    }

    /// The running muster, or what it became; `None` when it has ended.
    pub fn muster_pid(&self) -> Option<u32> {
        // `nsenter` keeps the command in its own arguments, and waits outside of the board's PID namespace.
        let is_it = |line: &str| {
            line.starts_with("/usr/sbin/muster") || line.starts_with("/usr/local/bin/k3s")
        };
        self.processes("")
            .into_iter()
            .find(|(_, line)| is_it(line))
            .map(|(pid, _)| pid)
    }

    /// Boots, and waits until the server has the node Ready. What is returned is `k3s agent` by then.
    pub fn boot_to_joined(&self) -> Output {
        let mut boot = self.boot(&[]);
        boot.wait_for("joined as");
        self.site.wait_ready(&self.name());
        boot
    }

    /// Captures what passes the board's cable, from now on.
    pub fn capture(&self) -> Capture {
        let file = self.folder.with_extension("pcap");
        let mut command = self.site.command("tcpdump");
        command
            .args(["-i", &self.port, "-U", "--immediate-mode", "-Q", "in", "-w"])
            .arg(&file);
        let mut tcpdump = Output::follow(&mut command);
        tcpdump.wait_for("listening on");
        Capture { file, tcpdump }
    }
}

impl Drop for Board<'_> {
    fn drop(&mut self) {
        self.first_process = None;
        run(&["ip", "netns", "del", &self.namespace]);
    }
}

/// The frames that a board sent.
pub struct Capture {
    file: PathBuf,
    tcpdump: Output,
}

impl Capture {
    /// Ends the capture; the frames as tcpdump prints them, with seconds since 1970 in front.
    pub fn frames(mut self) -> String {
        run(&["kill", "-INT", &self.tcpdump_pid().to_string()]);
        self.tcpdump.end();
        run(&[
            "tcpdump",
            "-r",
            self.file.to_str().expect("a plain path"),
            "-n",
            "-e",
            "-v",
            "-tt",
        ])
    }

    /// `ip netns exec` becomes the program it runs.
    fn tcpdump_pid(&self) -> u32 {
        self.tcpdump.pid()
    }
}
