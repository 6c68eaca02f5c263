//! Alpine's two releases with the names that they really have and made-up contents, and trees made from them. The labs include
//! this file too.

use crate::support::{Folder, succeed};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

pub const TOOL: &str = "netboot-tree.sh";
/// What every call of the tool must say, beside the release.
pub const SITE: &[&str] = &[
    "--overlay",
    "worker.apkovl.tar.gz",
    "--interface",
    "lan0",
    "--address",
    "10.11.0.1/24",
];
/// `alpine-rpi-*-aarch64.tar.gz`, unpacked.
const RPI: &[&str] = &[
    "rpi/.alpine-release",
    "rpi/apks/.boot_repository",
    "rpi/apks/aarch64/APKINDEX.tar.gz",
    "rpi/apks/aarch64/alpine-base-3.23.6-r0.apk",
    "rpi/apks/aarch64/ca-certificates-bundle-20260909-r0.apk",
    "rpi/apks/aarch64/openssh-server-10.2_p1-r0.apk",
    "rpi/bcm2710-rpi-3-b-plus.dtb",
    "rpi/bcm2711-rpi-4-b.dtb",
    "rpi/bcm2711-rpi-cm4.dtb",
    "rpi/bcm2712-rpi-5-b.dtb",
    "rpi/boot/initramfs-rpi",
    "rpi/boot/modloop-rpi",
    "rpi/boot/vmlinuz-rpi",
    "rpi/bootcode.bin",
    "rpi/cmdline.txt",
    "rpi/fixup.dat",
    "rpi/fixup4.dat",
    "rpi/overlays/overlay_map.dtb",
    "rpi/overlays/vc4-kms-v3d.dtbo",
    "rpi/start.elf",
    "rpi/start4.elf",
];
/// As Alpine's scripts/mkimg.arm.sh writes it.
pub const CONFIG_TXT: &str =
    "kernel=boot/vmlinuz-rpi\ninitramfs boot/initramfs-rpi\narm_64bit=1\ninclude usercfg.txt\n";
/// `alpine-netboot-*-aarch64.tar.gz`, unpacked.
const NETBOOT: &[&str] = &[
    "netboot/boot/config-6.18.1-0-lts",
    "netboot/boot/dtbs-lts/rockchip/rk3399.dtb",
    "netboot/boot/initramfs-lts",
    "netboot/boot/modloop-lts",
    "netboot/boot/vmlinuz-lts",
];
/// What an alpine-netboot release needs beside [`SITE`].
pub const UEFI: &[&str] = &[
    "--alpine",
    "netboot",
    "--grub",
    "grub.efi",
    "--repository",
    "https://mirror.lan/v3.23/main,https://mirror.lan/v3.23/community",
];

/// Both releases in `rpi` and `netboot`, GRUB in `grub.efi` and an overlay in `worker.apkovl.tar.gz`.
pub fn releases() -> Folder {
    let folder = Folder::new();
    for &name in RPI.iter().chain(NETBOOT) {
        // A mode that a server under another user could not read.
        folder.write(name, name, 0o600);
    }
    folder.write("rpi/config.txt", CONFIG_TXT, 0o600);
    folder.write("grub.efi", "MZ GRUB", 0o600);
    // The same input gives the same bytes: made once for all tests.
    static MADE: OnceLock<Vec<u8>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        overlay(&folder, &[]);
        fs::read(folder.path("worker.apkovl.tar.gz")).unwrap()
    });
    fs::write(folder.path("worker.apkovl.tar.gz"), made).unwrap();
    folder
}

/// Makes `worker.apkovl.tar.gz` again, with these arguments too.
pub fn overlay(folder: &Folder, more: &[&str]) {
    let arguments = [
        "--server",
        "https://k3s.lan:6443",
        "--token-file",
        "token",
        "--binary",
        "muster",
    ];
    let arguments = [&arguments, more].concat();
    succeed(&mut folder.tool(&["sh"], "genapkovl-muster.sh", &arguments));
}

/// The tool, run by `sh`.
pub fn command(folder: &Folder, arguments: &[&str]) -> Command {
    folder.tool(&["sh"], TOOL, &[SITE, arguments].concat())
}

/// A tree's files (modes and contents) and folders (modes), by their paths.
pub type Tree = BTreeMap<String, (u32, Option<Vec<u8>>)>;

pub fn tree(top: &Path) -> Tree {
    fn walk(top: &Path, folder: &Path, tree: &mut Tree) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = metadata.is_file().then(|| fs::read(&path).unwrap());
            let name = path.strip_prefix(top).unwrap().display().to_string();
            tree.insert(name, (metadata.permissions().mode() & 0o7777, content));
            if metadata.is_dir() {
                walk(top, &path, tree);
            }
        }
    }
    let mut tree = Tree::new();
    walk(top, top, &mut tree);
    tree
}

/// A text file of a tree.
pub fn text<'a>(tree: &'a Tree, name: &str) -> &'a str {
    let (_, content) = tree.get(name).unwrap_or_else(|| panic!("no {name}"));
    std::str::from_utf8(content.as_ref().unwrap()).unwrap()
}
