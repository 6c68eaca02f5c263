//! Defines the paths of the files that muster writes on a node, and of the configuration that it
//! reads. The paths of files that the kernel provides are not defined here.
//!
//! A test compares the files in [`WRITTEN`] with the table in `docs/design.md`.

/// A file that muster or its DHCP script writes: its path and its permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeFile {
    /// The absolute path, before `--root` is put in front of it.
    pub path: &'static str,
    /// The permission bits, as `chmod` takes them.
    pub mode: u32,
}

const fn file(path: &'static str, mode: u32) -> NodeFile {
    NodeFile { path, mode }
}

/// The settings file, read by muster itself and sourced by OpenRC.
pub const CONF: &str = "/etc/conf.d/muster";
/// The default of `K3S_TOKEN_FILE`.
pub const TOKEN: &str = "/etc/muster/token";
/// The folder of per-node k3s configuration, one `<hostname>.yaml` for each node.
pub const NODES: &str = "/etc/muster/nodes";
/// The default of `INSTALL_K3S_BIN_DIR`.
pub const BIN_DIR: &str = "/usr/local/bin";
/// The default of `K3S_DATA_DIR`.
pub const DATA_DIR: &str = "/var/lib/rancher/k3s";

/// The hostname, for the `hostname` service.
pub const HOSTNAME: NodeFile = file("/etc/hostname", 0o644);
/// The names of IP addresses (hosts(5)). muster writes one line of this file, and the usual lines
/// for localhost if the file is empty.
pub const HOSTS: NodeFile = file("/etc/hosts", 0o644);
/// The machine id (machine-id(5)).
pub const MACHINE_ID: NodeFile = file("/etc/machine-id", 0o444);
/// The resolver configuration. The DHCP script writes it; muster writes it when the DNS servers
/// come from a router advertisement.
pub const RESOLV_CONF: NodeFile = file("/etc/resolv.conf", 0o644);
/// The script that udhcpc runs at each DHCP event.
pub const DHCP_SCRIPT: NodeFile = file("/etc/udhcpc/muster.script", 0o755);
/// Where k3s reads the node password (k3s, `pkg/agent/config`).
pub const NODE_PASSWORD: NodeFile = file("/etc/rancher/node/password", 0o600);
/// The default of `K3S_CONFIG_FILE`. k3s's agent reads this file, and then the `.yaml` and `.yml`
/// files in the folder `/etc/rancher/k3s/config.yaml.d`, in the order of their names.
pub const K3S_CONFIG: &str = "/etc/rancher/k3s/config.yaml";
/// The symbolic link to the node's own k3s configuration in [`NODES`]. It is in the folder of files
/// that the agent reads after [`K3S_CONFIG`].
pub const NODE_CONFIG: &str = "/etc/rancher/k3s/config.yaml.d/50-node.yaml";
/// The file name of [`NODE_CONFIG`]. When the agent reads another file `<file>` in place of
/// [`K3S_CONFIG`], the link is in the folder `<file>.d`.
pub const NODE_CONFIG_NAME: &str = "50-node.yaml";
/// A token that was not given in a file is written here for k3s, because every user can read the
/// arguments of k3s, and every program that k3s starts inherits the environment of k3s.
pub const RUN_TOKEN: NodeFile = file("/run/muster/token", 0o600);
/// What `muster status` shows. Every user may read it, so it holds no secret.
pub const STATUS: NodeFile = file("/run/muster/status.json", 0o644);
/// The release and the digest of the k3s that this boot verified. With this file, a restart of k3s
/// sends no request to a mirror.
pub const VERIFIED: NodeFile = file("/run/muster/k3s.json", 0o644);
/// The release and the digest of the image archive that this boot verified.
pub const VERIFIED_IMAGES: NodeFile = file("/run/muster/images.json", 0o644);
/// The node's identity and the k3s that it runs in this boot. With this file, a restart of k3s
/// sends no network request.
pub const RECORD: NodeFile = file("/run/muster/boot.json", 0o600);
/// The time of the last start of k3s, and how many times in a row k3s ended soon after its start.
pub const STARTS: NodeFile = file("/run/muster/starts.json", 0o600);
/// The time of the next boot attempt after a failed one.
pub const RETRY: NodeFile = file("/run/muster/retry.json", 0o600);
/// The file of the agent lock. The process that is, or will become, `k3s agent` locks it.
pub const LOCK: NodeFile = file("/run/muster/lock", 0o644);
/// The state that the LED had before muster made it blink.
pub const LED: NodeFile = file("/run/muster/led.json", 0o644);
/// The time servers that DHCP named (option 42). The DHCP script writes this file.
pub const DHCP_TIME_SERVERS: NodeFile = file("/run/muster/ntp", 0o644);
/// The log servers that DHCP named (option 7): their IPv4 addresses, in hex digits. The DHCP script
/// writes this file.
pub const DHCP_LOG_SERVERS: NodeFile = file("/run/muster/logsrv", 0o644);
/// The configuration of Alpine's time daemon. The overlay contains this file.
pub const NTPD_CONF: &str = "/etc/conf.d/ntpd";
/// The options of the time daemon: the servers that it asks.
pub const NTPD_OPTIONS: NodeFile = file("/run/muster/ntpd", 0o644);
/// The reason that a DHCP server gave for its last refusal (DHCPNAK). The DHCP script writes this
/// file, and removes it when the client gets a lease or no server answers.
pub const DHCP_REFUSAL: NodeFile = file("/run/muster/nak", 0o644);

/// While this file exists, the DHCP script keeps the address that the interface has. muster makes
/// this file before it starts the DHCP client of a joined node again, and the script removes the
/// file when the client has a lease.
pub const DHCP_KEEP: NodeFile = file("/run/muster/keep", 0o644);

/// The installed k3s. `INSTALL_K3S_BIN_DIR` may name another folder. Then this file and the files
/// [`K3S_PART`] and [`K3S_NOTE`] are in that folder.
pub const K3S: NodeFile = file("/usr/local/bin/k3s", 0o755);
/// The symbolic links to k3s, in the folder of [`K3S`], for the commands that k3s contains.
pub const K3S_LINKS: [&str; 3] = [
    "/usr/local/bin/kubectl",
    "/usr/local/bin/crictl",
    "/usr/local/bin/ctr",
];
/// The partial file of k3s's download.
pub const K3S_PART: NodeFile = file("/usr/local/bin/.k3s.part", 0o600);
/// The note for [`K3S_PART`]: it records which download that partial file belongs to.
pub const K3S_NOTE: NodeFile = file("/usr/local/bin/.k3s.part.json", 0o600);

/// The folder, in k3s's data folder, from which k3s imports container images when it starts (k3s,
/// `pkg/agent/containerd`). k3s imports every file whose name ends with `.tar.zst`.
pub const IMAGES_FOLDER: &str = "agent/images";
/// The archive of the container images of k3s's release. `K3S_DATA_DIR` may name another folder
/// than `/var/lib/rancher/k3s`, for this file and for the files [`IMAGES_PART`] and
/// [`IMAGES_NOTE`]. On another architecture, the names of these three files have the name of that
/// architecture in place of `arm64`.
pub const IMAGES: NodeFile = file(
    "/var/lib/rancher/k3s/agent/images/k3s-airgap-images-arm64.tar.zst",
    0o644,
);
/// The partial file of the archive's download. k3s does not import a file of this name.
pub const IMAGES_PART: NodeFile = file(
    "/var/lib/rancher/k3s/agent/images/.k3s-airgap-images-arm64.tar.zst.part",
    0o600,
);
/// The note for [`IMAGES_PART`]: it records which download that partial file belongs to.
pub const IMAGES_NOTE: NodeFile = file(
    "/var/lib/rancher/k3s/agent/images/.k3s-airgap-images-arm64.tar.zst.part.json",
    0o600,
);

/// Every file that muster or its DHCP script writes on a node, without the symbolic links
/// [`NODE_CONFIG`] and [`K3S_LINKS`].
pub const WRITTEN: [NodeFile; 26] = [
    HOSTNAME,
    HOSTS,
    MACHINE_ID,
    RESOLV_CONF,
    DHCP_SCRIPT,
    NODE_PASSWORD,
    RUN_TOKEN,
    STATUS,
    VERIFIED,
    VERIFIED_IMAGES,
    RECORD,
    STARTS,
    RETRY,
    LOCK,
    LED,
    DHCP_TIME_SERVERS,
    DHCP_LOG_SERVERS,
    DHCP_REFUSAL,
    DHCP_KEEP,
    NTPD_OPTIONS,
    K3S,
    K3S_PART,
    K3S_NOTE,
    IMAGES,
    IMAGES_PART,
    IMAGES_NOTE,
];
