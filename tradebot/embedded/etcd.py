"""An etcd of our own, one member on loopback: tests of the configuration that is kept there start it."""

from __future__ import annotations

import json
import platform
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tradebot.embedded import debian
from tradebot.embedded.errors import StackError
from tradebot.embedded.layout import private
from tradebot.embedded.server import always_alive, await_success

# etcd 3.4 starts on other processors only if it is told that this is meant.
_UNTRIED = {"aarch64": "arm64", "armv7l": "arm", "riscv64": "riscv64", "i686": "386"}


@dataclass(frozen=True)
class Etcd:
    """One member that keeps what it was told over a restart. `port` serves clients, `peer_port` nobody."""

    home: Path
    port: int
    peer_port: int
    name: str = "etcd"
    user: None = None
    stop_signal: str = "TERM"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        private(self.home)

    def command(self) -> list[str]:
        program = debian.which("etcd")
        if program is None:
            raise StackError("etcd is not installed", remedy=debian.ETCD.instead)
        peers = f"http://127.0.0.1:{self.peer_port}"
        options = {
            "data-dir": self.home / "data",
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"default={peers}",
            "logger": "zap",
            "log-level": "warn",
        }
        return [str(program), *(f"--{name}={value}" for name, value in options.items())]

    def env(self) -> dict[str, str]:
        untried = _UNTRIED.get(platform.machine())
        return {"ETCD_UNSUPPORTED_ARCH": untried} if untried else {}

    def wait_ready(self, timeout: float, alive: Callable[[], None] = always_alive) -> None:
        await_success(self.name, self._require_health, (OSError, ValueError), timeout, alive)

    def version(self) -> str:
        return f"etcd {self._asked('version')['etcdserver']}"

    def _require_health(self) -> None:
        if self._asked("health").get("health") != "true":
            raise ConnectionError("it is not healthy yet")

    def _asked(self, path: str) -> dict[str, str]:
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=2) as answer:  # noqa: S310
            found: dict[str, str] = json.load(answer)
        return found
