"""A watcher in a thread, as the streams process has one, and an etcd that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import etcd3gw
import pytest
from django.db import connection

from apps.sources.models import Source
from tradebot.embedded import debian, ports, server
from tradebot.embedded.etcd import Etcd
from workers.config import Watcher

SECONDS = 20.0


def until(what: Callable[[], Any], seconds: float = SECONDS) -> float:
    """Wait until it is true; the seconds it took."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(0.01)
    return time.monotonic() - began


def database_url() -> str:
    """The tests' own database."""
    known = connection.settings_dict
    return f"postgres://{known['USER']}:{known['PASSWORD']}@{known['HOST']}:{known['PORT']}/{known['NAME']}"


def feeds(*names: str) -> str:
    """A configuration with these feeds."""
    items = ", ".join(f'{{name = "{name}", url = "https://{name}.test/"}}' for name in names)
    return f"[rss]\ninterval = 3600\nfeeds = [{items}]\n"


def enabled() -> set[str]:
    return set(Source.objects.filter(enabled=True).values_list("name", flat=True))


@dataclass
class Watching:
    """A running watcher, and how often it asked for a crawl."""

    watcher: Watcher
    thread: threading.Thread
    kicks: list[float] = field(default_factory=list)

    def stop(self) -> float:
        """The seconds it took to end."""
        began = time.monotonic()
        self.watcher.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()
        return time.monotonic() - began


Watch = Callable[[str], Watching]


@pytest.fixture
def watch(transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[Watch]:
    settings.VAR_DIR = tmp_path / "var"
    started: list[Watching] = []

    def start(address: str) -> Watching:
        kicks: list[float] = []
        watcher = Watcher(address, changed=lambda: kicks.append(time.monotonic()))
        watching = Watching(watcher, threading.Thread(target=watcher.run, daemon=True), kicks)
        watching.thread.start()
        started.append(watching)
        return watching

    yield start
    for watching in started:
        watching.stop()


@dataclass
class KillableEtcd:
    """An etcd process of the test's own."""

    server: Etcd
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"etcd://127.0.0.1:{self.server.port}/tradebot/crawler.toml"

    def start(self) -> None:
        self.server.prepare()
        with (self.server.home / "output.log").open("ab") as output:
            self.process = server.start(self.server, output)
        self.server.wait_ready(30)

    def kill(self) -> None:
        """kill -9."""
        assert self.process
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self.process = None

    def freeze(self) -> None:
        assert self.process
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        os.killpg(self.process.pid, signal.SIGCONT)

    @property
    def client(self) -> etcd3gw.Etcd3Client:
        return etcd3gw.client(host="127.0.0.1", port=self.server.port, api_path="/v3/", timeout=5)

    def put(self, text: str) -> None:
        self.client.put("tradebot/crawler.toml", text)


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[KillableEtcd]:
    debian.ensure((debian.ETCD,), print)
    port = ports.free_port()
    found = KillableEtcd(Etcd(tmp_path / "etcd", port, ports.free_port({port})))
    found.start()
    yield found
    if found.process:
        found.thaw()
        found.kill()
