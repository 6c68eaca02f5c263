//! The faults behind the headings of the page.

use crate::{Case, FAULT, Fault, Seen};
use muster_labs::{ADDRESS, Board, NamespaceBoard, Options, Service, Site};
use std::fs;

/// How an entry is tried.
pub enum Row {
    /// The fault is made here.
    Lab(Fault),
    /// The same, with a course of its own.
    Own(fn() -> Options, fn(&mut Case)),
    /// No namespace can have the fault: the test in this file makes it.
    Elsewhere(&'static str, &'static str),
    /// No test makes it, for this reason.
    Never(&'static str),
}
use Row::{Elsewhere, Lab, Never, Own};

/// Files that the kernel would show of two NICs in slots, of which one is real.
const TWO_NICS: &str = "for nic in eth0 eth1; do
    mkdir -p /run/net/$nic/device
    cp /sys/class/net/eth0/address /run/net/$nic/
    echo 1 >/run/net/$nic/carrier
    echo 0x1003 >/run/net/$nic/flags
done
mkdir /run/net/lo && echo 0x9 >/run/net/lo/flags
ip link set lo up; ip link set eth0 up
mount --bind /run/net /sys/class/net";

const WITH_NET: fn() -> Options = Options::default;

/// The site with this environment of the k3s server.
fn server(name: &str, value: &str) -> Options {
    Options {
        server: vec![(name.into(), value.into())],
        ..Options::default()
    }
}

/// The site with more of the mirror's configuration.
fn mirror(nginx: &str) -> Options {
    Options {
        nginx: nginx.into(),
        ..Options::default()
    }
}

fn dnsmasq(line: &str) -> Options {
    Options {
        dnsmasq: format!("{line}\n"),
        ..Options::default()
    }
}

/// Starts the service again as it should be.
fn restart(site: &Site, service: Service) {
    site.stop(service);
    site.start_as(service, &Options::default());
}

/// Puts the server's token for agents on the board.
pub fn put_token(site: &Site, board: &NamespaceBoard) {
    let token = fs::read(site.path("k3s/server/agent-token")).expect("the server's token");
    fs::write(board.path("/etc/muster/token"), token).expect("the token");
}

fn on_mirror(site: &Site, name: &str) -> std::path::PathBuf {
    site.release(false).join(name)
}

/// Copies the release to the mirror again, with its checksum file.
fn copy_release(site: &Site, _: &NamespaceBoard) {
    fs::copy(site.path("aside"), on_mirror(site, "k3s")).expect("a copy of k3s");
    site.write_sums();
}

fn keep_release(site: &Site) {
    fs::copy(on_mirror(site, "k3s"), site.path("aside")).expect("a copy of k3s");
}

pub const ROWS: &[(&str, Row)] = &[
    // identity
    ("there is no interface", Lab(Fault {
        overlay: |_, board| board.overlay.set("MUSTER_INTERFACE", "late0"),
        ..FAULT
    })),
    ("no interface has the MAC address of BOOTIF=", Lab(Fault {
        overlay: |_, board| board.overlay.set("MUSTER_INTERFACE", "auto"),
        script: "echo BOOTIF=01-02-00-00-00-00-99 >/run/cmdline; mount --bind /run/cmdline /proc/cmdline",
        ..FAULT
    })),
    ("there is no physical wired interface", Lab(Fault {
        overlay: |_, board| board.overlay.set("MUSTER_INTERFACE", "auto"),
        ..FAULT
    })),
    ("there are several physical wired interfaces", Lab(Fault {
        overlay: |_, board| board.overlay.set("MUSTER_INTERFACE", "auto"),
        script: TWO_NICS,
        ..FAULT
    })),
    ("the kernel gave … a random MAC address", Lab(Fault {
        // A new veth has a random address until somebody sets one.
        site: |site, board| {
            let ip = |arguments: &[&str]| {
                let mut command = site.command("ip");
                assert!(command.args(arguments).status().expect("ip").success());
            };
            let port = board.port.as_str();
            ip(&["link", "del", port]);
            ip(&["link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", &board.namespace]);
            ip(&["link", "set", port, "master", muster_labs::BRIDGE, "up"]);
        },
        ..FAULT
    })),
    ("not a MAC address", Lab(Fault {
        overlay: |_, board| board.overlay.set("MUSTER_INTERFACE", "lo"),
        ..FAULT
    })),
    ("cannot set the hostname to", Own(WITH_NET, |case| {
        case.board.power_on_without_muster();
        let output = case.board.command_as_nobody(&["/usr/sbin/muster", "identity"]).output();
        let text = String::from_utf8_lossy(&output.expect("muster").stderr).into_owned();
        assert!(case.has_line(&text), "{text}");
        case.do_blocks();
        case.joined(&case.board.boot(&["--supervised"]));
    })),
    // network
    ("has no carrier", Lab(Fault {
        site: |site, board| port(site, board, "down"),
        remedy: |site, board| port(site, board, "up"),
        ..FAULT
    })),
    ("no DHCP server has answered", Lab(Fault {
        site: |site, _| site.stop(Service::Dhcp),
        remedy: |site, _| site.start(Service::Dhcp),
        ..FAULT
    })),
    ("the DHCP server refuses the lease that it offered", Lab(Fault {
        site: |site, _| site.refuse_leases(true),
        remedy: |site, _| site.refuse_leases(false),
        ..FAULT
    })),
    ("muster sets none, because MUSTER_DHCP is no", Lab(Fault {
        overlay: |_, board| board.overlay.set("MUSTER_DHCP", "no"),
        ..FAULT
    })),
    ("no default route, and k3s needs one", Lab(Fault {
        options: || dnsmasq("dhcp-option=option:router"),
        ..FAULT
    })),
    ("no resolver in /etc/resolv.conf", Lab(Fault {
        options: || dnsmasq("dhcp-option=option:dns-server"),
        ..FAULT
    })),
    ("nobody has asked DHCP for an address yet", Lab(Fault { seen: Seen::Check, ..FAULT })),
    ("cannot run … (is it in the image", Lab(Fault {
        script: "rm $(which udhcpc)",
        checked: false,
            ..FAULT
    })),
    ("failed: …", Lab(Fault {
        script: "client=$(which udhcpc); rm $client
                 printf '#!/bin/sh\\nexit 1\\n' >$client; chmod 755 $client; echo $client >/run/client",
        remedy: |_, board| _ = board.shell("ln -sf /bin/busybox $(cat /run/client)"),
        checked: false,
            ..FAULT
    })),
    // clock
    ("no network time", Own(WITH_NET, |case| {
        case.board.overlay.set("MUSTER_NTP", "10.11.0.99");
        case.board.power_on_without_muster();
        let boot = case.board.boot(&["--supervised"]);
        case.wait_for_line(&boot);
        case.joined(&boot);
        case.site.start(Service::Time);
        case.do_blocks();
        case.board.boot(&["clock"]).wait_for("the clock agrees with 10.11.0.1");
    })),
    ("which is before this image was made", Elsewhere("src/host/time_servers/tests.rs", "fn a_time_outside_the_accepted_range_is_refused")),
    ("cannot set the clock", Elsewhere("tests/labs/tests/power_on_clock.rs", "fn a_clock_that_something_sets_back_is_set_right_again")),
    ("earlier than the build of muster or its settings file", Elsewhere("tests/labs/tests/power_on_clock.rs", "fn a_clock_of_1970_joins_over_tls")),
    // prepare
    ("the kernel has no cgroup controller", Lab(Fault {
        script: "echo 'cpuset cpu io pids' >/sys/fs/cgroup/cgroup.controllers",
        seen: Seen::Reboot,
        ..FAULT
    })),
    ("and k3s needs cgroup v2", Lab(Fault {
        script: "mount -t tmpfs none /sys/fs/cgroup",
        seen: Seen::Reboot,
        ..FAULT
    })),
    ("where no container can start", Elsewhere("src/steps/prepare/tests.rs", "fn an_unsuitable_file_system_is_reported_with_the_remedy")),
    ("where containerd cannot unpack images", Lab(Fault {
        script: "mkdir -p /o/l /o/u /o/w /var/lib/rancher/k3s
                 mount -t overlay overlay -o lowerdir=/o/l,upperdir=/o/u,workdir=/o/w /var/lib/rancher/k3s",
        ..FAULT
    })),
    ("make the root file system larger", Lab(Fault {
        overlay: |_, board| board.size = "60m".into(),
        ..FAULT
    })),
    ("use a board with more memory", Lab(Fault {
        script: "printf 'MemTotal: 2000000 kB\\nMemAvailable: 20000 kB\\n' >/run/mem; mount --bind /run/mem /proc/meminfo",
        seen: Seen::Reboot,
        ..FAULT
    })),
    ("flannel-iface=", Lab(Fault {
        overlay: |_, board| flannel(board, "wg0"),
        ..FAULT
    })),
    ("cannot mount … on", Own(WITH_NET, |case| {
        case.board.power_on_without_muster();
        let output = case.board.command_as_nobody(&["/usr/sbin/muster", "prepare"]).output();
        let text = String::from_utf8_lossy(&output.expect("muster").stderr).into_owned();
        assert!(case.has_line(&text), "{text}");
        case.joined(&case.board.boot(&["--supervised"]));
    })),
    ("check that the image has the modloop of this kernel", Lab(Fault {
        remedy: |_, board| _ = board.shell("mkdir -p /lib/modules/$(uname -r)"),
        seen: Seen::Check,
        ..FAULT
    })),
    ("requires at least 512 MB", Lab(Fault {
        script: "printf 'MemTotal: 300000 kB\\nMemAvailable: 200000 kB\\n' >/run/mem; mount --bind /run/mem /proc/meminfo",
        remedy: |_, board| _ = board.shell("umount /proc/meminfo"),
        seen: Seen::Warns,
        ..FAULT
    })),
    ("k3s joins with the address of", Lab(Fault {
        overlay: |_, board| flannel(board, "eth1"),
        script: "ip link add eth1 type veth peer name eth1x",
        remedy: |_, board| _ = board.shell("sed -i s/eth1/eth0/ /etc/muster/nodes/*.yaml"),
        seen: Seen::Warns,
        ..FAULT
    })),
    // register
    ("the k3s server: …; retrying", Lab(Fault {
        overlay: |_, board| board.overlay.server = "https://nowhere.lan:6443".into(),
        // The check has the same reason without these words, because it does not retry.
            checked: false,
            ..FAULT
    })),
    ("its CA is not the one in the join token", Lab(Fault {
        overlay: |_, board| board.overlay.token = Some(format!("K10{}::node:word", "0".repeat(64))),
        remedy: put_token,
        ..FAULT
    })),
    ("does not end in this CA", Lab(Fault {
        options: || server("STANDIN_CHAIN", "root-first"),
        // The hash of the root, which an operator would compute from the file.
        overlay: |site, board| board.overlay.token = Some(root_token(site)),
        remedy: |site, board| {
            site.stop(Service::Server);
            site.start_as(Service::Server, &server("STANDIN_CHAIN", "1"));
            put_token(site, board);
        },
        ..FAULT
    })),
    ("does not accept the join token", Lab(Fault {
        overlay: |site, board| board.overlay.token = Some(format!("{}x", site.token())),
        remedy: put_token,
        ..FAULT
    })),
    ("does not know the join token yet", Lab(Fault {
        overlay: |site, board| {
            let token = site.token();
            let (hash, _) = token.split_once("::").expect("a hash");
            board.overlay.token = Some(format!("{hash}::abcdef.0123456789abcdef"));
        },
        remedy: |site, board| {
            let token = fs::read(site.path("k3s/server/bootstrap-token")).expect("a new token");
            fs::write(board.path("/etc/muster/token"), token).expect("the token");
        },
        ..FAULT
    })),
    ("cannot check the password of … now", Lab(Fault {
        options: || server("STANDIN_FRONT", "POST /v1-k3s/client-kubelet.crt 403"),
        remedy: |site, _| restart(site, Service::Server),
        checked: false,
            ..FAULT
    })),
    ("has another node password for", Own(WITH_NET, |case| {
        case.board.power_on_without_muster();
        drop(case.board.boot_to_joined());
        case.board.overlay.set("MUSTER_NODE_SECRET_FILE", "/etc/muster/secret");
        case.board.overlay.add("etc/muster/secret", "another secret\n", 0o600);
        case.board.power_on_without_muster();
        let boot = case.board.boot(&["--supervised"]);
        case.wait_for_line(&boot);
        case.do_blocks();
        case.joined(&boot);
    })),
    ("did not see this board's client certificate", Lab(Fault {
        options: || server("STANDIN_FRONT", "no-client-certificates"),
        remedy: |site, _| restart(site, Service::Server),
            ..FAULT
    })),
    ("runs only etcd, and does not know an API server yet", Lab(Fault {
        options: || server("STANDIN_STATE", "etcd-only"),
        remedy: |site, _| restart(site, Service::Server),
        // Its certificate is not a node's, so the server tells the check nothing of API servers.
            checked: false,
            ..FAULT
    })),
    ("the answer names no k3s release", Lab(Fault {
        options: || server("STANDIN_VERSION", "unknown"),
        ..FAULT
    })),
    ("which Kubernetes does not support", Lab(Fault {
        overlay: |_, board| board.overlay.set("INSTALL_K3S_VERSION", "v1.36.0+k3s1"),
        script: "muster identity network",
        remedy: |_, board| _ = board.shell("sed -i /^INSTALL_K3S_VERSION/d /etc/conf.d/muster"),
        seen: Seen::Check,
        ..FAULT
    })),
    ("has lost its address", Own(|| server("STANDIN_STATE", "starting"), |case| {
        case.board.power_on_without_muster();
        let boot = case.board.boot(&["--supervised"]);
        boot.wait_for("registration of this node: ");
        case.board.shell("ip addr flush dev eth0");
        case.wait_for_line(&boot);
        restart(case.site, Service::Server);
        case.do_blocks();
        case.joined(&boot);
    })),
    ("so nothing proves that this is your server", Lab(Fault {
        overlay: |site, board| board.overlay.token = site.token().rsplit(':').next().map(String::from),
        remedy: put_token,
        seen: Seen::Warns,
        ..FAULT
    })),
    ("the join token is the server's own", Lab(Fault {
        options: || server("K3S_AGENT_TOKEN", "words-for-agents"),
        overlay: |site, board| board.overlay.token = Some(site.token()),
        script: "muster identity network",
        remedy: put_token,
        seen: Seen::Check,
        ..FAULT
    })),
    // Connections and certificates
    ("timed out while connecting", Own(WITH_NET, |case| {
        case.board.power_on_without_muster();
        // The kernel accepts the connection, and nobody answers.
        signal_server(case.site, "STOP");
        let boot = case.board.boot(&["--supervised"]);
        case.wait_for_line(&boot);
        signal_server(case.site, "CONT");
        case.joined(&boot);
    })),
    ("the connection was closed early", Elsewhere("tests/faults/main.rs", "fn every_fault_ends_as_its_row_says")),
    ("the host name has no address", Never("the C library makes it an error of its own, `failed to lookup address information`")),
    ("the server's certificate is not valid yet", Elsewhere("tests/labs/tests/power_on_clock.rs", "fn a_clock_that_something_sets_back_is_set_right_again")),
    ("the server's certificate is for another name", Lab(Fault {
        options: || dnsmasq("host-record=other.lan,10.11.0.1"),
        overlay: |_, board| board.overlay.server = "https://other.lan:6443".into(),
        ..FAULT
    })),
    ("signed by a CA that is not trusted here", Lab(Fault {
        overlay: |_, board| _ = board.overlay.settings.remove("SSL_CERT_FILE"),
        ..FAULT
    })),
    ("the server's certificate is bad", Lab(Fault {
        options: || mirror(&format!("listen {ADDRESS}:8080;")),
        overlay: |_, board| board.overlay.server = "https://k3s.lan:8080".into(),
        ..FAULT
    })),
    ("a certificate in SSL_CERT_FILE is damaged", Lab(Fault {
        script: "f=/etc/muster/mirror-ca.pem; cp $f /run/ca
                 printf '%s\\n' '-----BEGIN CERTIFICATE-----' '!!!!' '-----END CERTIFICATE-----' >>$f",
        remedy: |_, board| _ = board.shell("cp /run/ca /etc/muster/mirror-ca.pem"),
        ..FAULT
    })),
    ("answers …", Lab(Fault {
        options: || mirror("location /k3s/ { return 500; }"),
        remedy: |site, _| restart(site, Service::Mirror),
        ..FAULT
    })),
    ("the answer is not valid HTTP", Elsewhere("tests/http/main.rs", "fn a_body_that_is_not_as_announced_is_an_error")),
    ("the answer is longer than", Elsewhere("tests/faults/main.rs", "fn every_fault_ends_as_its_row_says")),
    ("redirected away from https", Lab(Fault {
        options: || mirror("location /k3s/ { return 302 http://mirror.lan/; }"),
        remedy: |site, _| restart(site, Service::Mirror),
        ..FAULT
    })),
    ("cannot use HTTPS_PROXY", Lab(Fault {
        options: || mirror(&format!("listen {ADDRESS}:8080;")),
        overlay: |_, board| board.overlay.set("HTTPS_PROXY", "http://mirror.lan:8080"),
        ..FAULT
    })),
    // fetch
    ("no mirror could supply", Lab(Fault {
        site: |site, _| fs::rename(on_mirror(site, "k3s"), site.path("aside")).expect("k3s"),
        remedy: |site, board| {
            copy_release(site, board);
            site.fill_server();
            fs::remove_file(on_mirror(site, "k3s")).expect("k3s");
        },
        // It has the remedy and the reason of each mirror, in lines of their own.
            checked: false,
            ..FAULT
    })),
    (
        "the node joins without these images",
        Elsewhere(
            "tests/labs/tests/namespace_images.rs",
            "fn a_board_joins_without_images_that_have_a_wrong_digest_or_are_not_there",
        ),
    ),
    ("SHA-256 mismatch", Lab(Fault {
        site: |site, _| {
            keep_release(site);
            let mut bytes = fs::read(site.path("aside")).expect("k3s");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(on_mirror(site, "k3s"), bytes).expect("k3s");
        },
        remedy: copy_release,
        checked: false,
            ..FAULT
    })),
    ("has no digest of", Lab(Fault {
        site: |site, _| {
            keep_release(site);
            fs::write(on_mirror(site, site.assets().1), "nothing\n").expect("the sums");
        },
        remedy: copy_release,
        ..FAULT
    })),
    ("plain http is used only with a digest from a trusted place", Lab(Fault {
        options: || mirror(&format!("listen {ADDRESS}:8080;")),
        overlay: |_, board| board.overlay.set("MUSTER_MIRRORS", &format!("http://{ADDRESS}:8080/k3s")),
        remedy: |site, _| {
            fs::create_dir_all(site.release(true)).expect("a folder");
            let sums = site.assets().1;
            fs::copy(on_mirror(site, sums), site.release(true).join(sums)).expect("the sums");
        },
        ..FAULT
    })),
    ("so this server's checksum file is not trusted", Lab(Fault {
        overlay: |site, board| {
            site.fill_server();
            board.overlay.token = site.token().rsplit(':').next().map(String::from);
        },
        remedy: put_token,
        seen: Seen::Warns,
        ..FAULT
    })),
    ("this mirror has another digest than the download in progress", Elsewhere("tests/faults/main.rs", "fn every_fault_ends_as_its_row_says")),
    ("this mirror cannot resume a partial download", Elsewhere("tests/faults/main.rs", "fn every_fault_ends_as_its_row_says")),
    ("which was not requested", Lab(Fault {
        options: || mirror("add_header Content-Encoding gzip always;"),
        remedy: |site, _| restart(site, Service::Mirror),
        checked: false,
            ..FAULT
    })),
    ("so it cannot be", Elsewhere("tests/faults/main.rs", "fn every_fault_ends_as_its_row_says")),
    ("of an unknown length", Elsewhere("tests/faults/main.rs", "fn every_fault_ends_as_its_row_says")),
    ("too slow", Elsewhere("tests/faults/main.rs", "fn every_fault_ends_as_its_row_says")),
    ("INSTALL_K3S_SKIP_DOWNLOAD is set, and there is no", Lab(Fault {
        overlay: |_, board| board.overlay.set("INSTALL_K3S_SKIP_DOWNLOAD", "true"),
        checked: false,
            ..FAULT
    })),
    ("is a directory: remove it", Lab(Fault {
        script: "mkdir -p /usr/local/bin/k3s",
        checked: false,
            ..FAULT
    })),
    (
        "another muster is downloading to",
        Own(
            || Options {
                k3s_size: 20_000_000,
                ..mirror("limit_rate 4m;")
            },
            |case| {
                case.board.power_on_without_muster();
                case.board.shell("muster identity network");
                let mut by_hand = case.board.boot(&["fetch"]);
                by_hand.wait_for("downloading");
                let boot = case.board.boot(&["--supervised"]);
                case.wait_for_line(&boot);
                by_hand.end();
                case.joined(&boot);
            },
        ),
    ),
    ("cannot write", Lab(Fault {
        script: "rm -rf /etc/rancher; touch /etc/rancher",
        remedy: |_, board| _ = board.shell("rm /etc/rancher"),
        checked: false,
            ..FAULT
    })),
    // join
    ("there is no …: run", Own(WITH_NET, |case| {
        case.board.power_on_without_muster();
        case.board.shell("muster identity network");
        let mut join = case.board.boot(&["join"]);
        join.end();
        assert!(case.has_line(&join.text()), "{}", join.text());
        case.do_blocks();
        case.joined(&case.board.boot(&["join"]));
    })),
    ("which was not verified in this boot", Own(WITH_NET, |case| {
        case.board.power_on_without_muster();
        case.board.shell("muster identity network fetch; echo planted >/usr/local/bin/k3s");
        let mut join = case.board.boot(&["join"]);
        join.end();
        assert!(case.has_line(&join.text()), "{}", join.text());
        case.do_blocks();
        case.joined(&case.board.boot(&["join"]));
    })),
    ("has changed since the server accepted this node", Elsewhere("src/steps/join/tests.rs", "fn a_token_that_the_server_has_not_seen_is_not_given_to_k3s")),
    ("is already running on this node", Own(WITH_NET, |case| {
        case.board.power_on_without_muster();
        let boot = case.board.boot(&["--supervised"]);
        case.joined(&boot);
        let mut second = case.board.boot(&[]);
        second.end();
        assert!(case.has_line(&second.text()), "{}", second.text());
    })),
    ("cannot run …: …", Lab(Fault {
        overlay: |_, board| board.overlay.set("INSTALL_K3S_SKIP_DOWNLOAD", "true"),
        script: "echo 'no program' >/usr/local/bin/k3s; chmod 755 /usr/local/bin/k3s",
        checked: false,
            ..FAULT
    })),
    ("this is a bug in muster", Never("a fault of the program, which no test knows")),
];

fn port(site: &Site, board: &NamespaceBoard, state: &str) {
    let mut command = site.command("ip");
    command.args(["link", "set", &board.port, state]);
    assert!(command.status().expect("ip").success());
}

fn flannel(board: &mut NamespaceBoard, interface: &str) {
    let file = format!("etc/muster/nodes/{}.yaml", board.name());
    let text = format!("flannel-iface: {interface}\n");
    board.overlay.add(&file, &text, 0o600);
}

/// The token with the hash of the chain's root instead of the one that k3s computes.
fn root_token(site: &Site) -> String {
    let tls = site.path("k3s/server/tls");
    let script = "cd \"$0\" && openssl x509 -in server-root-ca.crt -outform DER | sha256sum";
    let hash = muster_labs::run(&["sh", "-c", script, tls.to_str().expect("a path")]);
    let token = site.token();
    let (_, rest) = token.split_once("::").expect("a token");
    format!("K10{}::{rest}", &hash[..64])
}

fn signal_server(site: &Site, signal: &str) {
    for pid in muster_labs::run(&["ip", "netns", "pids", &site.namespace]).split_whitespace() {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains("--https-listen-port") {
            muster_labs::run(&["kill", &format!("-{signal}"), pid]);
        }
    }
}
