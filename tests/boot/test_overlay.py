"""overlay/genapkovl-muster.sh: the same bytes, root's files, errors that name what is wrong. Needs no board."""

import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest

from lab import TOP

SCRIPT = os.path.join(TOP, "overlay/genapkovl-muster.sh")
TOKEN = "K10" + "ab" * 32 + "::server:the-password"
SHELLS = (["dash"], ["bash", "--posix"], ["busybox", "ash"])


class Overlay(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="muster-overlay-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o777)
        self.write("muster", "#!/bin/sh\n", 0o755)
        self.write("token", TOKEN + "\n", 0o600)
        self.write("node.yaml", "node-label: [room=1]\n", 0o640)
        self.write("key.pub", "ssh-ed25519 AAAA someone\n", 0o644)
        os.makedirs(os.path.join(self.folder, "tree/etc/periodic/" + "d" * 60 + "/" + "e" * 60))
        self.write("tree/etc/periodic/" + "d" * 60 + "/" + "e" * 60 + "/job", "#!/bin/sh\n", 0o750)
        os.symlink("periodic", os.path.join(self.folder, "tree/etc/link"))
        self.options = ["--server", "https://k3s.lan:6443", "--token-file", "token", "--binary", "muster",
                        "--set", "MUSTER_NTP=10.0.0.1 10.0.0.2", "--set", "HTTPS_PROXY=http://proxy:3128",
                        "--node", "worker-64e59a=node.yaml", "--ssh-key", "key.pub", "--add", "tree", "--apk", "htop"]  # fmt: skip

    def write(self, name, text, mode):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def make(self, *options, shell=("sh",), check=True, **how):
        run = subprocess.run([*shell, SCRIPT, *options], cwd=self.folder, capture_output=True, text=True, **how)
        if check and run.returncode:
            raise AssertionError(f"status {run.returncode}: {run.stderr}")
        return run

    def members(self, archive):
        with tarfile.open(os.path.join(self.folder, archive)) as tar:
            return {member.name: member for member in tar}

    def read(self, archive, name):
        with tarfile.open(os.path.join(self.folder, archive)) as tar:
            return tar.extractfile(name).read().decode()

    def test_made_twice_is_bit_identical_and_the_same_tar_under_every_shell(self):
        tars = set()
        for shell in SHELLS:
            twice = set()
            for _ in range(2):
                self.make(*self.options, "once", shell=shell)
                with open(os.path.join(self.folder, "once.apkovl.tar.gz"), "rb") as file:
                    twice.add(file.read())
                os.utime(os.path.join(self.folder, "token"))
            self.assertEqual(len(twice), 1, shell)
            tars.add(subprocess.run(["gzip", "-dc"], input=twice.pop(), check=True, capture_output=True).stdout)
        self.assertEqual(len(tars), 1)

    def test_made_without_root_it_still_unpacks_to_root_owned_files(self):
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", "65534:65534", self.folder], check=True)
            self.make(*self.options, user=65534, group=65534, extra_groups=[], umask=0o077)
            self.assertEqual(os.stat(os.path.join(self.folder, "worker.apkovl.tar.gz")).st_uid, 65534)
        else:
            self.make(*self.options)
        owners = {(m.uid, m.gid, m.uname, m.gname) for m in self.members("worker.apkovl.tar.gz").values()}
        self.assertEqual(owners, {(0, 0, "root", "root")})
        # By the tar that Alpine unpacks it with.
        os.mkdir(os.path.join(self.folder, "root"))
        subprocess.run(["busybox", "tar", "-C", "root", "-xzf", "worker.apkovl.tar.gz"], cwd=self.folder, check=True)
        if os.getuid() == 0:
            for path, folders, files in os.walk(os.path.join(self.folder, "root/etc")):
                for name in folders + files:
                    self.assertEqual(os.lstat(os.path.join(path, name)).st_uid, 0, name)
        self.assertEqual(os.stat(os.path.join(self.folder, "root/etc/muster/token")).st_mode & 0o777, 0o600)

    def test_modes_and_contents(self):
        self.make(*self.options)
        members = self.members("worker.apkovl.tar.gz")
        modes = {"usr/sbin/muster": 0o755, "etc/init.d/muster": 0o755, "etc/conf.d/muster": 0o644, "etc/muster/token": 0o600,
                 "etc/muster/nodes/worker-64e59a.yaml": 0o600, "etc/network/interfaces": 0o644, "root": 0o700, "root/.ssh": 0o700,
                 "root/.ssh/authorized_keys": 0o600, "etc/periodic/" + "d" * 60 + "/" + "e" * 60 + "/job": 0o750}  # fmt: skip
        self.assertEqual({name: members[name].mode for name in modes}, modes)
        conf = self.read("worker.apkovl.tar.gz", "etc/conf.d/muster").splitlines()
        self.assertEqual([line for line in conf if line and line[0] != "#"],
                         ['K3S_URL="https://k3s.lan:6443"', 'MUSTER_NTP="10.0.0.1 10.0.0.2"', 'export HTTPS_PROXY="http://proxy:3128"'])  # fmt: skip
        self.assertNotIn("the-password", "\n".join(conf))
        interfaces = self.read("worker.apkovl.tar.gz", "etc/network/interfaces")
        self.assertEqual(interfaces, "auto lo\niface lo inet loopback\n")
        world = self.read("worker.apkovl.tar.gz", "etc/apk/world").split()
        self.assertEqual(world, sorted(["alpine-base", "ca-certificates-bundle", "htop", "openssh-server"]))
        links = {name: member.linkname for name, member in members.items() if member.issym()}
        self.assertEqual(links["etc/runlevels/boot/muster"], "/etc/init.d/muster")
        self.assertEqual(links["etc/runlevels/default/sshd"], "/etc/init.d/sshd")
        self.assertEqual(links["etc/link"], "periodic")
        with open(os.path.join(TOP, "openrc/muster.initd"), encoding="utf-8") as file:
            self.assertEqual(self.read("worker.apkovl.tar.gz", "etc/init.d/muster"), file.read())

    def test_source_date_epoch_dates_the_files(self):
        self.make(*self.options, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
        self.assertEqual({m.mtime for m in self.members("worker.apkovl.tar.gz").values()}, {1700000000})

    def test_errors_name_what_is_wrong_and_leave_nothing(self):
        os.symlink("/nowhere", os.path.join(self.folder, "dangling"))
        self.write("empty", "", 0o600)
        self.write("private", "-----BEGIN OPENSSH PRIVATE KEY-----\n", 0o600)
        good = ["--server", "https://k3s", "--token-file", "token", "--binary", "muster"]
        for options, said in (
            ([], "--server is required"),
            (["--server", "http://k3s"], "'http://k3s' does not begin with https://"),
            (["--server", "https://k3s", "--binary", "muster"], "--token-file is required, or --no-token"),
            (["--token-file", "dangling"], "no such file: dangling"),
            (["--token-file", "empty"], "empty is empty"),
            ([*good, "--set", "MUSTER_NPT=no"], "no such setting: 'MUSTER_NPT'"),
            ([*good, "--set", "MUSTER_NTP"], "'MUSTER_NTP' is not NAME=VALUE"),
            ([*good, "--set", 'MUSTER_NTP=$(id)'], "cannot hold"),
            ([*good, "--set", "MUSTER_NTP=a", "--set", "MUSTER_NTP=b"], "MUSTER_NTP is given twice"),
            ([*good, "--set", f"K3S_TOKEN={TOKEN}"], "use --token-file"),
            ([*good, "--node", "Worker_1=node.yaml"], "'Worker_1' is no hostname"),
            ([*good, "--ssh-key", "private"], "is a private key"),
            ([*good, "--add", "nowhere"], "no such directory: nowhere"),
            ([*good, "--arch", "mips"], "none of aarch64, armv7, x86_64"),
            ([*good, "--binary", "/bin/true"], "/bin/true is not built for aarch64"),
            ([*good, "--output", "nowhere/x.tar.gz"], "no such directory: nowhere"),
            ([*good, "--colour"], "unknown option --colour"),
            ([*good, "one", "two"], "one NAME only"),
        ):
            with self.subTest(said=said):
                run = self.make(*options, check=False)
                self.assertEqual(run.returncode, 2)
                self.assertEqual(len(run.stderr.splitlines()), 1)
                self.assertIn(said, run.stderr)
                self.assertNotIn("the-password", run.stderr)
        self.assertEqual([name for name in os.listdir(self.folder) if "apkovl" in name], [])

    def test_help_fits_80_columns(self):
        self.assertLessEqual(max(map(len, self.make("--help").stdout.splitlines())), 80)
