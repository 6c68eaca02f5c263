//! The tree that a site serves to its machines, made by `overlay/netboot-tree.sh`.

use crate::site::{ADDRESS, ADDRESS_V6, BRIDGE};
use crate::tools::{cached, run, text, top};
use crate::{Kind, Options, Site};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// The overlay that the boot loader's configuration names, for all boards.
pub(crate) const OVERLAY: &str = "worker.apkovl.tar.gz";
/// More words for the kernel: a kernel that panics ends QEMU, so that a test learns of it at once.
const KERNEL_WORDS: &str = "panic=-1";

/// What a machine without a boot loader is given.
pub(crate) struct DirectBoot {
    pub kernel: PathBuf,
    pub initramfs: PathBuf,
    pub words: String,
}

/// Alpine's release: `ALPINE`, else the one that the labs build.
fn release() -> PathBuf {
    let given = std::env::var_os("ALPINE").map(PathBuf::from);
    given.map_or_else(|| cached("alpine"), |path| top().join(path))
}

/// Lays out `tree/` for a site of machines. The site's k3s server has been started, as the overlay holds its token.
pub(crate) fn lay_out(site: &Site) {
    let release = site.options.release.clone().unwrap_or_else(release);
    let tool = top().join("overlay/netboot-tree.sh");
    let grub = "host/usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed";
    let (overlay, output) = (site.archive(&site.overlay()), site.path("tree"));
    let network = format!("{ADDRESS}/24");
    let (server, mirror) = (
        format!("k3s.lan={ADDRESS}"),
        format!("mirror.lan={ADDRESS}"),
    );
    let mut argv = vec![
        text(&tool),
        "--alpine",
        text(&release),
        "--overlay",
        text(&overlay),
        "--interface",
        BRIDGE,
        "--address",
        &network,
        "--server-name",
        &server,
        "--server-name",
        &mirror,
        "--cmdline",
        KERNEL_WORDS,
        "--output",
        text(&output),
    ];
    let grub = (!release.join("config.txt").exists()).then(|| cached(grub));
    if let Some(grub) = &grub {
        argv.extend(["--grub", text(grub)]);
    }
    run(&argv);
}

/// What GRUB's configuration has a board boot, with an overlay of its own: for a machine that QEMU gives its kernel.
pub(crate) fn direct_boot(site: &Site, overlay: &str) -> DirectBoot {
    let file = site.path("tree/tftp/grub/grub.cfg");
    let configuration = fs::read_to_string(file).expect("GRUB's configuration");
    let line = |command: &str| -> Vec<&str> {
        let mut lines = configuration.lines();
        let words = lines.find_map(|line| line.strip_prefix(command));
        words.expect("a line").split_whitespace().collect()
    };
    let file = |name: &str| {
        let name = name
            .strip_prefix("(tftp)/")
            .expect("a file of the TFTP root");
        site.path("tree/tftp").join(name)
    };
    let linux = line("linux ");
    let words: Vec<String> = linux[1..]
        .iter()
        // It is the boot loader that tells from which interface it booted.
        .filter(|word| !word.starts_with("BOOTIF="))
        .map(|word| word.trim_matches('\'').replace(OVERLAY, overlay))
        .collect();
    DirectBoot {
        kernel: file(linux[0]),
        initramfs: file(line("initrd ")[0]),
        words: words.join(" "),
    }
}

/// dnsmasq's configuration: the tree's own, with what the labs and these options add to it.
pub(crate) fn dnsmasq_conf(site: &Site, options: &Options) -> String {
    let mut text = match site.kind() {
        Kind::Machine => {
            fs::read_to_string(site.path("tree/dnsmasq.conf")).expect("the tree's dnsmasq.conf")
        }
        // Nothing of a namespace board boots over the network, so there is no tree.
        Kind::Namespace if options.ipv6_only => format!(
            "interface={BRIDGE}\nbind-dynamic\nhost-record={},{ADDRESS_V6}\nlocal=/lan/\n\
             enable-ra\ndhcp-range=::,constructor:{BRIDGE},ra-only\n",
            options.names
        ),
        Kind::Namespace => format!(
            "interface={BRIDGE}\nbind-dynamic\nhost-record={},{ADDRESS}\nlocal=/lan/\n\
             dhcp-range=10.11.0.50,10.11.0.250,12h\ndhcp-option=option:ntp-server,0.0.0.0\n",
            options.names
        ),
    };
    if !options.dhcp {
        text = text.replace("\ndhcp-range=", "\n# dhcp-range=");
    }
    if site.refuses_leases.load(Ordering::Relaxed) {
        // A request names the address that was offered (option 50), and then there is no range for it.
        text = text.replace("\ndhcp-range=", "\ndhcp-range=tag:!request,");
        text += "dhcp-match=set:request,50\n";
    }
    // This machine's DNS is no part of the site. With another user or group dnsmasq would not be killed with this process.
    text += "no-resolv\nno-hosts\nno-ping\nlog-dhcp\nuser=root\ngroup=root\npid-file=\n";
    text += &format!("dhcp-leasefile={}\n", site.path("leases").display());
    text + &options.dnsmasq
}
