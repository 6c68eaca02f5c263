//! The site: one segment with its services, in a network namespace of its own.

use crate::isolation::{log_folder, remove_left_namespaces, take_slot};
use crate::tools::{board_k3s, run, text};
use crate::{Board, Kind, MachineBoard, NamespaceBoard, Output, Overlay, Service, tree};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The site's own address where there is IPv4.
pub const ADDRESS: &str = "10.11.0.1";
/// The site's own address where there is no IPv4.
pub const ADDRESS_V6: &str = "fd11::1";
/// The site's own interface, a bridge with all boards' cables.
pub const BRIDGE: &str = "lan0";
/// The bridge's MAC address. Without one of its own, a bridge takes the lowest of its ports' addresses, and changes it when that
/// port goes: the other boards then send to the old address until their kernels ask again.
const BRIDGE_MAC: &str = "02:00:00:0b:00:01";
/// How a site is laid out.
#[derive(Clone, Debug)]
pub struct Options {
    /// What its boards are made of.
    pub kind: Kind,
    /// Services that are not started with the site.
    pub without: Vec<Service>,
    /// Whether dnsmasq serves DHCP too.
    pub dhcp: bool,
    /// Whether the site has IPv6 and no IPv4. dnsmasq is then the router, which advertises itself, the
    /// prefix and the DNS server. It has no DHCP.
    pub ipv6_only: bool,
    /// The names that have the site's address in the DNS of a site without machines.
    pub names: &'static str,
    /// More of dnsmasq's configuration, lines as in its file.
    pub dnsmasq: String,
    /// More of the mirror's nginx configuration.
    pub nginx: String,
    /// Bytes that the k3s of the release is padded to; 0: as it is.
    pub k3s_size: u64,
    /// Environment of the k3s server, which only the stand-in knows.
    pub server: Vec<(String, String)>,
    /// The Alpine release that machines boot; `None`: `ALPINE`, else the one that the labs build.
    pub release: Option<PathBuf>,
}

impl Options {
    /// The usual site for boards of this kind.
    pub fn of(kind: Kind) -> Options {
        Options {
            kind,
            without: match kind {
                // Namespace boards share this machine's clock and boot without a web server.
                Kind::Namespace => vec![Service::Time, Service::Web],
                Kind::Machine => Vec::new(),
            },
            dhcp: true,
            ipv6_only: false,
            names: "k3s.lan,mirror.lan",
            dnsmasq: String::new(),
            nginx: String::new(),
            k3s_size: match kind {
                Kind::Namespace => 0,
                // As big as a real one.
                Kind::Machine => 80 << 20,
            },
            server: Vec::new(),
            release: None,
        }
    }
}

impl Default for Options {
    /// The usual site for namespace boards.
    fn default() -> Options {
        Options::of(Kind::Namespace)
    }
}

/// A running site.
pub struct Site {
    /// The name of its network namespace.
    pub namespace: String,
    pub(crate) options: Options,
    folder: tempfile::TempDir,
    logs: PathBuf,
    pub(crate) services: Mutex<BTreeMap<Service, Output>>,
    /// What follows the heartbeats of the nodes while the k3s server runs.
    pub(crate) heartbeats: Mutex<Option<Output>>,
    pub(crate) archives: Mutex<BTreeMap<Overlay, PathBuf>>,
    boards: AtomicU32,
    /// Whether dnsmasq refuses each lease that it has offered.
    pub(crate) refuses_leases: AtomicBool,
    /// Held while the site lives.
    _slot: Option<File>,
}

impl Site {
    /// Makes the network and starts the services.
    pub fn new(options: Options) -> Site {
        static SITES: AtomicU32 = AtomicU32::new(0);
        let number = SITES.fetch_add(1, Ordering::Relaxed);
        remove_left_namespaces();
        let slot = (options.kind == Kind::Machine).then(take_slot);
        let folder = tempfile::Builder::new()
            .prefix("muster-labs-")
            .tempdir()
            .expect("a temporary folder");
        let site = Site {
            namespace: format!("mst{}s{number}", std::process::id()),
            options,
            folder,
            logs: log_folder(),
            services: Mutex::default(),
            heartbeats: Mutex::default(),
            archives: Mutex::default(),
            boards: AtomicU32::new(0),
            refuses_leases: AtomicBool::new(false),
            _slot: slot,
        };
        run(&["ip", "netns", "add", &site.namespace]);
        site.ip(&["link", "set", "lo", "up"]);
        site.ip(&[
            "link",
            "add",
            BRIDGE,
            "address",
            BRIDGE_MAC,
            "type",
            "bridge",
            "forward_delay",
            "0",
        ]);
        if site.options.ipv6_only {
            // Boards take no default route from a host that does not forward packets.
            let argv = ["netns", "exec", &site.namespace, "sysctl", "-qw"];
            let forward = ["net.ipv6.conf.all.forwarding=1"];
            run(&[&["ip"], &argv[..], &forward].concat());
        }
        // Without nodad the services could not use the IPv6 address for a second.
        let (length, options): (_, &[&str]) = match site.options.ipv6_only {
            true => (64, &["nodad"]),
            false => (24, &[]),
        };
        let address = format!("{}/{length}", site.address());
        site.ip(&[&["addr", "add", &address, "dev", BRIDGE], options].concat());
        site.ip(&["link", "set", BRIDGE, "up"]);
        site.fill_mirror();
        site.make_certificates();
        if site.kind() == Kind::Machine {
            site.fill_server();
        }
        // The server comes first: the overlay, which the tree holds, needs its token.
        if site.runs(Service::Server) {
            site.start(Service::Server);
        }
        if site.kind() == Kind::Machine {
            tree::lay_out(&site);
        }
        let services = [Service::Dhcp, Service::Mirror, Service::Web, Service::Time];
        for service in services {
            if site.runs(service) {
                site.start(service);
            }
        }
        site
    }

    /// Whether a service is started with the site.
    pub(crate) fn runs(&self, service: Service) -> bool {
        !self.options.without.contains(&service)
    }

    /// The site's own address; every service listens here.
    pub fn address(&self) -> &'static str {
        match self.options.ipv6_only {
            true => ADDRESS_V6,
            false => ADDRESS,
        }
    }

    /// The site's own address, as a URL and nginx have it.
    pub fn url_address(&self) -> String {
        match self.options.ipv6_only {
            true => format!("[{ADDRESS_V6}]"),
            false => ADDRESS.into(),
        }
    }

    /// What the site's boards are made of.
    pub fn kind(&self) -> Kind {
        self.options.kind
    }

    /// The nth board of this site, off.
    pub fn board(&self, number: u8) -> Box<dyn Board + Send + '_> {
        let mac = Site::mac(number);
        match self.kind() {
            Kind::Namespace => Box::new(NamespaceBoard::new(self, &mac)),
            Kind::Machine => Box::new(MachineBoard::new(self, &mac)),
        }
    }

    /// The nth board's MAC address.
    pub fn mac(number: u8) -> String {
        format!("52:54:00:12:34:{:02x}", 0x55 + number)
    }

    pub fn ip(&self, arguments: &[&str]) {
        run(&[&["ip", "-n", &self.namespace], arguments].concat());
    }

    /// A number for the next board's names.
    pub(crate) fn next_board(&self) -> u32 {
        self.boards.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A file of the site's, which is gone with it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// A file that is kept after the test, in `logs/<test>` of the cache.
    pub fn log_path(&self, name: &str) -> PathBuf {
        self.logs.join(name)
    }

    /// A command inside the site's network. It is killed when this process ends.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(crate::spawn::KILLED_WITH_PARENT[0]);
        command.args(&crate::spawn::KILLED_WITH_PARENT[1..]);
        command.args(["ip", "netns", "exec", &self.namespace, program]);
        command
    }

    /// The k3s server, as boards name it.
    pub fn server_url(&self) -> String {
        "https://k3s.lan:6443".into()
    }

    /// The release mirror, as boards name it.
    pub fn mirror_url(&self) -> String {
        "https://mirror.lan:8443/k3s".into()
    }

    /// The release's names for the boards' k3s and its sums file.
    pub fn assets(&self) -> (&'static str, &'static str) {
        match self.kind() {
            Kind::Namespace => ("k3s", "sha256sum-amd64.txt"),
            Kind::Machine => ("k3s-arm64", "sha256sum-arm64.txt"),
        }
    }

    /// The release's name for the boards' image archive.
    pub fn images(&self) -> &'static str {
        match self.kind() {
            Kind::Namespace => "k3s-airgap-images-amd64.tar.zst",
            Kind::Machine => "k3s-airgap-images-arm64.tar.zst",
        }
    }

    /// Adds an image archive with this content to the release on the mirror.
    pub fn add_images(&self, content: &[u8]) {
        let file = self.release(false).join(self.images());
        fs::write(file, content).expect("the image archive");
        self.write_sums();
    }

    /// The folder of the release on the mirror, or on the k3s server itself.
    pub fn release(&self, on_server: bool) -> PathBuf {
        let base = if on_server {
            "k3s/server/static/k3s"
        } else {
            "mirror/k3s"
        };
        self.path(base).join(self.tag())
    }

    /// Puts the mirror's release on the k3s server too.
    pub fn fill_server(&self) {
        copy_all(&self.release(false), &self.release(true));
    }

    fn fill_mirror(&self) {
        let release = self.release(false);
        fs::create_dir_all(&release).expect("the mirror's folder");
        let binary = release.join(self.assets().0);
        fs::copy(board_k3s(self.kind()), &binary).expect("a copy of k3s");
        let size = fs::metadata(&binary).expect("k3s").len();
        if self.options.k3s_size > size {
            // Bytes behind an ELF's sections are no part of the program.
            let file = File::options().write(true).open(&binary).expect("k3s");
            file.set_len(self.options.k3s_size).expect("room for k3s");
        }
        self.write_sums();
    }

    /// Writes the sums file anew for the files of the release that are on the mirror.
    pub fn write_sums(&self) {
        let (release, (_, sums)) = (self.release(false), self.assets());
        let script = format!("cd '{}' && sha256sum k3s* >{sums}", text(&release));
        run(&["sh", "-c", &script]);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        *self.heartbeats.get_mut().unwrap() = None;
        self.services.get_mut().unwrap().clear();
        // Whatever else runs in the namespace, such as a capture, goes by its pid.
        for pid in run(&["ip", "netns", "pids", &self.namespace]).split_whitespace() {
            let _ = Command::new("kill").args(["-9", pid]).status();
        }
        run(&["ip", "netns", "del", &self.namespace]);
    }
}

/// Copies the files of a folder into another.
pub(crate) fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("a folder");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
    }
}
