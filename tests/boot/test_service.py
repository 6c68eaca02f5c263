"""k3s under OpenRC's supervision, on a board that has joined."""

import time

from case import BootTest
from lab import hostname

OURS = "ps -o pid,args | grep -E '/k3s|bin/muster|supervise-daemon muster|muster.log' | grep -v grep"


class Service(BootTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.board = cls.site.board()
        cls.board.power_on()
        cls.site.joined(cls.board)

    def heard_since(self, when, seconds):
        path = f"/api/v1/nodes/{hostname(self.board.mac)}"
        return self.board.eventually(
            lambda: [row for row in self.site.requests(when) if row[2] == path], seconds, "the node is heard again"
        )[0][0]  # fmt: skip

    def test_1_muster_has_become_k3s(self):
        pid = self.board.run("pidof k3s").strip()
        self.assertEqual(self.board.run("cat /run/openrc/options/muster/child_pid").strip(), pid)
        self.assertEqual(self.board.run("pidof muster", check=False)[1], "")

    def test_2_killed_k3s_is_back_within_10_s_without_a_download(self):
        before = len(self.downloads())
        pid = self.board.run("pidof k3s").strip()
        killed = time.time()
        self.board.run(f"kill -KILL {pid}")
        self.board.until(f"[ -n \"$(pidof k3s)\" ] && [ \"$(pidof k3s)\" != {pid} ]", 20)
        self.assertLess(self.heard_since(killed + 0.5, 20) - killed, 10)
        self.assertEqual(len(self.downloads()), before)
        self.assertEqual(self.service_state(self.board), "started")

    def test_3_plan_prints_the_plan(self):
        requests = len(self.site.requests())
        plan = self.board.run("rc-service muster plan")
        self.assertIn(f"K3S_NODE_NAME={hostname(self.board.mac)} /usr/local/bin/k3s agent", plan)
        with open(self.site.token, encoding="utf-8") as file:
            self.assertNotIn(file.read().strip().rsplit(":", 1)[1], plan)
        asked = [row for row in self.site.requests()[requests:] if "/api/" not in row[2]]
        self.assertEqual(asked, [])

    def test_4_stop_ends_k3s_and_leaves_nothing(self):
        # As k3s leaves them behind: a pod's shim, and the pod's own cgroup.
        self.board.run(
            "cp /bin/busybox /tmp/containerd-shim-runc-v2\n"
            "/tmp/containerd-shim-runc-v2 sleep 600 >/dev/null 2>&1 &\n"
            "mkdir /sys/fs/cgroup/kubepods\n"
            "sh -c 'echo $$ >/sys/fs/cgroup/kubepods/cgroup.procs; exec sleep 601' >/dev/null 2>&1 &"
        )
        self.board.run("rc-service muster stop")
        self.assertEqual(self.service_state(self.board), "stopped")
        self.board.until(f"! {OURS}", 5)
        self.board.until("! ps -o args | grep -q 'sleep 60[01]'", 5)

    def test_5_start_brings_it_back(self):
        before, started = len(self.downloads()), time.time()
        self.board.run("rc-service muster start")
        self.heard_since(started, 30)
        self.assertEqual(len(self.downloads()), before)
        self.assertEqual(self.service_state(self.board), "started")
