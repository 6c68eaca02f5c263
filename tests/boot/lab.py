"""The boards' network and what serves it: dnsmasq, a web server for overlays, a mirror, a time server, the k3s server.

All of it lives in the network, mount and process namespaces of this test process (see `run`): nothing is left when it ends.
"""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

from board import CACHE, HERE, RUN_HOST, Board, Timeout, eventually
from web import Web

TOP = os.path.abspath(os.path.join(HERE, "../.."))
TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR") or os.path.join(TOP, "target"))
ADDRESS = "10.11.0.1"
ARM64 = "aarch64-unknown-linux-musl"
MUSTER = os.environ.get("MUSTER") or os.path.join(TARGET, ARM64, "release/muster")
K3S_BOARD = os.environ.get("K3S_ARM64") or os.path.join(TARGET, ARM64, "release/k3s")
K3S_SERVER = os.environ.get("K3S") or os.path.join(TARGET, "x86_64-unknown-linux-musl/release/k3s")
K3S_SIZE = 80 << 20  # of a real k3s
VERSION = "v1.34.1+k3s1"


def sh(*command):
    subprocess.run(command, check=True)


class Site:
    def __init__(self, name, parts=("dnsmasq", "ntp", "k3s")):
        logs = os.path.join(CACHE, "logs")
        os.makedirs(logs, exist_ok=True)
        self.logs = os.path.join(logs, name)
        shutil.rmtree(self.logs, ignore_errors=True)
        os.makedirs(self.logs)
        # Sockets have short names, big files are no logs.
        self.temporary = tempfile.TemporaryDirectory(prefix="muster-boot-")
        self.running = {}
        self.taps = 0
        self.boards = []
        sh("ip", "link", "set", "lo", "up")
        sh("ip", "link", "add", "lan0", "type", "bridge", "stp_state", "0", "forward_delay", "0")
        sh("ip", "addr", "add", f"{ADDRESS}/24", "dev", "lan0")
        sh("ip", "link", "set", "lan0", "up")
        os.makedirs(self.big("www"))
        self.web = Web(ADDRESS, 80, self.big("www"))
        self.token = self.big("token")
        for part in parts:
            getattr(self, f"start_{part}")()

    def path(self, name):
        """A file that is kept to be read afterwards; sockets are not."""
        return os.path.join(self.temporary.name if name.endswith(".shell") else self.logs, name)

    def big(self, *names):
        return os.path.join(self.temporary.name, *names)

    def board(self, number=1, **options):
        """The nth board of this site: made, not powered on."""
        board = Board(self, f"52:54:00:12:34:{0x55 + number:02x}", f"board{number}", **options)
        self.boards.append(board)
        return board

    def tap(self):
        self.taps += 1
        name = f"tap{self.taps}"
        sh("ip", "tuntap", "add", "dev", name, "mode", "tap")
        sh("ip", "link", "set", name, "master", "lan0", "up")
        return name

    # ---- services: started and stopped by name, while boards run

    def start(self, name, *command, env=None):
        log = open(self.path(f"{name}.log"), "ab")
        self.running[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **(env or {})})

    def stop(self, name):
        process = self.running.pop(name)
        process.terminate()
        process.wait()

    def wait_port(self, name, port, seconds=20):
        deadline = time.monotonic() + seconds
        while True:
            try:
                return socket.create_connection((ADDRESS, port), 1).close()
            except OSError:
                if self.running[name].poll() is not None or time.monotonic() > deadline:
                    raise Timeout(f"{name} does not listen on port {port}: see {self.path(name)}.log") from None
                time.sleep(0.05)

    def start_dnsmasq(self):
        """With the very file that docs/netboot.md shows: its TFTP root appears where it says."""
        if not os.path.ismount("/srv"):
            sh("mount", "-t", "tmpfs", "tmpfs", "/srv")
            os.mkdir("/srv/tftp")
            sh("mount", "--bind", os.path.join(CACHE, "tftp"), "/srv/tftp")
        self.start("dnsmasq", RUN_HOST, "dnsmasq", "--keep-in-foreground", "--log-facility=-", "--log-dhcp", "--user=root",
                   f"--conf-file={HERE}/dnsmasq.conf", "--pid-file=", "--no-resolv", "--no-hosts", "--no-ping",
                   f"--dhcp-leasefile={self.big('leases')}")  # fmt: skip
        self.wait_port("dnsmasq", 53)

    def stop_dnsmasq(self):
        self.stop("dnsmasq")

    def start_ntp(self):
        """A real time server; -x: it never touches this machine's clock."""
        with open(self.big("chrony.conf"), "w", encoding="utf-8") as file:
            file.write(f"local stratum 5\nallow 10.11.0.0/24\nbindaddress {ADDRESS}\ncmdport 0\nbindcmdaddress /\n"
                       f"pidfile {self.big('chrony.pid')}\n")  # fmt: skip
        self.start("ntp", RUN_HOST, "chronyd", "-x", "-d", "-u", "root", "-f", self.big("chrony.conf"))

    def stop_ntp(self):
        self.stop("ntp")

    def start_k3s(self):
        data = self.big("k3s")
        self.publish(os.path.join(data, "server/static/k3s"))
        self.start("k3s", K3S_SERVER, "server", "--data-dir", data, "--bind-address", ADDRESS, "--https-listen-port", "6443",
                   "--tls-san", "k3s.lan", "--disable-agent", env={"STANDIN_VERSION": VERSION})  # fmt: skip
        self.wait_port("k3s", 6443)
        self.token = os.path.join(data, "server/node-token")

    def stop_k3s(self):
        self.stop("k3s")

    def publish(self, base):
        """A release as a mirror has it: the board's k3s, as big as a real one, and its sums."""
        folder = os.path.join(base, VERSION)
        if os.path.isdir(folder):
            return
        os.makedirs(folder)
        binary = os.path.join(folder, "k3s-arm64")
        shutil.copyfile(K3S_BOARD, binary)
        with open(binary, "ab") as file:
            file.truncate(max(K3S_SIZE, file.tell()))
        with open(os.path.join(folder, "sha256sum-arm64.txt"), "w", encoding="utf-8") as file:
            file.write(f"{sha256(binary)}  k3s-arm64\n")

    # ---- what the site knows

    def overlay(self, *options, token=None):
        """worker.apkovl.tar.gz, made by the project's own tool, where the boards ask for it."""
        output = self.big("www/worker.apkovl.tar.gz")
        subprocess.run([os.path.join(TOP, "overlay/genapkovl-muster.sh"), "--server", "https://k3s.lan:6443", "--token-file",
                        token or self.token, "--binary", MUSTER, "--output", output, *options],
                       check=True, stdout=subprocess.DEVNULL)  # fmt: skip
        os.chmod(output, 0o644)
        return output

    def kubectl(self, *arguments):
        return subprocess.run([K3S_SERVER, "kubectl", *arguments], env={**os.environ, "K3S_DATA_DIR": self.big("k3s")},
                              check=True, capture_output=True, text=True).stdout  # fmt: skip

    def nodes(self):
        """{name: Ready or NotReady}, as the server sees them."""
        rows = [line.split() for line in self.kubectl("get", "nodes").splitlines()[1:]]
        return {row[0]: row[1] for row in rows}

    def age(self, name):
        """How long the server has known the node, in seconds."""
        with open(self.big("k3s/server/nodes", name), encoding="utf-8") as file:
            return time.time() - int(file.readline())

    def requests(self, since=0.0):
        """What the k3s server was asked since then (unix seconds): [(unix seconds, method, path, status, node)]"""
        try:
            with open(self.big("k3s/requests.log"), encoding="utf-8") as file:
                rows = [line.split() for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []
        return [(int(row[0]) / 1000, *row[2:6]) for row in rows if int(row[0]) / 1000 >= since]

    def joined(self, board, seconds=60):
        """Waits until the server has heard the board as a node since its power-on; the seconds from there to then."""
        path = f"/api/v1/nodes/{hostname(board.mac)}"

        def beat():
            return [when for when, _, asked, status, _ in self.requests(board.on_unix) if asked == path and status in ("200", "201")]

        first = eventually(beat, seconds, f"{board.name} joins as {hostname(board.mac)}", board)[0]
        if self.nodes().get(hostname(board.mac)) != "Ready":
            raise AssertionError(f"{board.name} beats, but is not Ready: {self.nodes()}")
        return first - board.on_unix

    def leases(self):
        """{MAC: (address, the hostname that the board sent)}"""
        with open(self.big("leases"), encoding="utf-8") as file:
            rows = [line.split() for line in file]
        return {row[1]: (row[2], row[3]) for row in rows if len(row) == 5}

    def close(self):
        for board in self.boards:
            board.power_off()
        for name in list(self.running):
            self.stop(name)
        self.web.down()
        sh("ip", "link", "del", "lan0")
        for tap in range(1, self.taps + 1):
            sh("ip", "tuntap", "del", "dev", f"tap{tap}", "mode", "tap")
        self.temporary.cleanup()


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hostname(mac):
    """The name that a board with this MAC gives itself."""
    return "worker-" + hashlib.sha1(f"{mac}\n".encode()).hexdigest()[:6]


def status(board):
    return json.loads(board.run("cat /run/muster/status.json"))
