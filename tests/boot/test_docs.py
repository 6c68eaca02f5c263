"""docs/netboot.md shows what the lab runs."""

import os
import unittest

from board import HERE
from lab import TOP


class Docs(unittest.TestCase):
    def test_the_page_has_the_dnsmasq_configuration_that_the_lab_uses(self):
        with open(os.path.join(TOP, "docs/netboot.md"), encoding="utf-8") as file:
            page = file.read()
        with open(os.path.join(HERE, "dnsmasq.conf"), encoding="utf-8") as file:
            conf = file.read()
        self.assertIn(f"```ini\n{conf}```\n", page)
