"""A web server on loopback that keeps what is posted to it: where Apprise's ``json://`` sends to."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PASSWORD = "hunter2secret"
TOKEN = "tok3n-in-the-path"


class Inbox:
    """What has arrived, and how the server answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.messages: list[dict[str, Any]] = []
        #: Status of the next answers.
        self.status = 200
        #: Seconds before an answer.
        self.delay_secs = 0.0

    @property
    def url(self) -> str:
        """Its address in Apprise's form, full of secrets."""
        return f"json://user:{PASSWORD}@127.0.0.1:{self.port}/{TOKEN}"


@contextmanager
def inbox() -> Iterator[Inbox]:
    """Serve until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(box.delay_secs)
            if box.status < 400:
                box.messages.append(json.loads(body))
            self.send_response(box.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        box = Inbox(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join()
