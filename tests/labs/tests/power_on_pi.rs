//! No Raspberry Pi is emulated here. What its boot loader asks is known, and is asked here by real DHCP and TFTP clients.

#[path = "../../overlay/release.rs"]
#[allow(dead_code, reason = "tests/overlay uses the rest")]
mod release;
#[path = "../../overlay/support.rs"]
#[allow(dead_code, reason = "tests/overlay uses the rest")]
mod support;

use muster_labs::{ADDRESS, Kind, NamespaceBoard, Options, Output, Service, Site, run};
use std::process::Command;
use support::Folder;

/// curl's exit status when the TFTP server has no such file.
const NO_SUCH_FILE: i32 = 68;

/// A site that serves a Raspberry Pi's release, and the one cable of a Pi.
fn site(release: &Folder) -> Site {
    Site::new(Options {
        release: Some(release.path("rpi")),
        without: vec![Service::Server, Service::Mirror, Service::Time],
        k3s_size: 0,
        ..Options::of(Kind::Machine)
    })
}

/// A Pi 4 that is off; its cable is up.
fn pi(site: &Site) -> NamespaceBoard<'_> {
    let pi = NamespaceBoard::new(site, "dc:a6:32:01:02:03");
    run(&["ip", "-n", &pi.namespace, "link", "set", "eth0", "up"]);
    pi
}

/// A program on the Pi's cable.
fn command(pi: &NamespaceBoard, program: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &pi.namespace]).args(program);
    command
}

/// Asks for a lease as the Pi's boot loader does: a PXE client of architecture 0. Takes the address.
fn ask_for_lease(pi: &NamespaceBoard, release: &Folder) {
    let script = "#!/bin/sh\n[ \"$1\" != bound ] || ip addr add \"$ip/$mask\" dev \"$interface\"\n";
    release.write("lease.sh", script, 0o755);
    let mut udhcpc = command(pi, &["busybox", "udhcpc", "-i", "eth0", "-f", "-q", "-n"]);
    udhcpc.arg("-s").arg(release.path("lease.sh"));
    udhcpc.args(["-V", "PXEClient:Arch:00000:UNDI:002001"]);
    for option in ["43", "60", "66", "67", "128", "129"] {
        udhcpc.args(["-O", option]);
    }
    for option in [
        "93:0000",
        "94:010201",
        "97:0052506934000000000000000000000000",
    ] {
        udhcpc.args(["-x", option]);
    }
    support::succeed(&mut udhcpc);
}

#[test]
fn dnsmasq_answers_a_pi_boot_loader_with_what_it_looks_for() {
    let release = release::releases();
    let site = site(&release);
    let pi = pi(&site);
    let answers = [
        "tcpdump",
        "-Z",
        "root",
        "-l",
        "-n",
        "-vvv",
        "-i",
        "eth0",
        "udp src port 67",
    ];
    let answers = Output::follow(&mut command(&pi, &answers));
    answers.wait_for("listening on");
    ask_for_lease(&pi, &release);
    answers.wait_for("DHCP-Message (53), length 1: ACK");
    // It looks at the offer alone.
    let answers = answers.text();
    let mut packets = answers.split("BOOTP/DHCP, Reply");
    let offer = packets.find(|packet| packet.contains("DHCP-Message (53), length 1: Offer"));
    let offer = offer.expect("an offer");
    assert!(offer.contains(&format!("Server-IP {ADDRESS}\n")), "{offer}");
    assert!(offer.contains("(60), length 9: \"PXEClient\"\n"), "{offer}");
    // tcpdump prints option 43 as decimal numbers.
    let text = "Raspberry Pi Boot".bytes();
    let text: Vec<String> = text.map(|byte| byte.to_string()).collect();
    let line = offer
        .lines()
        .find(|line| line.contains("Vendor-Option (43)"));
    let line = line.unwrap_or_else(|| panic!("no option 43: {offer}"));
    assert!(line.contains(&format!(".{}", text.join("."))), "{line}");
}

#[test]
fn dnsmasq_sends_every_file_that_a_pi_boot_loader_asks_for() {
    let release = release::releases();
    let site = site(&release);
    let pi = pi(&site);
    ask_for_lease(&pi, &release);
    let fetch = |url: &str| {
        let mut curl = command(&pi, &["curl", "-sS", "--fail", "--noproxy", "*", url]);
        let output = curl.output().expect("curl");
        (output.status.code(), output.stdout)
    };
    let tftp = |file: &str| {
        let (status, content) = fetch(&format!("tftp://{ADDRESS}/{file}"));
        assert_eq!(status, Some(0), "{file}");
        String::from_utf8(content).expect("the release holds text here")
    };
    // It asks for a folder of its own first; the answer must come, for it would wait for one.
    for file in ["a1b2c3d4/start4.elf", "a1b2c3d4/config.txt", "pieeprom.sig"] {
        let (status, _) = fetch(&format!("tftp://{ADDRESS}/{file}"));
        assert_eq!(status, Some(NO_SUCH_FILE), "{file}");
    }
    let config = tftp("config.txt");
    assert_eq!(config, release::CONFIG_TXT);
    let named = |word: &str| {
        let mut lines = config.lines();
        let name = lines.find_map(|line| line.strip_prefix(word));
        name.unwrap_or_else(|| panic!("no {word}: {config}"))
    };
    let files = [
        "bootcode.bin",
        "start.elf",
        "fixup.dat",
        "start4.elf",
        "fixup4.dat",
        "bcm2710-rpi-3-b-plus.dtb",
        "bcm2711-rpi-4-b.dtb",
        "bcm2711-rpi-cm4.dtb",
        "bcm2712-rpi-5-b.dtb",
        "overlays/overlay_map.dtb",
        "overlays/vc4-kms-v3d.dtbo",
        named("kernel="),
        named("initramfs "),
    ];
    for file in files {
        // Each file of that release holds its own name.
        assert_eq!(tftp(file), format!("rpi/{file}"));
    }
    assert_eq!(tftp(named("include ")), "enable_uart=1\n");

    // What the kernel's words name is there too.
    let words = tftp("cmdline.txt");
    let word = |name: &str| {
        let mut each = words.split_whitespace();
        let value = each.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name}: {words}"))
    };
    let index = format!("{}/aarch64/APKINDEX.tar.gz", word("alpine_repo"));
    for url in [word("modloop"), word("apkovl"), &index] {
        let (status, content) = fetch(url);
        assert_eq!(status, Some(0), "{url}");
        assert!(!content.is_empty(), "{url}");
    }
}
