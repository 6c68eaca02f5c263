"""One board: a diskless aarch64 machine in QEMU, followed on its serial console, with a root shell beside it."""

import os
import re
import socket
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.abspath(os.environ.get("BOOT_CACHE") or os.path.join(HERE, "../../target/boot"))
RUN_HOST = os.path.join(CACHE, "run-host")
SITE_CMDLINE = "ip=dhcp alpine_repo=http://10.11.0.1/alpine apkovl=http://10.11.0.1/worker.apkovl.tar.gz"


class Timeout(AssertionError):
    """Something did not happen before its deadline."""


class Lines:
    """Lines with their times, written by one thread and waited for by others."""

    def __init__(self, log=None):
        self.items = []
        self.ended = False
        self.changed = threading.Condition()
        self.log = log

    def add(self, when, text):
        with self.changed:
            self.items.append((when, text))
            self.changed.notify_all()
        if self.log:
            self.log.write(f"{when:8.2f} {text}\n")
            self.log.flush()

    def end(self):
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, pattern, seconds, start=0):
        """The time and the match of the first line from `start` on that has `pattern`."""
        deadline = time.monotonic() + seconds
        at = start
        with self.changed:
            while True:
                while at < len(self.items):
                    when, text = self.items[at]
                    if found := re.search(pattern, text):
                        return when, found
                    at += 1
                left = deadline - time.monotonic()
                if left <= 0 or self.ended:
                    tail = "\n".join(f"  {when:7.2f} {text}" for when, text in self.items[-12:])
                    why = "the board ended" if self.ended else f"not in {seconds} s"
                    raise Timeout(f"{why}: /{pattern}/; the last lines:\n{tail}")
                self.changed.wait(left)


class Board:
    """Powered on with a kernel of its own or by PXE; powered off, nothing of it is left."""

    def __init__(self, site, mac, name="board", memory=1024):
        self.site, self.mac, self.name, self.memory = site, mac, name, memory
        self.tap = site.tap()
        self.boots = 0
        self.qemu = None
        self.shell_socket = None

    def power_on(self, pxe=False, cmdline="", qemu=()):
        self.boots += 1
        self.log = open(self.site.path(f"{self.name}-{self.boots}.log"), "w", encoding="utf-8")
        self.console = Lines(self.log)
        shell = self.site.path(f"{self.name}.shell")
        command = [
            RUN_HOST, "qemu-system-aarch64", "-L", os.path.join(CACHE, "host/usr/share/qemu"),
            "-M", "virt", "-cpu", "cortex-a72", "-smp", "1", "-m", str(self.memory), "-accel", "tcg",
            "-nodefaults", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
            "-netdev", f"tap,id=lan,ifname={self.tap},script=no,downscript=no",
            "-device", f"virtio-net-pci,netdev=lan,romfile=,mac={self.mac}", "-device", "virtio-rng-pci",
            "-chardev", f"socket,id=shell,path={shell},server=on,wait=off",
            "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=shell,name=shell",
        ]  # fmt: skip
        if pxe:
            command += ["-bios", os.path.join(CACHE, "host/usr/share/qemu-efi-aarch64/QEMU_EFI.fd")]
        else:
            command += ["-kernel", os.path.join(CACHE, "Image"), "-initrd", os.path.join(CACHE, "initramfs.gz"),
                        "-append", f"console=ttyAMA0 panic=-1 {SITE_CMDLINE} {cmdline}".strip()]  # fmt: skip
        self.on_at, self.on_unix = time.monotonic(), time.time()
        self.qemu = subprocess.Popen([*command, *qemu], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self._follow, args=(self.qemu, self.console), daemon=True).start()
        # Connected before the guest's shell opens its end: that would read an end of file otherwise.
        self.shell_socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + 10
        while self.shell_socket.connect_ex(shell):
            if self.qemu.poll() is not None or time.monotonic() > deadline:
                raise Timeout(f"QEMU does not start: {self.console.items}")
            time.sleep(0.01)

    def _follow(self, qemu, console):
        """A line is also what waits at its end for an answer, like a prompt."""
        rest = b""
        while chunk := os.read(qemu.stdout.fileno(), 65536):
            rest += chunk
            *whole, rest = re.split(rb"\r*\n", rest)
            if rest.endswith((b"login: ", b"# ")):
                whole.append(rest)
                rest = b""
            for line in whole:
                text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[78]", "", line.decode("utf-8", "replace")).replace("\r", "")
                console.add(self.uptime(), text)
        console.end()

    def uptime(self):
        """Seconds since power-on."""
        return time.monotonic() - self.on_at

    def wait(self, pattern, seconds, start=0):
        return self.console.wait(pattern, seconds, start)

    def type(self, text):
        """At the console's keyboard."""
        self.qemu.stdin.write(text.encode())
        self.qemu.stdin.flush()

    def run(self, command, seconds=60, check=True):
        """A command in the board's root shell: its output, or (status, output) without `check`."""
        self.shell_socket.settimeout(seconds)
        mark = f"--done-{time.monotonic_ns()}--"
        self.shell_socket.sendall(f"{{ {command}\n}} </dev/null; echo {mark} $?\n".encode())
        got = b""
        while not (end := re.search(rf"{mark} (\d+)\r?\n".encode(), got)):
            try:
                chunk = self.shell_socket.recv(65536)
            except TimeoutError:
                raise Timeout(f"not in {seconds} s: {command!r} on {self.name}; so far: {got.decode(errors='replace')}") from None
            if not chunk:
                raise Timeout(f"{self.name} ended during {command!r}")
            got += chunk
        status, output = int(end[1]), got[: end.start()].decode("utf-8", "replace").replace("\r", "")
        if not check:
            return status, output
        if status:
            raise AssertionError(f"{command!r} on {self.name}: status {status}: {output}")
        return output

    def until(self, command, seconds, every=0.3):
        """Repeats a command in the board's shell until it succeeds; its output."""
        deadline = time.monotonic() + seconds
        while True:
            status, output = self.run(command, check=False)
            if status == 0:
                return output
            if time.monotonic() > deadline:
                raise Timeout(f"not in {seconds} s: {command!r} on {self.name}: {output}")
            time.sleep(every)

    def eventually(self, probe, seconds, what):
        return eventually(probe, seconds, f"{self.name}: {what}", self)

    def last_words(self):
        """What a failure message shows: the console's end and, while the board lives, the system log's."""
        words = "".join(f"\n  {when:7.2f} {text}" for when, text in self.console.items[-8:])
        if self.qemu.poll() is None:
            words += "\n" + self.run("tail -20 /var/log/muster.log", seconds=20, check=False)[1]
        return words

    def power_off(self):
        """Pulls the plug."""
        if self.qemu:
            self.qemu.kill()
            self.qemu.wait()
            self.qemu = None
        if self.shell_socket:
            self.shell_socket.close()
            self.shell_socket = None


def eventually(probe, seconds, what, board=None):
    """The first true value of `probe`, which is asked until then; a board that ends meanwhile ends the wait."""
    deadline = time.monotonic() + seconds
    while not (value := probe()):
        ended = board and board.qemu.poll() is not None
        if ended or time.monotonic() > deadline:
            tail = board.last_words() if board else ""
            raise Timeout(f"{'the board ended' if ended else f'not in {seconds} s'}: {what}{tail}")
        time.sleep(0.1)
    return value
