//! The sections identity, network, clock and prepare: what the board itself has.

use super::Row::{Lab, Machine, OnBoard, Own};
use super::{Rows, WITH_NET, dnsmasq};
use crate::{Case, FAULT, Fault, ON_BOARD, Seen};
use muster_labs::{BRIDGE, Board, NamespaceBoard, Output, Service, Site};

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

/// What the kernel would show of a board whose initramfs did not change to another root.
const ROOTFS: &str = "mkdir /run/proc && mount --bind /proc /run/proc && mount -t tmpfs none /proc
ln -s /run/proc/* /proc/ && rm /proc/self && mkdir /proc/self
echo '1 1 0:1 / / rw shared:1 - rootfs none rw
2 1 0:2 / /sys/fs/cgroup rw - cgroup2 none rw' >/proc/self/mountinfo";

/// A DHCP client that does this in place of its work.
macro_rules! client {
    ($does:literal) => {
        concat!(
            "client=$(which udhcpc); rm $client; echo $client >/run/client; ",
            "printf '#!/bin/sh\\n",
            $does,
            "\\n' >$client; chmod 755 $client"
        )
    };
}

/// Another address of the site, at which a time server is wrong.
const WRONG_CLOCK: &str = "10.11.0.2";

pub const ROWS: Rows = &[
    // identity
    (&["there is no interface", "the interfaces are …"], Lab(Fault {
        overlay: |_, board| board.overlay.set("MUSTER_INTERFACE", "late0"),
        ..ON_BOARD
    })),
    (&["… lists no interface except lo"], Lab(Fault {
        site: |site, board| site.ip(&["link", "del", &board.port]),
        remedy: |site, board| plug_in(site, board, &["address", board.mac()]),
        ..FAULT
    })),
    (&["no interface has the MAC address of BOOTIF="], Lab(Fault {
        overlay: |_, board| board.overlay.set("MUSTER_INTERFACE", "auto"),
        script: "echo BOOTIF=01-02-00-00-00-00-99 >/run/cmdline; mount --bind /run/cmdline /proc/cmdline",
        ..ON_BOARD
    })),
    (&["there is no physical wired interface"], Lab(Fault {
        overlay: |_, board| board.overlay.set("MUSTER_INTERFACE", "auto"),
        ..ON_BOARD
    })),
    (&["there are several physical wired interfaces"], Lab(Fault {
        overlay: |_, board| board.overlay.set("MUSTER_INTERFACE", "auto"),
        script: TWO_NICS,
        ..ON_BOARD
    })),
    (&["the kernel gave … a random MAC address"], Lab(Fault {
        // A new veth has a random address until somebody sets one.
        site: |site, board| {
            site.ip(&["link", "del", &board.port]);
            plug_in(site, board, &[]);
        },
        ..FAULT
    })),
    (&["not a MAC address"], Lab(Fault {
        overlay: |_, board| board.overlay.set("MUSTER_INTERFACE", "tun0"),
        script: "ip link add tun0 address 02:00:00:00:00:01 type veth peer name tun1
                 echo 00:11 >/run/mac; mount --bind /run/mac /sys/class/net/tun0/address",
        ..ON_BOARD
    })),
    (&["the all-zero MAC address"], Lab(Fault {
        overlay: |_, board| board.overlay.set("MUSTER_INTERFACE", "lo"),
        ..ON_BOARD
    })),
    (&["a multicast MAC address"], Lab(Fault {
        overlay: |_, board| board.overlay.set("MUSTER_INTERFACE", "auto"),
        script: "echo BOOTIF=01-01-00-5e-00-00-01 >/run/cmdline; mount --bind /run/cmdline /proc/cmdline",
        ..ON_BOARD
    })),
    (&["cannot set the hostname to"], OnBoard(|case| {
        case.board.power_on_without_muster();
        as_nobody(case, "identity");
        case.do_blocks();
        case.joined(&case.board.boot(&["--supervised"]));
    })),
    // network
    (&["has no carrier"], Lab(Fault {
        site: |site, board| site.ip(&["link", "set", &board.port, "down"]),
        remedy: |site, board| site.ip(&["link", "set", &board.port, "up"]),
        ..FAULT
    })),
    (&["no DHCP server has answered"], Lab(Fault {
        site: |site, _| site.stop(Service::Dhcp),
        remedy: |site, _| site.start(Service::Dhcp),
        ..FAULT
    })),
    (&["the DHCP server refuses the lease that it offered"], Lab(Fault {
        site: |site, _| site.refuse_leases(true),
        remedy: |site, _| site.refuse_leases(false),
        ..FAULT
    })),
    (&["muster sets no address, because MUSTER_DHCP is no"], Lab(Fault {
        overlay: |_, board| board.overlay.set("MUSTER_DHCP", "no"),
        ..ON_BOARD
    })),
    (&["no default route, and k3s needs one"], Lab(Fault {
        options: || dnsmasq("dhcp-option=option:router"),
        ..FAULT
    })),
    (&["no resolver in /etc/resolv.conf"], Lab(Fault {
        options: || dnsmasq("dhcp-option=option:dns-server"),
        ..FAULT
    })),
    (&["nobody has asked DHCP for an address yet"], Lab(Fault { seen: Seen::Check, ..ON_BOARD })),
    (&["no DHCP client is running"], Lab(Fault {
        script: "ip link set eth0 up",
        seen: Seen::Check,
        ..ON_BOARD
    })),
    (&["cannot run … (the image must have this program"], Lab(Fault {
        script: "rm $(which udhcpc)",
        checked: false,
        ..ON_BOARD
    })),
    (&["failed: …"], Lab(Fault {
        script: client!("exit 1"),
        remedy: |_, board| right_client(board),
        checked: false,
        ..ON_BOARD
    })),
    (&["did not end within"], Own(WITH_NET, |case| {
        case.board.power_on_without_muster();
        case.board.shell(client!("exec sleep 600"));
        let boot = case.board.boot(&["--supervised"]);
        case.wait_for_lines(&boot);
        right_client(&case.board);
        case.joined(&boot);
    })),
    // clock
    (&["no network time", "no answer within"], Own(WITH_NET, |case| {
        case.board.overlay.set("MUSTER_NTP", "10.11.0.99");
        case.board.power_on_without_muster();
        joins_and_agrees(case);
    })),
    (&["is before this image was made"], Own(WITH_NET, |case| wrong_clock(case, 1_000_000_000))),
    (&["over 20 years after this image was made"], Own(WITH_NET, |case| wrong_clock(case, 3_000_000_000))),
    // A board of namespaces has the clock of this machine.
    (
        &["cannot set the clock", "something has set the clock back"],
        Machine("power_on_clock.rs", "a_clock_that_something_sets_back_is_set_right_again"),
    ),
    (
        &["earlier than the build of muster or the last change of the settings file"],
        Machine("power_on_clock.rs", "a_clock_that_something_sets_back_is_set_right_again"),
    ),
    // prepare
    (&["the kernel has no cgroup controller"], Lab(Fault {
        script: "echo 'cpuset cpu io pids' >/sys/fs/cgroup/cgroup.controllers",
        seen: Seen::Reboot,
        ..ON_BOARD
    })),
    (&["and k3s needs cgroup v2"], Lab(Fault {
        script: "mount -t tmpfs none /sys/fs/cgroup",
        seen: Seen::Reboot,
        ..ON_BOARD
    })),
    (&["where no container can start"], Lab(Fault {
        script: ROOTFS,
        seen: Seen::Reboot,
        ..ON_BOARD
    })),
    (&["where containerd cannot unpack images"], Lab(Fault {
        script: "mkdir -p /o/l /o/u /o/w /var/lib/rancher/k3s
                 mount -t overlay overlay -o lowerdir=/o/l,upperdir=/o/u,workdir=/o/w /var/lib/rancher/k3s",
        ..ON_BOARD
    })),
    (&["make the root file system larger"], Lab(Fault {
        overlay: |_, board| board.size = "60m".into(),
        ..ON_BOARD
    })),
    (&["use a board with more memory"], Lab(Fault {
        script: "printf 'MemTotal: 2000000 kB\\nMemAvailable: 20000 kB\\n' >/run/mem; mount --bind /run/mem /proc/meminfo",
        seen: Seen::Reboot,
        ..ON_BOARD
    })),
    (&["flannel-iface="], Lab(Fault {
        overlay: |_, board| flannel(board, "wg0"),
        ..ON_BOARD
    })),
    (&["cannot mount … on"], OnBoard(|case| {
        case.board.power_on_without_muster();
        case.board.shell("mount --make-shared /; umount /sys/fs/cgroup/cgroup.*; umount /sys/fs/cgroup");
        as_nobody(case, "prepare");
        // The cgroups of a board are there at power-on only.
        case.board.power_on_without_muster();
        case.joined(&case.board.boot(&["--supervised"]));
    })),
    (&["cannot make … a shared mount"], OnBoard(|case| {
        case.board.power_on_without_muster();
        as_nobody(case, "prepare");
        case.joined(&case.board.boot(&["--supervised"]));
    })),
    (&["check that the image has the modloop of this kernel"], Lab(Fault {
        remedy: |_, board| _ = board.shell("mkdir -p /lib/modules/$(uname -r)"),
        seen: Seen::Check,
        ..ON_BOARD
    })),
    (&["k3s gives all pods the DNS server 8.8.8.8"], Lab(Fault {
        script: "printf 'nameserver 10.11.0.1\\nnameserver 127.0.0.1\\n' >/etc/resolv.conf",
        remedy: |_, board| _ = board.shell("sed -i /127/d /etc/resolv.conf"),
        seen: Seen::Check,
        ..ON_BOARD
    })),
    (&["no board reads this file"], Lab(Fault {
        // The overlay tool refuses such a file.
        script: "mkdir -p /etc/muster/nodes; : >/etc/muster/nodes/kitchen.yaml",
        remedy: |_, board| _ = board.shell("rm /etc/muster/nodes/kitchen.yaml"),
        seen: Seen::Check,
        ..ON_BOARD
    })),
    (&["requires at least 512 MB"], Lab(Fault {
        script: "printf 'MemTotal: 300000 kB\\nMemAvailable: 200000 kB\\n' >/run/mem; mount --bind /run/mem /proc/meminfo",
        remedy: |_, board| _ = board.shell("umount /proc/meminfo"),
        seen: Seen::Warns,
        ..ON_BOARD
    })),
    (&["k3s joins with the address of"], Lab(Fault {
        overlay: |_, board| flannel(board, "eth1"),
        script: "ip link add eth1 type veth peer name eth1x",
        remedy: |_, board| _ = board.shell("sed -i s/eth1/eth0/ /etc/muster/nodes/*.yaml"),
        seen: Seen::Warns,
        ..ON_BOARD
    })),
];

/// Gives the board a new NIC and cable in place of those that were removed.
fn plug_in(site: &Site, board: &NamespaceBoard, options: &[&str]) {
    let port = board.port.as_str();
    let link = ["link", "add", port, "type", "veth", "peer", "name", "eth0"];
    let namespace = ["netns", board.namespace.as_str()];
    site.ip(&[&link, options, &namespace].concat());
    site.ip(&["link", "set", port, "master", BRIDGE, "up"]);
}

fn right_client(board: &NamespaceBoard) {
    board.shell("ln -sf /bin/busybox $(cat /run/client)");
}

/// Runs a step as a user without rights, and sees the message.
fn as_nobody(case: &Case, step: &str) {
    let mut muster = case.board.command_as_nobody(&["/usr/sbin/muster", step]);
    let output = muster.output().expect("muster");
    case.assert_lines(&String::from_utf8_lossy(&output.stderr));
}

/// Sees the message about the clock, joins nevertheless, does what the page says, and has the right time.
fn joins_and_agrees(case: &mut Case) {
    let boot = case.board.boot(&["--supervised"]);
    case.wait_for_lines(&boot);
    case.joined(&boot);
    case.assert_lines(&case.check());
    case.site.start(Service::Time);
    case.do_blocks();
    let right = "the clock agrees with 10.11.0.1";
    case.board.boot(&["clock"]).wait_for(right);
    let check = case.check();
    assert!(check.contains(right), "{check}");
}

/// A board whose time server says that it is this many seconds after 1970.
fn wrong_clock(case: &mut Case, seconds: u64) {
    case.site
        .ip(&["addr", "add", &format!("{WRONG_CLOCK}/24"), "dev", BRIDGE]);
    let mut server = case.site.command(env!("CARGO_BIN_EXE_time_server"));
    let server = Output::follow(server.args([WRONG_CLOCK, &seconds.to_string()]));
    server.wait_for("listens");
    case.board.overlay.set("MUSTER_NTP", WRONG_CLOCK);
    case.board.power_on_without_muster();
    joins_and_agrees(case);
}

fn flannel(board: &mut NamespaceBoard, interface: &str) {
    let file = format!("etc/muster/nodes/{}.yaml", board.name());
    let text = format!("flannel-iface: {interface}\n");
    board.overlay.add(&file, &text, 0o600);
}
