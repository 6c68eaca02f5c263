"""Boards whose clock is wrong or missing, which see every certificate as not yet valid."""

import time

from case import BootTest

# Some while after QEMU's start: the kernel refuses a time that is less than its own uptime, which no real chip's is.
AT_1970 = ("-rtc", "base=1970-01-01T01:00:00")
# QEMU's board has a PL031; without its driver it is a board without a clock chip, as a Pi 4 is.
NO_CLOCK_CHIP = "initcall_blacklist=pl031_driver_init"


class WrongClock(BootTest):
    def test_a_clock_of_1970_joins_over_tls(self):
        board = self.site.board(1)
        board.power_on(qemu=AT_1970)
        self.site.joined(board)
        self.assertAlmostEqual(int(board.run("date +%s")), time.time(), delta=5)
        self.assertEqual(self.service_state(board, "hwclock"), "started")

    def test_no_clock_chip_joins_over_tls(self):
        board = self.site.board(2)
        board.power_on(cmdline=NO_CLOCK_CHIP)
        self.site.joined(board)
        self.assertAlmostEqual(int(board.run("date +%s")), time.time(), delta=5)
        self.assertEqual(self.service_state(board, "swclock"), "started")


class NoTimeServer(BootTest):
    parts = ("dnsmasq", "k3s")

    def test_no_time_server_joins_on_the_floor_and_says_so_in_one_line(self):
        clocks = {"chip": dict(qemu=AT_1970), "none": dict(cmdline=NO_CLOCK_CHIP)}
        boards = {}
        for number, (kind, how) in enumerate(clocks.items(), 1):
            boards[kind] = self.site.board(number)
            boards[kind].power_on(**how)
        for kind, board in boards.items():
            with self.subTest(clock=kind):
                self.site.joined(board)
                said = board.run("grep -c 'muster: WARN: clock: no network time' /var/log/muster.log")
                self.assertEqual(said.strip(), "1")
                # Not the true time, but none before the binary was built.
                self.assertGreater(int(board.run("date +%s")), 1_700_000_000)


class SetBack(BootTest):
    def test_a_clock_that_something_sets_back_is_set_right_again(self):
        self.site.stop_k3s()
        board = self.site.board(1)
        board.power_on()
        board.until("grep -q 'WARN: fetch: .*k3s.lan:6443' /var/log/muster.log", 60)
        # As hwclock does when it comes late and the chip has no battery.
        board.run("date -s @100000")
        self.site.start_k3s()
        self.site.joined(board, 90)
        board.run("grep -q 'WARN: fetch: something has set the clock back' /var/log/muster.log")
        self.assertAlmostEqual(int(board.run("date +%s")), time.time(), delta=5)
