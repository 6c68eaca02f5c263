//! Power-on by real PXE: the firmware asks DHCP and TFTP for GRUB, and GRUB asks TFTP for the rest.

use muster_labs::scenarios::assert_named_first;
use muster_labs::{Board, Firmware, Kind, MachineBoard, Options, Service, Site};

#[test]
fn power_on_to_joined_by_pxe_named_before_any_service_and_in_dhcp() {
    let site = Site::new(Options::of(Kind::Machine));
    let mut board = MachineBoard::new(&site, &Site::mac(1));
    board.firmware = Firmware::Uefi;
    board.power_on();
    board.wait_for("NBP filename is grubnetaa64.efi");
    board.wait_for("grub.cfg over TFTP");
    let took = board.joined();
    println!("joined {:.1} s after power-on", took.as_secs_f64());
    assert_named_first(&board);
    let log = site.service_log(Service::Dhcp);
    let files = [
        "grubnetaa64.efi",
        "grub/grub.cfg",
        // Which kernel it is depends on the release.
        "boot/vmlinuz-",
        "boot/initramfs-",
    ];
    for file in files {
        let sent = format!("sent {}/{file}", site.path("tree/tftp").display());
        assert!(log.contains(&sent), "{file}: {log}");
    }
    let name = format!("client provides name: {}", board.name());
    assert!(log.contains(&name), "{log}");
}
