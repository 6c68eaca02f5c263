"""A root that is RAM: what little of it there is, and what must be in the kernel."""

import os
import re

from case import BootTest
from lab import hostname


class BoundedLog(BootTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tree = cls.site.big("tree/etc/rc.conf.d")
        os.makedirs(tree)
        with open(os.path.join(tree, "noisy.conf"), "w", encoding="utf-8") as file:
            file.write("export STANDIN_LOG_MB=100\n")
        cls.site.overlay("--add", cls.site.big("tree"))

    def test_a_k3s_that_logs_100_mb_costs_a_few_mb_at_most(self):
        board = self.site.board()
        board.power_on()
        board.until("[ -s /run/muster/status.json ] && pidof k3s", 60)
        used = "df -k / | awk 'NR == 2 { print $3 }'"
        before = int(board.run(used))
        last = 100 * 1024 * 1024 // 128 - 1
        board.until(f"grep -q 'log line {last} of the stand-in' /var/log/muster.log*", 450)
        # The stand-in writes before it beats again.
        board.eventually(lambda: self.site.nodes().get(hostname(board.mac)) == "Ready", 20, "is Ready after its log")
        self.assertLess(int(board.run(used)) - before, 3 * 1024, "KB")


class LittleMemory(BootTest):
    def test_256_mb_with_an_80_mb_k3s_joins_without_running_out(self):
        board = self.site.board(memory=256)
        board.power_on()
        self.site.joined(board)
        self.assertNotRegex(board.run("dmesg"), r"(?i)out of memory|oom-kill")
        self.assertGreater(int(board.run("stat -c %s /usr/local/bin/k3s")), 80_000_000)

    def test_a_root_too_small_is_refused_with_numbers_before_the_download(self):
        board = self.site.board(2)
        board.power_on(cmdline="rootflags=size=64m")
        said = board.until("grep -m 1 'muster: ERROR: ' /var/log/muster.log", 60)
        self.assertRegex(said, r"\d+ MB.*\d+ MB")
        self.assertEqual(self.downloads(board.on_unix), [])
        self.assertNotIn(hostname(board.mac), self.site.nodes())


class NoMemoryCgroup(BootTest):
    def test_the_console_names_the_exact_remedy(self):
        board = self.site.board()
        board.power_on(cmdline="cgroup_disable=memory")
        _, found = board.wait(r"muster: ERROR: prepare: .*", 60)
        self.assertRegex(found[0], re.escape("cgroup_memory=1 cgroup_enable=memory"))
        self.assertIn("cgroup_disable=memory", found[0])
        # The console is still of use.
        self.assertEqual(self.word_after(self.log_in(board), "muster"), "started")
