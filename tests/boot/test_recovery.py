"""What is down at power-on comes back later: the board recovers alone, with a console meanwhile."""

import time

from case import BootTest
from lab import VERSION, hostname, sha256
from web import Web


class Recovery(BootTest):
    def joins_after(self, board, seconds, since, repair):
        """Looks around at the console during the outage; then the board is on its own."""
        listing = self.log_in(board)
        self.assertEqual(self.word_after(listing, "muster"), "started")
        self.assertEqual(self.word_after(listing, "networking"), "started")
        self.outage(seconds, since)
        self.assertEqual(self.site.nodes().get(hostname(board.mac)), None)
        repair()
        self.site.joined(board, 90)
        self.assertEqual(self.service_state(board), "started")


class NoDhcp(Recovery):
    def test_no_dhcp_server_for_30_s(self):
        board = self.site.board()
        board.power_on()
        # The initramfs needs an address to get the overlay; then there is no more.
        self.site.web.requests.wait("worker.apkovl.tar.gz", 60)
        self.site.stop_dnsmasq()
        self.joins_after(board, 30, time.monotonic(), self.site.start_dnsmasq)
        self.assert_dhcp_knows(board)


class MirrorDown(Recovery):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        base = cls.site.big("mirror")
        cls.site.publish(base)
        cls.mirror = Web("10.11.0.1", 8080, base)
        digest = sha256(f"{base}/{VERSION}/k3s-arm64")
        cls.site.overlay("--set", "MUSTER_MIRRORS=http://10.11.0.1:8080", "--set", f"MUSTER_K3S_SHA256={digest}")

    def test_mirror_down_for_30_s(self):
        self.mirror.down()
        board = self.site.board()
        board.power_on()
        board.until("grep -q 'WARN: fetch: .*10.11.0.1:8080' /var/log/muster.log", 60)
        self.joins_after(board, 30, time.monotonic(), self.mirror.up)
        self.assertEqual(self.downloads(), [])


class ServerDown(Recovery):
    def test_k3s_server_down_for_60_s(self):
        self.site.stop_k3s()
        board = self.site.board()
        board.power_on()
        board.until("grep -q 'WARN: fetch: .*k3s.lan:6443' /var/log/muster.log", 60)
        self.joins_after(board, 60, time.monotonic(), self.site.start_k3s)
