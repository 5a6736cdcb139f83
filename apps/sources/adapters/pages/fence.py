"""The browser's only way out: a proxy of ours on loopback that reaches checked addresses and nothing else."""

from __future__ import annotations

import contextlib
import selectors
import socket
import socketserver
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from apps.sources.adapters.checked import Resolver, checked_addresses, resolve
from apps.sources.adapters.pages.processes import Owners
from apps.sources.domain.address import Address, check_host, read_url
from tradebot.contracts.errors import TradebotError, TransientError, UnsafeAddress

_HEAD_LIMIT = 64 * 1024
_CONNECT_LIMIT = 4.0
_PIECE = 64 * 1024
_MOST_REFUSED = 100
_BROWSERS_OWN = frozenset({
    "accounts.google.com", "clients2.google.com", "update.googleapis.com", "start.duckduckgo.com",
})  # fmt: skip
"""What Chromium asks for by itself, whatever it is told: refused, and no news of the page's."""
_OURS = frozenset({"proxy-connection", "connection", "keep-alive", "proxy-authorization", "upgrade", "te"})


@dataclass
class Pass:
    """What one page may reach: `hosts` as in the guarded client, `allow` endpoints that an operator vouches for,
    `bytes_left` both ways together, `until` in monotonic seconds. `refused` collects what was asked for in vain."""

    hosts: Collection[str]
    allow: Collection[str]
    bytes_left: int
    until: float
    refused: list[str] = field(default_factory=list)

    def spend(self, count: int) -> None:
        """Raises TransientError when the page has taken too much, or too long."""
        self.bytes_left -= count
        if self.bytes_left < 0 or time.monotonic() > self.until:
            raise TransientError("the page took more than it may")

    def note(self, target: str) -> None:
        if len(self.refused) < _MOST_REFUSED:
            self.refused.append(target[:200])


class Fence(socketserver.ThreadingTCPServer):
    """Listens on a free port of 127.0.0.1 and serves the processes of one session only: `owners` knows which, None
    until a browser runs. Without a `current` pass it answers no one."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, resolver: Resolver = resolve) -> None:
        super().__init__(("127.0.0.1", 0), _Visitor)
        self.owners: Owners | None = None
        self.current: Pass | None = None
        self.resolver = resolver
        threading.Thread(target=self.serve_forever, args=(0.2,), name="fence", daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self.current = None
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A page that is closed cuts its connections: nothing to tell."""


class _Visitor(socketserver.BaseRequestHandler):
    server: Fence
    request: socket.socket

    def handle(self) -> None:
        current, owners = self.server.current, self.server.owners
        if current is None or owners is None or not owners.own(self.client_address, self.server.port):
            return
        self.request.settimeout(max(0.1, current.until - time.monotonic()))
        with contextlib.suppress(OSError):
            while self._served(current):
                pass

    def _served(self, current: Pass) -> bool:
        """One request. True where the connection may bring another: a refused one costs no new connection."""
        head, rest = _head(self.request)
        if self.server.current is not current:
            return False  # Kept since the page before, whose pass is over.
        method, _, target = head[0].partition(" ")
        target = target.rpartition(" ")[0]
        if _host(target) in _BROWSERS_OWN:
            return False
        try:
            address = _checked(method, target, current)
            outside = self._connect(address, current)
        except TradebotError as error:
            current.note(f"{target} ({error})")
            again = method == "GET" and not rest
            _refuse(
                self.request, "403 Forbidden" if isinstance(error, UnsafeAddress) else "502 Bad Gateway", again=again
            )
            return again
        with outside, contextlib.suppress(TransientError):
            if method == "CONNECT":
                self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                outside.sendall(rest)
                _pump({self.request: outside, outside: self.request}, current)
            else:
                outside.sendall(_forwarded(method, address, head[1:]) + _body(self.request, head[1:], rest, current))
                # One way: what the browser might send next is for another host, whatever this one says.
                _pump({outside: self.request}, current)
        return False

    def _connect(self, address: Address, current: Pass) -> socket.socket:
        left = max(0.1, current.until - time.monotonic())
        trusted = address.endpoint in current.allow
        found = checked_addresses(
            address.host, address.port, trusted=trusted, patience=left, resolver=self.server.resolver
        )
        for ip in found:
            with contextlib.suppress(OSError):
                return socket.create_connection((ip, address.port), timeout=min(left, _CONNECT_LIMIT))
        raise TransientError("nobody answers")


def _head(client: socket.socket) -> tuple[list[str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(_PIECE)
        data += piece
        if not piece or len(data) > _HEAD_LIMIT:
            raise ConnectionError("no request")
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.decode("latin-1").split("\r\n"), rest


def _host(target: str) -> str | None:
    try:
        return urlsplit(target if "://" in target else f"//{target}").hostname
    except ValueError:
        return None


def _checked(method: str, target: str, current: Pass) -> Address:
    address = read_url(f"https://{target}/" if method == "CONNECT" else target, current.allow)
    if address.endpoint not in current.allow:
        check_host(address, current.hosts)
    return address


def _forwarded(method: str, address: Address, headers: list[str]) -> bytes:
    kept = [line for line in headers if line.partition(":")[0].strip().lower() not in _OURS | {"host"}]
    host = urlsplit(f"//{address.endpoint}").netloc.removesuffix(":80")
    lines = [f"{method} {address.target} HTTP/1.1", f"Host: {host}", *kept, "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _refuse(client: socket.socket, status: str, *, again: bool) -> None:
    kept = "keep-alive" if again else "close"
    client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: {kept}\r\n\r\n".encode())


def _body(client: socket.socket, headers: list[str], rest: bytes, current: Pass) -> bytes:
    """What follows the headers; the browser says its length, or there is nothing."""
    given = [line.partition(":")[2].strip() for line in headers if line.lower().startswith("content-length:")]
    length = int(given[0]) if given and given[0].isdigit() else 0
    while len(rest) < length:
        piece = client.recv(_PIECE)
        if not piece:
            raise ConnectionError("half a request")
        current.spend(len(piece))
        rest += piece
    return rest[:length]


def _pump(other: Mapping[socket.socket, socket.socket], current: Pass) -> None:
    """Bytes from each key to its value until one of them ends."""
    with selectors.DefaultSelector() as ready:
        for end in other:
            end.settimeout(max(0.1, current.until - time.monotonic()))
            ready.register(end, selectors.EVENT_READ)
        while found := ready.select(max(0.0, current.until - time.monotonic())):
            for key, _ in found:
                source = key.fileobj
                assert isinstance(source, socket.socket)
                piece = source.recv(_PIECE)
                if not piece:
                    return
                current.spend(len(piece))
                other[source].sendall(piece)
