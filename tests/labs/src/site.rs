//! The site: one segment with a DHCP and DNS server, a release mirror and a k3s server on it.

use crate::{Output, PATIENCE, k3s, run, wait_for};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// The site's own address; every service listens here.
pub const ADDRESS: &str = "10.77.0.1";
/// The release that the stand-in runs.
const TAG: &str = "v1.34.1+k3s1";

/// How a site is laid out.
#[derive(Clone, Debug)]
pub struct Options {
    /// More of dnsmasq's configuration, lines as in its file.
    pub dnsmasq: String,
    pub dhcp: bool,
    /// More of the nginx server's configuration.
    pub nginx: String,
    /// Bytes that the k3s on the mirror is padded to; 0: as it is.
    pub k3s_size: u64,
    /// Environment of the k3s server.
    pub server: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            dnsmasq: String::new(),
            dhcp: true,
            nginx: String::new(),
            k3s_size: 0,
            server: Vec::new(),
        }
    }
}

/// A running site.
pub struct Site {
    pub namespace: String,
    folder: tempfile::TempDir,
    options: Options,
    /// Replaced while boards are on.
    dnsmasq: Mutex<Option<Output>>,
    nginx: Option<Output>,
    server: Option<Output>,
    boards: AtomicU32,
}

impl Site {
    pub fn new(options: Options) -> Site {
        static SITES: AtomicU32 = AtomicU32::new(0);
        let namespace = format!(
            "mst{}s{}",
            std::process::id(),
            SITES.fetch_add(1, Ordering::Relaxed)
        );
        let folder = tempfile::Builder::new()
            .prefix("muster-labs-")
            .tempdir()
            .expect("a temporary folder");
        run(&["ip", "netns", "add", &namespace]);
        let (dnsmasq, boards) = (Mutex::default(), AtomicU32::new(0));
        let mut site = Site {
            namespace,
            folder,
            options,
            dnsmasq,
            nginx: None,
            server: None,
            boards,
        };
        site.ip(&["link", "set", "lo", "up"]);
        site.ip(&["link", "add", "br0", "type", "bridge"]);
        site.ip(&["addr", "add", &format!("{ADDRESS}/24"), "dev", "br0"]);
        site.ip(&["link", "set", "br0", "up"]);
        site.start_dnsmasq(site.options.dhcp);
        site.fill_mirror();
        site.start_nginx();
        site.start_server();
        site
    }

    fn ip(&self, arguments: &[&str]) {
        run(&[&["ip", "-n", &self.namespace], arguments].concat());
    }

    /// A number for the next board's names.
    pub(crate) fn next_board(&self) -> u32 {
        self.boards.fetch_add(1, Ordering::Relaxed)
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn server_url(&self) -> String {
        format!("https://{ADDRESS}:6443")
    }

    pub fn mirror_url(&self) -> String {
        "https://mirror.lab:8443/k3s".into()
    }

    /// The join token.
    pub fn token(&self) -> String {
        fs::read_to_string(self.path("k3s/server/node-token"))
            .expect("the server's token")
            .trim()
            .into()
    }

    /// The folder of the release on the mirror, or on the k3s server itself.
    pub fn release(&self, on_server: bool) -> PathBuf {
        self.path(if on_server {
            "k3s/server/static/k3s"
        } else {
            "mirror/k3s"
        })
        .join(TAG)
    }

    /// Puts the release on the k3s server too.
    pub fn fill_server(&self) {
        let (from, to) = (self.release(false), self.release(true));
        fs::create_dir_all(&to).expect("the server's static folder");
        for entry in fs::read_dir(from).expect("the mirror") {
            let entry = entry.expect("the mirror");
            fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy of the release");
        }
    }

    fn fill_mirror(&self) {
        let release = self.release(false);
        fs::create_dir_all(&release).expect("the mirror's folder");
        let binary = release.join("k3s");
        fs::copy(k3s(), &binary).expect("a copy of k3s");
        let size = fs::metadata(&binary).expect("k3s").len();
        if self.options.k3s_size > size {
            // Bytes behind an ELF's sections are no part of the program.
            let file = fs::OpenOptions::new()
                .write(true)
                .open(&binary)
                .expect("k3s");
            file.set_len(self.options.k3s_size).expect("room for k3s");
        }
        self.write_sums();
    }

    /// Writes the sums file anew for the k3s that is on the mirror.
    pub fn write_sums(&self) {
        let release = self.release(false);
        let folder = release.to_str().expect("a plain path");
        let sums = run(&["sh", "-c", &format!("cd '{folder}' && sha256sum k3s")]);
        fs::write(release.join("sha256sum-amd64.txt"), sums).expect("the sums file");
    }

    /// A command inside the site's network.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]);
        command
    }

    fn start_dnsmasq(&self, dhcp: bool) {
        let mut running = self.dnsmasq.lock().unwrap();
        // Its port must be free first.
        *running = None;
        let leases = self.path("leases");
        let lines = "dhcp-range=10.77.0.50,10.77.0.250,255.255.255.0,1h\ndhcp-option=option:router,10.77.0.1\n\
            dhcp-option=option:dns-server,10.77.0.1\ndhcp-authoritative\n";
        let text = format!(
            "interface=br0\nexcept-interface=lo\nbind-interfaces\nno-resolv\nno-hosts\nno-ping\nlog-dhcp\nuser=root\npid-file=\n\
             dhcp-leasefile={}\nlocal=/lab/\nhost-record=mirror.lab,{ADDRESS}\nhost-record=k3s.lab,{ADDRESS}\n{}{}",
            leases.display(),
            if dhcp { lines } else { "" },
            self.options.dnsmasq,
        );
        let file = self.path("dnsmasq.conf");
        fs::write(&file, text).expect("dnsmasq's configuration");
        let mut command = self.command("dnsmasq");
        command
            .args(["--keep-in-foreground", "--log-facility=-"])
            .arg(format!("--conf-file={}", file.display()));
        let mut dnsmasq = Output::follow(&mut command);
        dnsmasq.wait_for("started");
        *running = Some(dnsmasq);
    }

    /// Has a site that had no DHCP server get one.
    pub fn offer_dhcp(&self) {
        self.start_dnsmasq(true);
    }

    pub fn dnsmasq_log(&self) -> String {
        self.dnsmasq
            .lock()
            .unwrap()
            .as_ref()
            .map(Output::text)
            .unwrap_or_default()
    }

    /// The CA of the mirror, in PEM.
    pub fn mirror_ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    fn start_nginx(&mut self) {
        let folder = self
            .folder
            .path()
            .to_str()
            .expect("a plain path")
            .to_string();
        let script = r#"set -e
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=lab mirror CA" -keyout ca.key -out ca.pem
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=mirror.lab" -keyout mirror.key -out mirror.csr
            printf 'subjectAltName=DNS:mirror.lab\nbasicConstraints=CA:FALSE\n' > mirror.ext
            openssl x509 -req -in mirror.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile mirror.ext -out mirror.pem"#;
        run(&[
            "sh",
            "-c",
            &format!("cd '{folder}' && {script} 2>openssl.log"),
        ]);
        let text = format!(
            "daemon off;\nuser root;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx-error.log;\nevents {{}}\n\
             http {{\n  access_log {folder}/nginx.log;\n  client_body_temp_path {folder}/t1;\n  proxy_temp_path {folder}/t2;\n\
             fastcgi_temp_path {folder}/t3;\n  uwsgi_temp_path {folder}/t4;\n  scgi_temp_path {folder}/t5;\n\
             server {{\n    listen {ADDRESS}:8443 ssl;\n    ssl_certificate {folder}/mirror.pem;\n    ssl_certificate_key {folder}/mirror.key;\n\
             root {folder}/mirror;\n{}\n  }}\n}}\n",
            self.options.nginx
        );
        let file = self.path("nginx.conf");
        fs::write(&file, text).expect("nginx's configuration");
        // It reads as other users do where it drops its rights.
        run(&["chmod", "755", &folder]);
        let mut command = self.command("nginx");
        command.arg("-c").arg(file);
        self.nginx = Some(Output::follow(&mut command));
        self.wait_for_port(8443);
    }

    /// The paths that the mirror was asked for, with the status and the bytes of body sent.
    pub fn mirror_requests(&self) -> Vec<(String, u16, u64)> {
        let log = fs::read_to_string(self.path("nginx.log")).unwrap_or_default();
        let request = |line: &str| {
            let (_, rest) = line.split_once("\"GET ")?;
            let (path, rest) = rest.split_once(' ')?;
            let mut numbers = rest.split_once("\" ")?.1.split(' ');
            Some((
                path.to_string(),
                numbers.next()?.parse().ok()?,
                numbers.next()?.parse().ok()?,
            ))
        };
        log.lines().filter_map(request).collect()
    }

    pub fn start_server(&mut self) {
        let mut command = self.command(k3s().to_str().expect("a plain path"));
        command
            .arg("server")
            .arg("--data-dir")
            .arg(self.path("k3s"));
        command.args([
            "--bind-address",
            ADDRESS,
            "--https-listen-port",
            "6443",
            "--tls-san",
            "k3s.lab",
            "--disable-agent",
        ]);
        command.envs(
            self.options
                .server
                .iter()
                .map(|(name, value)| (name, value)),
        );
        self.server = Some(Output::follow(&mut command));
        let token = self.path("k3s/server/node-token");
        wait_for("the k3s server's token", PATIENCE, || {
            token.exists().then_some(())
        });
        self.wait_for_port(6443);
    }

    pub fn stop_server(&mut self) {
        self.server = None;
    }

    fn wait_for_port(&self, port: u16) {
        let port = format!("sport = :{port}");
        wait_for("a server that listens", PATIENCE, || {
            (!run(&["ip", "netns", "exec", &self.namespace, "ss", "-Hltn", &port]).is_empty())
                .then_some(())
        });
    }

    /// What the k3s server was asked: lines of `<unix ms> <client> <method> <path> <status> <node>`.
    pub fn server_requests(&self) -> Vec<String> {
        let log = fs::read_to_string(self.path("k3s/requests.log")).unwrap_or_default();
        log.lines().map(String::from).collect()
    }

    /// The server's nodes, as `kubectl get nodes` prints them.
    pub fn nodes(&self) -> Vec<String> {
        self.kubectl(&["get", "nodes", "--no-headers"])
            .lines()
            .map(String::from)
            .collect()
    }

    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self
            .command(k3s().to_str().expect("a plain path"))
            .arg("kubectl")
            .args(arguments)
            .env("K3S_DATA_DIR", self.path("k3s"))
            .output();
        let output = output.expect("kubectl");
        assert!(
            output.status.success(),
            "kubectl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the server has this node Ready.
    pub fn wait_ready(&self, name: &str) {
        wait_for(&format!("{name} to be Ready"), PATIENCE, || {
            self.nodes()
                .iter()
                .any(|line| line.starts_with(name) && line.contains(" Ready"))
                .then_some(())
        });
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server = None;
        self.nginx = None;
        *self.dnsmasq.get_mut().unwrap() = None;
        // Whatever else runs in the namespace, a nginx worker or a capture, goes by its pid.
        for pid in run(&["ip", "netns", "pids", &self.namespace]).split_whitespace() {
            let _ = Command::new("kill").args(["-9", pid]).status();
        }
        run(&["ip", "netns", "del", &self.namespace]);
    }
}
