"""What the boot tests share: a site for each class of tests, in namespaces of its own (see `run`)."""

import time
import unittest

from lab import Site, hostname


class BootTest(unittest.TestCase):
    parts = ("dnsmasq", "ntp", "k3s")
    overlay = ()

    @classmethod
    def setUpClass(cls):
        cls.site = Site(cls.__name__, cls.parts)
        cls.addClassCleanup(cls.site.close)
        if "k3s" in cls.parts:
            cls.site.overlay(*cls.overlay)

    def log_in(self, board):
        """At the console, as an operator would: the prompt answers, and `rc-status` tells how things are."""
        board.wait(r"login: $", 60)
        start = len(board.console.items)
        board.type("root\n")
        board.wait(r"# $", 20, start)  # login throws away what was typed before
        board.type("rc-status -a; echo end-of-$((40 + 2))\n")
        board.wait("end-of-42", 30, start)
        return "\n".join(text for _, text in board.console.items[start:])

    def service_state(self, board, service="muster"):
        return self.word_after(board.run("rc-status -a"), service)

    @staticmethod
    def word_after(listing, service):
        """A service's state in what `rc-status` printed, which on a terminal is not on the same line."""
        words = listing.replace("[", " ").replace("]", " ").split()
        states = [state for name, state in zip(words, words[1:]) if name == service]
        return states[0] if states else "absent"

    def outage(self, seconds, since):
        """Lets an outage last: nothing else is waited for here."""
        time.sleep(max(0.0, since + seconds - time.monotonic()))

    def downloads(self, since=0.0):
        """How often boards asked the k3s server for k3s itself."""
        return [row for row in self.site.requests(since) if row[2].endswith("/k3s-arm64")]

    def assert_named_first(self, board):
        """The order on the console: the name, then the services that use or send one."""
        name = hostname(board.mac)
        named, _ = board.wait(rf"muster: identity: .*{name}", 60)
        set_again, _ = board.wait(rf"Setting hostname to {name} ", 60)
        networking, _ = board.wait("Starting networking", 60)
        lines = [text for _, text in board.console.items]
        order = [next(i for i, text in enumerate(lines) if found in text)
                 for found in ("muster: identity:", "Setting hostname to", "Starting networking")]  # fmt: skip
        self.assertEqual(order, sorted(order))
        self.assertLessEqual(named, set_again)
        self.assertLessEqual(set_again, networking)

    def assert_dhcp_knows(self, board):
        self.assertEqual(self.site.leases()[board.mac][1], hostname(board.mac))
