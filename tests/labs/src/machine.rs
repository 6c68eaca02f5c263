//! An emulated aarch64 machine: powered on, it boots Alpine from what the site serves.

use crate::shell::Shell;
use crate::tools::{cached, host_program, run, text};
use crate::{BRIDGE, Board, Output, Overlay, Services, Site, console, tree};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::SystemTime;

/// From where a machine gets its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// QEMU gives it kernel and initramfs directly.
    Direct,
    /// UEFI, which asks DHCP and TFTP for GRUB, which asks TFTP for the rest.
    Uefi,
}

/// A machine on a site's segment. Its public fields take effect at the next power-on.
pub struct MachineBoard<'a> {
    site: &'a Site,
    label: String,
    mac: String,
    tap: String,
    /// What its overlay is made from.
    pub overlay: Overlay,
    pub firmware: Firmware,
    /// Megabytes of RAM.
    pub memory: u32,
    /// More words for the kernel; with [`Firmware::Direct`] only.
    pub kernel_words: String,
    /// More arguments of QEMU.
    pub qemu: Vec<String>,
    boots: u32,
    running: Option<Running>,
    powered_on_at: SystemTime,
}

struct Running {
    console: Output,
    shell: Shell,
}

impl<'a> MachineBoard<'a> {
    /// A machine that is off. Its overlay names the site's k3s server.
    pub fn new(site: &'a Site, mac: &str) -> MachineBoard<'a> {
        let number = site.next_board();
        let tap = format!("tap{number}");
        site.ip(&["tuntap", "add", "dev", &tap, "mode", "tap"]);
        site.ip(&["link", "set", &tap, "master", BRIDGE, "up"]);
        MachineBoard {
            site,
            label: format!("board{number}"),
            mac: mac.into(),
            tap,
            overlay: site.overlay(),
            firmware: Firmware::Direct,
            memory: 1024,
            kernel_words: String::new(),
            qemu: Vec::new(),
            boots: 0,
            running: None,
            powered_on_at: SystemTime::UNIX_EPOCH,
        }
    }

    /// Types at the console's keyboard.
    pub fn type_text(&self, text: &str) {
        self.console().type_text(text);
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the board is on")
    }

    /// Puts its overlay where it will ask for it; the path in the URL.
    fn publish_overlay(&self) -> String {
        let name = match self.firmware {
            Firmware::Direct => format!("{}.apkovl.tar.gz", self.label),
            Firmware::Uefi => tree::OVERLAY.into(),
        };
        let (part, file) = (
            self.site.path(&format!("{}.part", self.label)),
            self.site.path("tree/http").join(&name),
        );
        fs::copy(self.site.archive(&self.overlay), &part).expect("the overlay");
        // The tool makes it readable for its owner only, as it holds the token.
        fs::set_permissions(&part, Permissions::from_mode(0o644)).expect("the overlay");
        fs::rename(part, file).expect("the overlay");
        name
    }
}

impl Board for MachineBoard<'_> {
    fn site(&self) -> &Site {
        self.site
    }

    fn label(&self) -> &str {
        &self.label
    }

    fn mac(&self) -> &str {
        &self.mac
    }

    fn overlay(&mut self) -> &mut Overlay {
        &mut self.overlay
    }

    fn power_on(&mut self) {
        self.power_off();
        self.boots += 1;
        let overlay = self.publish_overlay();
        let socket = self
            .site
            .path(&format!("{}-{}.shell", self.label, self.boots));
        let program = host_program("qemu-system-aarch64");
        let mut command = self.site.command(&program[0]);
        command.args(&program[1..]);
        // By itself QEMU looks for its files where Debian installs them.
        command.arg("-L").arg(cached("host/usr/share/qemu"));
        command.args(["-M", "virt", "-cpu", "cortex-a72", "-smp", "1", "-accel"]);
        command.args(["tcg", "-m", &self.memory.to_string(), "-no-reboot"]);
        command.args(["-nodefaults", "-display", "none", "-monitor", "none"]);
        command.args(["-serial", "stdio", "-device", "virtio-rng-pci"]);
        let (tap, mac) = (&self.tap, &self.mac);
        command.args([
            "-netdev",
            &format!("tap,id=lan,ifname={tap},script=no,downscript=no"),
            "-device",
            &format!("virtio-net-pci,netdev=lan,romfile=,mac={mac}"),
            "-chardev",
            &format!("socket,id=shell,path={},server=on,wait=off", text(&socket)),
            "-device",
            "virtio-serial-pci",
            "-device",
            "virtserialport,chardev=shell,name=shell",
        ]);
        match self.firmware {
            Firmware::Direct => {
                let boot = tree::direct_boot(self.site, &overlay);
                let words = format!("{} {}", boot.words, self.kernel_words);
                command.arg("-kernel").arg(boot.kernel);
                command.arg("-initrd").arg(boot.initramfs);
                command.args(["-append", words.trim()]);
            }
            Firmware::Uefi => {
                let firmware = "host/usr/share/qemu-efi-aarch64/QEMU_EFI.fd";
                command.arg("-bios").arg(cached(firmware));
            }
        }
        command.args(&self.qemu);
        let log = format!("{}-{}.log", self.label, self.boots);
        self.powered_on_at = SystemTime::now();
        let console = Output::console(&mut command, self.site.log_path(&log));
        let shell = Shell::connect(&socket, &console);
        self.running = Some(Running { console, shell });
    }

    fn power_off(&mut self) {
        self.running = None;
    }

    fn powered_on_at(&self) -> SystemTime {
        self.powered_on_at
    }

    fn console(&self) -> &Output {
        &self.running().console
    }

    fn log(&self) -> String {
        self.try_shell("cat /var/log/muster.log.0 /var/log/muster.log 2>/dev/null")
            .1
    }

    fn try_shell(&self, script: &str) -> (i32, String) {
        self.running().shell.run(&self.label, script)
    }

    fn muster_pid(&self) -> Option<u32> {
        let pattern = "^(/usr/sbin/muster|/usr/local/bin/k3s)( |$)";
        let (_, pid) = self.try_shell(&format!("pgrep -o -f '{pattern}'"));
        pid.trim().parse().ok()
    }

    fn services(&self) -> Services {
        Services::of(self.shell("rc-status -a"))
    }

    fn log_in(&self) -> Services {
        console::log_in(self.console(), &self.name())
    }
}

impl Drop for MachineBoard<'_> {
    fn drop(&mut self) {
        self.power_off();
        let tap = &self.tap;
        run(&["ip", "-n", &self.site.namespace, "link", "del", tap]);
    }
}
