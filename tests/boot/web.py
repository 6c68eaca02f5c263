"""A web server for overlays and releases that can be taken down."""

import functools
import http.server
import threading
import time

from board import Lines


class Web:
    """Files over HTTP, with a list of what was asked. Down, it refuses connections, as a dead machine's port does."""

    def __init__(self, address, port, root):
        self.address, self.root = (address, port), root
        self.requests = Lines()
        self.server = None
        self.up()

    def up(self):
        requests, started = self.requests, time.monotonic()

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, format, *args):
                requests.add(time.monotonic() - started, f"{self.client_address[0]} {format % args}")

        handler = functools.partial(Handler, directory=self.root)
        self.server = http.server.ThreadingHTTPServer(self.address, handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def down(self):
        self.server.shutdown()
        self.server.server_close()
