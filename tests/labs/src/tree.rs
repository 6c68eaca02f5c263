//! The tree that a site serves: TFTP, HTTP and dnsmasq's configuration.

use crate::site::{ADDRESS, BRIDGE};
use crate::tools::cached;
use crate::{Kind, Site};
use std::fs;
use std::os::unix::fs::symlink;

/// The kernel's words for a board of this site.
pub(crate) fn kernel_words(apkovl: &str) -> String {
    format!(
        "console=ttyAMA0 panic=-1 ip=dhcp modules=loop,squashfs,virtio_net,af_packet alpine_repo=http://{ADDRESS}/alpine \
         modloop=http://{ADDRESS}/boot/modloop-virt apkovl=http://{ADDRESS}/{apkovl}"
    )
}

/// Lays out `tree/tftp` and `tree/http`. This is what `overlay/netboot-tree.sh` does for a user.
pub(crate) fn lay_out(site: &Site) {
    if site.kind() != Kind::Machine {
        return;
    }
    let alpine = |path: &str| cached(&format!("alpine/{path}"), "tests/labs/alpine/build.sh");
    let (tftp, http) = (site.path("tree/tftp"), site.path("tree/http"));
    for folder in [tftp.join("grub"), http.join("boot")] {
        fs::create_dir_all(folder).expect("the tree");
    }
    let link = |from, to| symlink(from, to).expect("the tree");
    link(alpine("boot/vmlinuz-virt"), tftp.join("vmlinuz-virt"));
    link(alpine("boot/initramfs-virt"), tftp.join("initramfs-virt"));
    link(alpine("boot/modloop-virt"), http.join("boot/modloop-virt"));
    link(alpine("apks"), http.join("alpine"));
    let grub = cached("host/grubnetaa64.efi", "tests/labs/host/build.sh");
    link(grub, tftp.join("grubnetaa64.efi"));
    let words = kernel_words("worker.apkovl.tar.gz");
    let text = format!(
        "set timeout=0\nlinux (tftp)/vmlinuz-virt {words}\ninitrd (tftp)/initramfs-virt\nboot\n"
    );
    fs::write(tftp.join("grub/grub.cfg"), text).expect("the tree");
}

/// dnsmasq's configuration, as `docs/netboot.md` shows it.
pub(crate) fn dnsmasq_conf(site: &Site, dhcp: bool) -> String {
    let mut text =
        format!("interface={BRIDGE}\nbind-dynamic\nhost-record=k3s.lan,{ADDRESS}\nlocal=/lan/\n");
    if dhcp {
        text += "dhcp-range=10.11.0.50,10.11.0.250,12h\ndhcp-option=option:ntp-server,0.0.0.0\n";
    }
    if site.kind() == Kind::Machine {
        text += &format!(
            "enable-tftp\ntftp-root={}\npxe-service=0,\"Raspberry Pi Boot\"\ndhcp-match=set:uefi,option:client-arch,11\n\
             dhcp-boot=tag:uefi,grubnetaa64.efi\n",
            site.path("tree/tftp").display()
        );
    }
    text
}
