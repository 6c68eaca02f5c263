//! `netboot-tree.sh`: an error names what is wrong, leaves nothing behind, and leaves a tree of before as it was.

use crate::refused;
use crate::release::{self, TOOL, UEFI, command, tree};
use crate::support::{Folder, succeed};
use std::fs;

/// The program that these tests were built with, for this machine.
const MUSTER: &str = env!("CARGO_BIN_EXE_muster");

/// Asserts that the tool refuses these arguments, says this and changes nothing in the folder.
fn refuses(folder: &Folder, arguments: &[&str], said: &str) {
    let before = tree(&folder.path(""));
    refused(&command(folder, arguments).output().unwrap(), said);
    assert!(tree(&folder.path("")) == before, "{said}: files changed");
}

#[test]
fn what_must_be_said() {
    let folder = Folder::new();
    folder.write("rpi", "", 0o644);
    folder.write("overlay", "", 0o644);
    let mut arguments = Vec::new();
    for (missing, said) in [
        (&["--alpine", "rpi"][..], "--alpine is required"),
        (&["--overlay", "overlay"], "--overlay is required"),
        (&["--interface", "lan0"], "--interface is required"),
        (&["--address", "10.11.0.1/24"], "--address is required"),
    ] {
        let output = folder.tool(&["sh"], TOOL, &arguments).output().unwrap();
        refused(&output, said);
        arguments.extend(missing);
    }
}

#[test]
fn values_that_cannot_be_right() {
    let folder = release::releases();
    for (arguments, said) in [
        (
            &["--alpine", "nowhere"][..],
            "no such file or folder: nowhere",
        ),
        (&["--overlay", "nowhere"], "no such file: nowhere"),
        (&["--grub", "nowhere"], "no such file: nowhere"),
        (
            &["--grub", "rpi/bootcode.bin"],
            "bootcode.bin is no EFI program",
        ),
        (&["--interface", "lan 0"], "'lan 0' is no interface's name"),
        (
            &["--address", "10.11.0.1"],
            "'10.11.0.1' lacks the prefix length",
        ),
        (&["--address", "10.11.0/24"], "'10.11.0' is no IPv4 address"),
        (
            &["--address", "10.11.0.256/24"],
            "'10.11.0.256' is no IPv4 address",
        ),
        (&["--address", "10.11.0.1/30"], "8 to 29, not '30'"),
        (
            &["--address", "10.11.0.0/24"],
            "the address of the whole network",
        ),
        (&["--address", "10.11.0.255/24"], "its broadcast address"),
        (
            &["--repository", "mirror.lan"],
            "'mirror.lan' begins with neither http:// nor https://",
        ),
        (
            &["--repository", "http://a,ftp://b"],
            "'ftp://b' begins with neither",
        ),
        (&["--repository", "http://a b"], "'http://a b' is no URL"),
        (&["--server-name", "k3s.lan"], "'k3s.lan' is not NAME=ADDR"),
        (
            &["--server-name", "k3s lan=10.0.0.1"],
            "'k3s lan' is no host name",
        ),
        (
            &["--server-name", "k3s.lan=k3s"],
            "'k3s' is no IPv4 address",
        ),
        (
            &["--server-name", "k3s.lan=10.0.0.1", "--proxy-dhcp"],
            "the network's own DNS must know the name",
        ),
        (&["--cmdline", "a='b c'"], "cannot hold"),
        (
            &["--cmdline", "K3S_TOKEN=the-password"],
            "put the token into the overlay",
        ),
        (&["--cmdline", "a\nb"], "is one line"),
        (&["--k3s-version", "1.34"], "'1.34' is no k3s release tag"),
        (&["--k3s-version", "v1.34.1+k3s1/.."], "is no tag"),
        (
            &["--k3s-version", "v1.34.1+k3s1"],
            "--k3s, --k3s-sums and --k3s-version go together",
        ),
        (&["--output", "nowhere/out"], "no such folder: nowhere"),
        (&["--colour"], "unknown option --colour"),
        (&["--cmdline"], "--cmdline wants a value"),
        (&["rpi"], "unknown option rpi"),
    ] {
        refuses(&folder, &[&["--alpine", "rpi"], arguments].concat(), said);
    }
}

#[test]
fn a_release_that_boards_could_not_boot() {
    let rpi = ["--alpine", "rpi"];
    for (file, said) in [
        (
            "rpi/boot/vmlinuz-rpi",
            "rpi is neither an rpi nor a netboot release: it has no boot/vmlinuz-*",
        ),
        ("rpi/boot/initramfs-rpi", "rpi lacks boot/initramfs-rpi"),
        ("rpi/boot/modloop-rpi", "rpi lacks boot/modloop-rpi"),
        (
            "rpi/apks/aarch64/APKINDEX.tar.gz",
            "rpi lacks apks/aarch64/APKINDEX.tar.gz",
        ),
        ("rpi/bootcode.bin", "rpi lacks bootcode.bin"),
    ] {
        let folder = release::releases();
        fs::remove_file(folder.path(file)).unwrap();
        refuses(&folder, &rpi, said);
    }
    let folder = release::releases();
    folder.write("cut.tar.gz", "no archive", 0o644);
    for (arguments, said) in [
        (
            &["--alpine", "cut.tar.gz"][..],
            "cut.tar.gz is no whole tar.gz archive",
        ),
        (
            &["--alpine", "netboot", "--grub", "grub.efi"],
            "--repository is required: netboot has no packages",
        ),
        (
            &["--alpine", "netboot", "--repository", "http://mirror"],
            "--grub is required: netboot is a netboot release",
        ),
        (
            &["--alpine", "rpi", "--grub", "grub.efi"],
            "a Raspberry Pi boots without GRUB",
        ),
        (
            &["--alpine", "rpi", "--flavor", "lts"],
            "rpi has no kernel 'lts', but: rpi",
        ),
    ] {
        refuses(&folder, arguments, said);
    }
    folder.write("rpi/boot/vmlinuz-rpi4", "", 0o644);
    refuses(
        &folder,
        &rpi,
        "--flavor is required: rpi has several kernels: rpi rpi4",
    );
}

#[test]
fn an_overlay_that_does_not_fit() {
    let folder = release::releases();
    let rpi = ["--alpine", "rpi"];
    folder.write("text", "no archive", 0o644);
    refuses(
        &folder,
        &[&rpi[..], &["--overlay", "text"]].concat(),
        "text is no whole tar.gz archive",
    );
    let mut tar = std::process::Command::new("tar");
    succeed(
        tar.args(["-czf", "other.tar.gz", "muster"])
            .current_dir(folder.path("")),
    );
    refuses(
        &folder,
        &[&rpi[..], &["--overlay", "other.tar.gz"]].concat(),
        "other.tar.gz is not from genapkovl-muster.sh",
    );
    release::overlay(&folder, &["--arch", "armv7"]);
    refuses(&folder, &rpi, "worker.apkovl.tar.gz is for armv7");
}

#[test]
fn a_package_that_the_release_does_not_have() {
    let folder = release::releases();
    release::overlay(
        &folder,
        &[
            "--apk",
            "htop",
            "--apk",
            "openssh-server>10",
            "--apk",
            "nfs-utils",
        ],
    );
    let arguments = ["--alpine", "rpi", "--output", "out"];
    refuses(
        &folder,
        &arguments,
        "packages that the overlay installs: htop nfs-utils; name a mirror",
    );
    let mirror = [&arguments[..], &["--repository", "http://mirror.lan/main"]].concat();
    succeed(&mut command(&folder, &mirror));
}

#[test]
fn k3s_that_the_sums_file_does_not_name() {
    let folder = release::releases();
    folder.write("k3s", "k3s", 0o644);
    let arguments = [
        "--alpine",
        "rpi",
        "--k3s",
        "k3s",
        "--k3s-sums",
        "sums",
        "--k3s-version",
        "v1.34.1+k3s1",
    ];
    folder.write("sums", &format!("{}  k3s\n", "0".repeat(64)), 0o644);
    refuses(&folder, &arguments, "sums has no line for k3s-arm64");
    folder.write("sums", &format!("{}  k3s-arm64\n", "0".repeat(64)), 0o644);
    refuses(&folder, &arguments, "but sums says 0000");
}

#[test]
fn words_that_muster_refuses_on_the_kernel_command_line() {
    let folder = release::releases();
    for (words, said) in [
        (
            "quiet MUSTER_NPT=no",
            "this overlay with --cmdline: MUSTER_NPT (kernel command line): there is no such setting; did you mean MUSTER_NTP?",
        ),
        (
            "MUSTER_DHCP=perhaps",
            "MUSTER_DHCP=\"perhaps\" (kernel command line): must be yes or no",
        ),
        (
            "SSL_CERT_FILE=/etc/none.pem",
            "SSL_CERT_FILE=\"/etc/none.pem\" (kernel command line): there is no such file",
        ),
    ] {
        let words = ["--cmdline", words, "--check-with", MUSTER];
        refuses(&folder, &[&["--alpine", "rpi"][..], &words].concat(), said);
    }
    let warned = ["--cmdline", "quiet K3S_ULR=https://k3s.lan:6443"];
    let arguments = [&["--alpine", "rpi", "--check-with", MUSTER][..], &warned].concat();
    let output = succeed(&mut command(&folder, &arguments));
    let warning = String::from_utf8_lossy(&output.stderr);
    assert!(warning.contains("did you mean K3S_URL?"), "{warning}");
}

#[test]
fn files_of_the_overlay_that_the_settings_name_are_found_outside_etc_too() {
    let folder = release::releases();
    let secret = "0123456789abcdef0123456789abcdef\n";
    folder.write("own/srv/secret", secret, 0o600);
    folder.write("own/list", "the name of a file of the tool's own", 0o644);
    let set = "MUSTER_NODE_SECRET_FILE=/srv/secret";
    release::overlay(&folder, &["--add", "own", "--set", set]);
    let check = ["--alpine", "rpi", "--check-with", MUSTER, "--cmdline"];
    succeed(&mut command(&folder, &[&check[..], &["quiet"]].concat()));
    let other = "MUSTER_NODE_SECRET_FILE=/srv/other";
    let arguments = [&check[..], &[other, "--output", "other"]].concat();
    refuses(&folder, &arguments, "there is no such file");
}

#[test]
fn an_error_does_not_name_the_tools_own_folder_whatever_its_name_is() {
    let folder = release::releases();
    folder.write("a, [b*/readme", "", 0o644);
    let arguments = [
        "--alpine",
        "rpi",
        "--check-with",
        MUSTER,
        "--cmdline",
        "SSL_CERT_FILE=/etc/none.pem",
        "--output",
        "a, [b*/out",
    ];
    let output = command(&folder, &arguments).output().unwrap();
    refused(&output, "(kernel command line): there is no such file");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!error.contains("below"), "{error}");
}

#[test]
fn an_output_that_somebody_else_made_stays() {
    let folder = release::releases();
    folder.write("out/mine", "mine", 0o644);
    refuses(
        &folder,
        &["--alpine", "rpi", "--output", "out"],
        "out exists, and this tool did not make it",
    );
    refuses(
        &folder,
        &["--alpine", "rpi", "--output", "muster"],
        "muster exists, and this tool did not make it",
    );
}

#[test]
fn a_tree_of_before_is_replaced_whole_or_stays_whole() {
    let folder = release::releases();
    succeed(&mut command(
        &folder,
        &[UEFI, &["--output", "out"]].concat(),
    ));
    fs::rename(folder.path("rpi/bcm2711-rpi-4-b.dtb"), folder.path("kept")).unwrap();
    for name in ["bcm2710-rpi-3-b-plus", "bcm2711-rpi-cm4", "bcm2712-rpi-5-b"] {
        fs::remove_file(folder.path(&format!("rpi/{name}.dtb"))).unwrap();
    }
    // Found late, when much of the new tree is there.
    refuses(
        &folder,
        &["--alpine", "rpi", "--output", "out"],
        "rpi lacks *.dtb",
    );
    fs::rename(folder.path("kept"), folder.path("rpi/bcm2711-rpi-4-b.dtb")).unwrap();
    succeed(&mut command(
        &folder,
        &["--alpine", "rpi", "--output", "out"],
    ));
    let tree = tree(&folder.path("out"));
    assert!(tree.contains_key("tftp/start4.elf"));
    assert!(
        !tree.contains_key("tftp/grub"),
        "a file of the tree of before"
    );
    for entry in fs::read_dir(folder.path("")).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(!name.to_string_lossy().starts_with('.'), "left: {name:?}");
    }
}
