"""Power-on to joined: by real PXE, and by a kernel given directly; and again, with nothing kept."""

import re

from case import BootTest
from lab import hostname


class PowerOnByPxe(BootTest):
    def test_power_on_to_joined_by_pxe_named_before_any_service_and_in_dhcp(self):
        board = self.site.board()
        board.power_on(pxe=True)
        board.wait(r"NBP filename is grubnetaa64\.efi", 60)
        board.wait("grub.cfg over TFTP", 60)
        self.site.joined(board, 120)
        self.assert_named_first(board)
        self.assert_dhcp_knows(board)
        with open(self.site.path("dnsmasq.log"), encoding="utf-8") as file:
            log = file.read()
        for sent in ("grubnetaa64.efi", "grub/grub.cfg", "Image", "initramfs.gz"):
            self.assertIn(f"sent /srv/tftp/{sent} to ", log)
        self.assertRegex(log, rf"client provides name: {hostname(board.mac)}")


class PowerOnDirectly(BootTest):
    def test_three_times_off_and_on_with_nothing_kept_the_same_node_is_accepted(self):
        board, ages, nodes = self.site.board(), [], []
        name = hostname(board.mac)
        for _ in range(3):
            board.power_on()
            self.site.joined(board)
            self.assert_named_first(board)
            self.assert_dhcp_knows(board)
            nodes.append(sorted(self.site.nodes()))
            ages.append(self.site.age(name))
            self.assertEqual(board.run("hostname").strip(), name)
            refused = [row for row in self.site.requests() if row[3] in ("401", "403")]
            self.assertEqual(refused, [])
            board.power_off()
        # One record all along, and none beside it; it only gets older.
        self.assertEqual(nodes, [nodes[0]] * 3)
        self.assertEqual(ages, sorted(ages))
        self.assertGreater(ages[2], ages[0])

    def test_another_board_is_another_node_beside_it(self):
        first, second = self.site.board(2), self.site.board(3)
        for board in (first, second):
            board.power_on()
        for board in (first, second):
            self.site.joined(board, 90)
        passwords = {board.run("cat /etc/rancher/node/password") for board in (first, second)}
        machine_ids = {board.run("cat /etc/machine-id").strip() for board in (first, second)}
        self.assertEqual((len(passwords), len(machine_ids)), (2, 2))
        self.assertTrue(all(re.fullmatch(r"[0-9a-f]{32}", machine_id) for machine_id in machine_ids))
