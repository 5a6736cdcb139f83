"""A wire to an exchange that can be cut, and that notes which requests went over it."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from urllib.parse import urlsplit

REQUEST = re.compile(rb"^(GET|POST|DELETE|PUT) (/\S*) HTTP/1.1")


class Wire:
    """Forwards TCP to where `target` points. While `broken`, new connections are refused at once."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.broken = False
        self.requests: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> int:
        """End everything that is open, in the middle of whatever it says; how many connections that were."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            _end(end)
        return len(ends) // 2

    def asked(self, path: str) -> list[str]:
        """Requests to addresses that begin with `path`."""
        return [request for request in self.requests if request.split(" ")[1].startswith(path)]

    def close(self) -> None:
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if self.broken:
                near.close()
                continue
            far = socket.create_connection(self._target)
            with self._lock:
                self._open |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if found := REQUEST.match(data):
                    self.requests.append(f"{found[1].decode()} {found[2].decode()}")
                sink.sendall(data)
        for end in (source, sink):
            _end(end)


def _end(connection: socket.socket) -> None:
    """Wakes the thread that reads it, too."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
