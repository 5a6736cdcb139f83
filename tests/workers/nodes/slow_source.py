"""A source whose answers take as long as the test wants, and a crawler of it that is installed for two real workers."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PLUGIN = '''
"""A crawler that waits for its source's answer."""

import os

import httpx

from tradebot.contracts.errors import TransientError


class SlowCrawler:
    name = "slow"

    def init(self, config):
        self._url = config["url"]
        self.state = {}

    def fetch(self):
        try:
            httpx.get(f"{self._url}?pid={os.getpid()}", timeout=110)
        except httpx.HTTPError as error:
            raise TransientError(type(error).__name__) from None
        self.state = {"fetched_by": os.getpid()}
        return []

    def validate(self, msg):
        return True
'''


def install(folder: Path) -> None:
    """As pip would lay it out: whoever has `folder` on PYTHONPATH finds the crawler `slow`."""
    (folder / "slow_crawler.py").write_text(PLUGIN)
    info = folder / "slow_crawler-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-crawler\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[tradebot.crawlers]\nslow = slow_crawler:SlowCrawler\n")


@dataclass
class Fetch:
    """One request: by which process, from when to when. `end` is also the moment at which its connection broke."""

    pid: int
    begin: float
    end: float | None = None


@dataclass
class SlowSource:
    """Answers nobody until `release`; then everybody."""

    url: str = ""
    fetches: list[Fetch] = field(default_factory=list)
    _released: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def release(self) -> None:
        self._released.set()

    @property
    def most_at_once(self) -> int:
        """How many fetched at the same time, at the worst moment."""
        return max((sum(_covers(other, fetch.begin) for other in self.fetches) for fetch in self.fetches), default=0)

    def serve(self, pid: int, connection: socket.socket) -> bool:
        """False when whoever asked is gone."""
        fetch = Fetch(pid, time.monotonic())
        with self._lock:
            self.fetches.append(fetch)
        gone = False
        while not gone and not self._released.wait(0.02):
            gone = bool(select.select([connection], [], [], 0)[0])
        fetch.end = time.monotonic()
        return not gone


def _covers(fetch: Fetch, moment: float) -> bool:
    return fetch.begin <= moment and (fetch.end is None or moment < fetch.end)


@contextmanager
def slow_source() -> Iterator[SlowSource]:
    """On loopback, for the length of the block."""
    source = SlowSource()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if source.serve(int(self.path.partition("pid=")[2]), self.connection):
                self.send_response(204)
                self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Nothing: the test counts."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    source.url = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield source
    finally:
        source.release()
        server.shutdown()
        server.server_close()
