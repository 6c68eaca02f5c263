"""No Pi is emulated here; but what its boot loader asks first, and needs in the answer, is known and can be asked."""

import random
import socket
import struct

from case import BootTest
from lab import ADDRESS, sh

MAC = bytes.fromhex("dca632010203")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def discover(transaction):
    """A DHCPDISCOVER as a Pi 4's EEPROM sends it: a PXE client of architecture 0."""
    options = b"".join(bytes([code, len(value)]) + value for code, value in (
        (53, b"\x01"), (55, bytes([1, 3, 43, 60, 66, 67, 128, 129])), (93, b"\0\0"), (94, b"\x01\x02\x01"),
        (97, b"\0RPi4" + bytes(12)), (60, b"PXEClient:Arch:00000:UNDI:002001"),
    ))  # fmt: skip
    bootp = struct.pack("!BBBBIHH16s16s", 1, 1, 6, 0, transaction, 0, 0x8000, b"", MAC) + bytes(192) + b"\x63\x82\x53\x63" + options + b"\xff"
    udp = struct.pack("!HHHH", 68, 67, 8 + len(bootp), 0) + bootp
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return b"\xff" * 6 + MAC + b"\x08\x00" + head + udp


def parse(frame, transaction):
    """(server address, options) of a DHCP answer to the transaction, or None."""
    bootp = frame[14 + 20 + 8 :]
    if frame[12:14] != b"\x08\x00" or frame[23] != 17 or len(bootp) < 240 or bootp[4:8] != struct.pack("!I", transaction):
        return None
    options, at = {}, 240
    while bootp[at] != 255:
        code, size = bootp[at], bootp[at + 1]
        options[code] = bootp[at + 2 : at + 2 + size]
        at += 2 + size
    return socket.inet_ntoa(bootp[20:24]), options


class Pi(BootTest):
    parts = ("dnsmasq",)

    def test_dnsmasq_answers_a_pi_boot_loader_with_what_it_looks_for(self):
        sh("ip", "link", "add", "pi0", "type", "veth", "peer", "name", "pi1")
        for name in ("pi0", "pi1"):
            sh("ip", "link", "set", name, "up")
        sh("ip", "link", "set", "pi1", "master", "lan0")
        transaction = random.getrandbits(32)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003)) as link:
            link.bind(("pi0", 0))
            link.settimeout(15)
            link.send(discover(transaction))
            while not (offer := parse(link.recv(2048), transaction)) or offer[1][53] != b"\x02":
                pass
        server, options = offer
        self.assertEqual(server, ADDRESS)
        self.assertIn(b"Raspberry Pi Boot", options[43])
        self.assertTrue(options[60].startswith(b"PXEClient"))
