//! What is measured against: a release on an nginx with TLS, over loopback and over a shaped link,
//! and the root folder of a board.

use crate::{output, run};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The sizes of the releases (MB).
pub const SIZES: [u64; 4] = [8, 10, 80, 250];
/// The size of the release that is there only for what does not depend on the size (MB). It has a
/// kilobyte.
pub const SMALL: u64 = 0;
const PORT: u16 = 18_460;
const LINK_SERVER: &str = "10.203.77.1";
const LINK_BOARD: &str = "10.203.77.2";
const TOKEN: &str =
    "K100000000000000000000000000000000000000000000000000000000000000000::server:bench";

/// The servers and files of a run. They end with this value.
pub struct Site {
    folder: tempfile::TempDir,
    servers: Vec<Child>,
    namespace: String,
}

impl Site {
    /// Makes the releases in memory and starts the servers. Without root there is no shaped link.
    pub fn start() -> Site {
        let folder = tempfile::tempdir_in("/dev/shm").expect("no folder in /dev/shm");
        let mut site = Site {
            folder,
            servers: Vec::new(),
            namespace: format!("muster-bench-{}", std::process::id()),
        };
        site.make_certificates();
        for size in SIZES.into_iter().chain([SMALL]) {
            site.make_release(size);
        }
        let config = format!(
            "daemon off; pid nginx.pid; worker_processes 1; error_log stderr crit;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; sendfile on; server {{ listen {PORT} ssl; root www;\n\
             ssl_certificate server.pem; ssl_certificate_key server.key; }} }}\n"
        );
        fs::write(site.path("nginx.conf"), config).unwrap();
        site.serve(&[], "127.0.0.1");
        if has_root() {
            site.make_link();
            let namespace = site.namespace.clone();
            site.serve(&["ip", "netns", "exec", &namespace], LINK_SERVER);
        }
        site
    }

    /// A path in the folder of this run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The mirror's URL over loopback.
    pub fn loopback(&self) -> String {
        format!("https://127.0.0.1:{PORT}")
    }

    /// The mirror's URL over a link of this rate, such as `100mbit`.
    pub fn link(&self, rate: &str) -> String {
        let ns = &self.namespace;
        run(&format!(
            "ip netns exec {ns} tc qdisc replace dev eth0 root tbf rate {rate} burst 256kb latency 50ms"
        ));
        format!("https://{LINK_SERVER}:{PORT}")
    }

    /// An empty root folder of a board, as a shell command that makes it anew.
    pub fn new_root(&self) -> String {
        self.new_root_at("root")
    }

    /// The same for the root folder with this name.
    pub fn new_root_at(&self, name: &str) -> String {
        let root = self.path(name);
        let (root, ca) = (root.display(), self.path("ca.pem"));
        format!(
            "rm -rf {root} && mkdir -p {root}/sys/class/net/eth0 {root}/etc/muster && \
             echo 52:54:00:12:34:56 >{root}/sys/class/net/eth0/address && \
             echo '{TOKEN}' >{root}/etc/muster/token && cp {} {root}/ca.pem",
            ca.display()
        )
    }

    fn make_certificates(&self) {
        let folder = self.folder.path().display();
        let names = format!("subjectAltName=IP:127.0.0.1,IP:{LINK_SERVER}");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        run(&format!(
            "cd {folder} && exec 2>/dev/null && \
             openssl req -x509 {key} -days 2 -subj /CN=bench -keyout ca.key -out ca.pem \
                 -addext basicConstraints=critical,CA:TRUE && \
             openssl req {key} -subj /CN=mirror -keyout server.key -out server.csr && \
             echo {names} >names && \
             openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
                 -extfile names -out server.pem"
        ));
    }

    fn make_release(&self, size: u64) {
        let folder = self.path("www").join(tag(size));
        fs::create_dir_all(&folder).unwrap();
        run(&format!(
            "cd {} && head -c {} /dev/urandom >k3s && sha256sum k3s >sha256sum-amd64.txt",
            folder.display(),
            (size * 1_000_000).max(1000)
        ));
    }

    fn make_link(&self) {
        let ns = &self.namespace;
        let board = format!("mb{}", std::process::id());
        run(&format!(
            "ip netns add {ns} && \
             ip link add {board} type veth peer name eth0 netns {ns} && \
             ip addr add {LINK_BOARD}/30 dev {board} && ip link set {board} up && \
             ip -n {ns} addr add {LINK_SERVER}/30 dev eth0 && ip -n {ns} link set eth0 up"
        ));
    }

    fn serve(&mut self, within: &[&str], address: &str) {
        let folder = self.folder.path().to_str().unwrap().to_string();
        let config = format!("{folder}/nginx.conf");
        let mut argv = within.to_vec();
        argv.extend(["nginx", "-p", &folder, "-c", &config]);
        let server = Command::new(argv[0])
            .args(&argv[1..])
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx cannot be started");
        self.servers.push(server);
        let url = format!("https://{address}:{PORT}/{}/sha256sum-amd64.txt", tag(8));
        let ca = self.path("ca.pem");
        let ready = || {
            let curl = ["curl", "-sf", "--cacert", ca.to_str().unwrap(), &url];
            output(&curl).contains("k3s")
        };
        for _attempt in 0..100 {
            if ready() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("nginx does not answer at {url}");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for server in &mut self.servers {
            // A SIGTERM, so that nginx ends its workers too.
            let _ = Command::new("kill").arg(server.id().to_string()).status();
            let _ = server.wait();
        }
        if has_root() {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.namespace])
                .status();
        }
    }
}

/// The tag of the release of this size (MB).
pub fn tag(size: u64) -> String {
    format!("v1.{size}.0+k3s1")
}

/// Whether this user may make network namespaces.
pub fn has_root() -> bool {
    nix::unistd::geteuid().is_root()
}
