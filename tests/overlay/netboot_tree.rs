//! `netboot-tree.sh`: what it lays out is what boards ask for, and the same input gives the same tree.

use crate::help_fits_80_columns_for;
use crate::release::{self, CONFIG_TXT, TOOL, Tree, UEFI, command, text, tree};
use crate::support::{Folder, succeed};
use std::process::Command;

/// The tree that the tool makes in `netboot`'s default place, with these arguments.
fn made(folder: &Folder, arguments: &[&str]) -> Tree {
    let arguments = [arguments, &["--output", "out"]].concat();
    succeed(&mut command(folder, &arguments));
    tree(&folder.path("out"))
}

/// Asserts that a file of the tree is this one of the release, unchanged.
fn assert_same(tree: &Tree, name: &str, original: &str) {
    assert_eq!(text(tree, name), original, "{name}");
}

/// Asserts that what the kernel command line names on this server is there, and returns the words that name something else.
fn other_words<'a>(tree: &Tree, line: &'a str) -> Vec<&'a str> {
    let mut others = Vec::new();
    for word in line.split(' ') {
        match word.split_once("=http://10.11.0.1/") {
            // apk looks below the architecture for the index.
            Some(("alpine_repo", path)) => {
                text(tree, &format!("http/{path}/aarch64/APKINDEX.tar.gz"));
            }
            Some(("modloop" | "apkovl", path)) => {
                assert!(tree.contains_key(&format!("http/{path}")), "{word}");
            }
            Some(_) => panic!("{word}"),
            None => others.push(word),
        }
    }
    others
}

#[test]
fn it_holds_all_that_the_boot_loaders_of_raspberry_pis_ask_for() {
    let tree = made(&release::releases(), &["--alpine", "rpi"]);
    for (board, files) in [
        (
            "3B+",
            &[
                "bootcode.bin",
                "start.elf",
                "fixup.dat",
                "bcm2710-rpi-3-b-plus.dtb",
            ][..],
        ),
        ("4", &["start4.elf", "fixup4.dat", "bcm2711-rpi-4-b.dtb"]),
        ("CM4", &["start4.elf", "fixup4.dat", "bcm2711-rpi-cm4.dtb"]),
        ("5", &["bcm2712-rpi-5-b.dtb"]),
        (
            "each",
            &["overlays/overlay_map.dtb", "overlays/vc4-kms-v3d.dtbo"],
        ),
    ] {
        println!("Raspberry Pi {board}");
        for file in files {
            assert_same(&tree, &format!("tftp/{file}"), &format!("rpi/{file}"));
        }
    }
    assert_same(&tree, "tftp/config.txt", CONFIG_TXT);
    for line in CONFIG_TXT.lines() {
        if let Some((_, file)) = line
            .split_once(['=', ' '])
            .filter(|(_, value)| *value != "1")
        {
            text(&tree, &format!("tftp/{file}"));
        }
    }
    assert_same(&tree, "tftp/boot/vmlinuz-rpi", "rpi/boot/vmlinuz-rpi");
    assert_same(&tree, "tftp/boot/initramfs-rpi", "rpi/boot/initramfs-rpi");
    assert_same(&tree, "tftp/usercfg.txt", "enable_uart=1\n");
}

#[test]
fn cmdline_txt_names_what_the_web_server_has() {
    let folder = release::releases();
    let tree = made(&folder, &["--alpine", "rpi", "--cmdline", "quiet a=b"]);
    let line = text(&tree, "tftp/cmdline.txt").strip_suffix('\n').unwrap();
    assert!(!line.contains('\n'), "{line}");
    assert_eq!(
        other_words(&tree, line),
        [
            "console=tty1",
            "console=serial0,115200",
            "modules=loop,squashfs",
            "ip=dhcp",
            "cgroup_memory=1",
            "cgroup_enable=memory",
            "quiet",
            "a=b",
        ]
    );
    assert_same(&tree, "http/boot/modloop-rpi", "rpi/boot/modloop-rpi");
    let index = "apks/aarch64/APKINDEX.tar.gz";
    assert_same(
        &tree,
        "http/alpine/aarch64/APKINDEX.tar.gz",
        &format!("rpi/{index}"),
    );
    let overlay = std::fs::read(folder.path("worker.apkovl.tar.gz")).unwrap();
    assert_eq!(tree["http/worker.apkovl.tar.gz"].1, Some(overlay));
}

#[test]
fn tarball_and_folder_give_the_same_tree_each_time() {
    let folder = release::releases();
    let mut tar = Command::new("tar");
    tar.args(["-czf", "alpine-rpi.tar.gz", "-C", "rpi", "."]);
    succeed(tar.current_dir(folder.path("")));
    let first = made(&folder, &["--alpine", "rpi"]);
    assert_eq!(made(&folder, &["--alpine", "rpi"]), first);
    assert_eq!(made(&folder, &["--alpine", "alpine-rpi.tar.gz"]), first);
}

#[test]
fn whatever_modes_the_input_has_any_server_can_read_the_tree() {
    for (name, (mode, content)) in made(&release::releases(), &["--alpine", "rpi"]) {
        assert_eq!(
            mode,
            if content.is_some() { 0o644 } else { 0o755 },
            "{name}"
        );
    }
}

#[test]
fn a_board_with_uefi_finds_grub_and_what_grub_loads() {
    let tree = made(
        &release::releases(),
        &[UEFI, &["--cmdline", "panic=-1 a={MAC} rp?"]].concat(),
    );
    assert_same(&tree, "tftp/grubnetaa64.efi", "MZ GRUB");
    assert_same(&tree, "tftp/boot/vmlinuz-lts", "netboot/boot/vmlinuz-lts");
    assert_same(
        &tree,
        "tftp/boot/initramfs-lts",
        "netboot/boot/initramfs-lts",
    );
    assert_same(&tree, "http/boot/modloop-lts", "netboot/boot/modloop-lts");
    let mut lines = text(&tree, "tftp/grub/grub.cfg")
        .lines()
        .filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("set timeout=0"));
    assert_eq!(
        lines.next(),
        Some("echo muster: grub.cfg over TFTP for $net_default_mac")
    );
    let kernel = lines.next().unwrap();
    let line = kernel
        .strip_prefix("linux (tftp)/boot/vmlinuz-lts ")
        .unwrap();
    assert_eq!(
        other_words(&tree, line),
        [
            "console=tty0",
            "console=ttyAMA0,115200",
            "modules=loop,squashfs",
            "ip=dhcp",
            "alpine_repo=https://mirror.lan/v3.23/main,https://mirror.lan/v3.23/community",
            "BOOTIF=01-$net_default_mac",
            "'panic=-1'",
            "'a={MAC}'",
            "'rp?'",
        ]
    );
    let rest: Vec<&str> = lines.collect();
    assert_eq!(
        rest,
        [
            "initrd (tftp)/boot/initramfs-lts",
            "boot",
            "sleep 10",
            "reboot"
        ]
    );
    assert!(!tree.contains_key("http/alpine"), "the mirror has them");
}

#[test]
fn of_several_kernels_lts_is_taken_or_the_one_that_is_named() {
    let folder = release::releases();
    for file in ["initramfs", "modloop", "vmlinuz"] {
        folder.write(&format!("netboot/boot/{file}-virt"), file, 0o644);
    }
    let tree = made(&folder, UEFI);
    assert!(tree.contains_key("tftp/boot/vmlinuz-lts"));
    assert!(!tree.contains_key("tftp/boot/vmlinuz-virt"));
    let tree = made(&folder, &[UEFI, &["--flavor", "virt"]].concat());
    assert!(tree.contains_key("http/boot/modloop-virt"));
    assert!(!tree.contains_key("http/boot/modloop-lts"));
    assert!(text(&tree, "tftp/grub/grub.cfg").contains("/boot/modloop-virt "));
}

#[test]
fn k3s_is_laid_out_as_a_mirror_has_it() {
    let folder = release::releases();
    folder.write("k3s", "k3s", 0o644);
    // The SHA-256 of the three bytes above.
    let digest = "86bd33ebf64e01aaafb7dab419436ac025d04abd933bbbb124ddb25c30b59dd7";
    let sums = format!("{digest}  k3s-arm64\n");
    folder.write("sums", &sums, 0o644);
    let tree = made(
        &folder,
        &[
            "--alpine",
            "rpi",
            "--k3s",
            "k3s",
            "--k3s-sums",
            "sums",
            "--k3s-version",
            "v1.34.1+k3s1",
        ],
    );
    assert_same(&tree, "http/k3s/v1.34.1+k3s1/k3s-arm64", "k3s");
    assert_same(&tree, "http/k3s/v1.34.1+k3s1/sha256sum-arm64.txt", &sums);
}

#[test]
fn the_range_of_addresses_fits_the_network() {
    let folder = release::releases();
    for (address, range) in [
        ("10.11.0.1/24", "10.11.0.50,10.11.0.250"),
        ("10.11.3.7/22", "10.11.0.200,10.11.3.232"),
        ("172.16.0.1/16", "172.16.50.0,172.16.250.0"),
        ("192.168.1.18/28", "192.168.1.19,192.168.1.30"),
        ("192.168.1.6/29", "192.168.1.1,192.168.1.6"),
        ("223.1.2.3/8", "223.50.0.0,223.250.0.0"),
    ] {
        let tree = made(&folder, &["--alpine", "rpi", "--address", address]);
        let conf = text(&tree, "dnsmasq.conf");
        let line = format!("\ndhcp-range={range},12h\n");
        assert!(conf.contains(&line), "{address}: {conf}");
        let server = address.split('/').next().unwrap();
        let word = format!(" apkovl=http://{server}/worker.apkovl.tar.gz ");
        assert!(text(&tree, "tftp/cmdline.txt").contains(&word), "{address}");
    }
}

#[test]
fn a_server_whose_name_dnsmasq_is_not_told_is_named() {
    let folder = release::releases();
    let said = |arguments: &[&str]| {
        let arguments = [&["--alpine", "rpi", "--output", "out"], arguments].concat();
        let output = succeed(&mut command(&folder, &arguments));
        String::from_utf8(output.stdout).unwrap()
    };
    let asks = "dnsmasq asks this machine's DNS for k3s.lan, the server of the overlay.";
    assert!(said(&[]).contains(asks));
    assert!(said(&["--server-name", "k3s=10.11.0.2"]).contains(asks));
    assert!(said(&["--proxy-dhcp"]).contains("The network's own DNS must know k3s.lan"));
    for known in [
        ["--server-name", "k3s.lan=10.11.0.2"],
        ["--cmdline", "K3S_URL=https://10.11.0.2:6443"],
        ["--cmdline", "K3S_URL=https://[fd00::2]:6443"],
    ] {
        assert!(
            !said(&known).contains("the server of the overlay"),
            "{known:?}"
        );
    }
    for value in [
        "'https://other.lan:6443'",
        "'https://other.lan'",
        "\"https://other.lan/\"",
        "https://other.lan",
    ] {
        let conf = format!("K3S_URL={value}\n");
        folder.write("own/etc/conf.d/muster", &conf, 0o644);
        release::overlay(&folder, &["--add", "own"]);
        let said = said(&[]);
        assert!(
            said.contains("this machine's DNS for other.lan, "),
            "{value}: {said}"
        );
    }
}

#[test]
fn beside_another_dhcp_server_dnsmasq_gives_no_addresses_and_no_dns() {
    let folder = release::releases();
    let tree = made(&folder, &["--alpine", "rpi", "--proxy-dhcp"]);
    let conf = text(&tree, "dnsmasq.conf");
    let lines: Vec<&str> = conf.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        lines,
        [
            "interface=lan0",
            "bind-dynamic",
            "port=0",
            "dhcp-range=10.11.0.0,proxy",
            "",
            "enable-tftp",
            &format!("tftp-root={}", folder.path("out/tftp").display()),
            r#"pxe-service=0,"Raspberry Pi Boot""#,
            r#"pxe-service=ARM64_EFI,"GRUB",grubnetaa64.efi"#,
        ]
    );
}

#[test]
fn it_tells_what_to_do_next() {
    let folder = release::releases();
    let arguments = ["--alpine", "rpi", "--output", "out"];
    let told = |arguments: &[&str]| {
        let output = succeed(&mut command(&folder, arguments));
        String::from_utf8(output.stdout).unwrap()
    };
    let out = folder.path("out").display().to_string();
    assert_eq!(
        told(&arguments),
        format!(
            "{out}: rpi release, kernel rpi. Next, on the machine that has 10.11.0.1 on lan0, start:\n\
            \x20 dnsmasq --keep-in-foreground --conf-file={out}/dnsmasq.conf\n\
            \x20 busybox httpd -f -p 10.11.0.1:80 -h {out}/http   (or another web server)\n\
            \x20 chronyd with 'allow 10.11.0.0/24' in its configuration: boards have no clock\n\
            dnsmasq asks this machine's DNS for k3s.lan, the server of the overlay. \
            If that does not know it: --server-name k3s.lan=ADDR\n\
            Whoever reaches the web server can read http/worker.apkovl.tar.gz, and the join token in it.\n\
            Then power the boards on.\n"
        )
    );
    assert!(told(&arguments).contains(", restart:\n"), "it was replaced");
    let proxy = told(&[&arguments[..], &["--proxy-dhcp"]].concat());
    assert!(proxy.contains("MUSTER_NTP"), "{proxy}");
    assert!(!proxy.contains("chronyd"), "{proxy}");
}

#[test]
fn help_fits_80_columns() {
    help_fits_80_columns_for(TOOL);
}
