"""An exchange that puts up notices: a page of them, and a connection on which it pushes new ones."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from typing import Any

TOKEN = "sample-secret-token"


@dataclass
class Exchange:
    """`entries` of the page by id. `gate` is shut to let an answer wait. `listeners`: who hears what is pushed."""

    url: str = ""
    entries: dict[int, dict[str, Any]] = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    listeners: list[Queue[bytes | None]] = field(default_factory=list)

    def put(self, number: int, **changes: Any) -> dict[str, Any]:
        before = self.entries.get(number, {"id": number, "time": time.time(), "title": f"Notice {number}"})
        self.entries[number] = {**before, **changes}
        return self.entries[number]

    def push(self, line: str) -> None:
        for queue in list(self.listeners):
            queue.put(line.encode() + b"\n")

    def push_notice(self, number: int, **changes: Any) -> None:
        """What is pushed stands on no page."""
        self.push(json.dumps({"id": number, "time": time.time(), "title": f"Pushed {number}", **changes}))

    def cut(self) -> None:
        """Every connection ends."""
        for queue in list(self.listeners):
            queue.put(None)


@contextmanager
def running() -> Iterator[Exchange]:
    """On loopback, for the length of the block."""
    exchange = Exchange()
    exchange.gate.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            exchange.asked.append(self.path)
            exchange.gate.wait(60)
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                self._answer(401, b"who are you?")
            elif exchange.status != 200:
                self._answer(exchange.status, b"not now", **exchange.headers)
            elif self.path.startswith("/notices/push"):
                self._stream()
            else:
                self._answer(200, json.dumps(list(exchange.entries.values())[::-1]).encode())

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def _stream(self) -> None:
            queue: Queue[bytes | None] = Queue()
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            exchange.listeners.append(queue)
            try:
                while (line := _next(queue, self.connection)) is not None:
                    self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                    self.wfile.flush()
            except OSError:
                self.close_connection = True
            finally:
                exchange.listeners.remove(queue)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Nothing: the test counts."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    exchange.url = f"http://127.0.0.1:{server.server_address[1]}/notices"
    try:
        yield exchange
    finally:
        exchange.gate.set()
        exchange.cut()
        server.shutdown()
        server.server_close()


def _next(queue: Queue[bytes | None], connection: Any) -> bytes | None:
    """The next line; None when the connection is to end, or has ended by itself."""
    while True:
        try:
            return queue.get(timeout=0.2)
        except Empty:
            if _is_gone(connection):
                return None


def _is_gone(connection: Any) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.setblocking(True)
