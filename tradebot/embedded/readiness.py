"""When our own programs are ready: the web answers, the ports are open, every worker has said that it is online."""

from __future__ import annotations

import contextlib
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from celery import Celery

from tradebot.embedded.errors import StackError
from tradebot.embedded.server import always_alive, await_success

_PORTS = {
    "amqp": 5672,
    "amqps": 5671,
    "pyamqp": 5672,
    "redis": 6379,
    "rediss": 6379,
    "postgres": 5432,
    "postgresql": 5432,
}


def wait_http(url: str, timeout: float, alive: Callable[[], None]) -> None:
    """Returns once `url` answers with success."""
    await_success(url, lambda: _get(url), (OSError,), timeout, alive)


def wait_streams(url: str, timeout: float, alive: Callable[[], None]) -> None:
    """Returns once the web at `url` knows of a living streams process."""
    await_success(f"the streams process, as {url} tells", lambda: _require_streams(url), (OSError,), timeout, alive)


def _require_streams(url: str) -> None:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
        if not json.load(answer)["streams"]["ok"]:
            raise ConnectionError("no streams process has given a sign of life")


def require_reachable(name: str, url: str, timeout: float = 10) -> None:
    """StackError naming the variable, and never its password, when nothing listens where `url` points."""
    parts = urlsplit(url)
    if parts.hostname is None:
        return
    place = f"//{parts.hostname}:{parts.port or _PORTS.get(parts.scheme, 0)}"
    try:
        wait_listening(place, timeout, always_alive)
    except StackError as error:
        raise StackError(f"{name}: {error}", remedy=f"start that server, or unset {name} to use one of ours") from error


def wait_listening(url: str, timeout: float, alive: Callable[[], None]) -> None:
    """Returns once something accepts connections at the host and port of `url`."""
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    await_success(url, lambda: socket.create_connection(address, 2).close(), (OSError,), timeout, alive)


class WorkerArrivals:
    """Listens for the events by which workers say that they are online; to be opened before they are started."""

    def __init__(self, broker: str, expected: set[str]) -> None:
        self._app = Celery("launcher", broker=broker, set_as_current=False)
        self._missing = set(expected)
        self._connection: Any = self._app.connection_for_read()

    def __enter__(self) -> WorkerArrivals:
        handlers = {"worker-online": self._arrived, "worker-heartbeat": self._arrived}
        receiver = self._app.events.Receiver(self._connection, handlers=handlers)
        # Declared and bound before it is asked for more: what is said meanwhile waits in its queue.
        self._consuming = receiver.consumer_context()
        # It consumes on a connection of its own, cloned from the one it was given.
        self._events, _, _ = self._consuming.__enter__()
        # Valkey's subscription is only made by the first look.
        with contextlib.suppress(TimeoutError):
            self._events.drain_events(timeout=0.1)
        return self

    def __exit__(self, *failure: object) -> None:
        self._consuming.__exit__(*failure)
        self._connection.release()

    def wait(self, timeout: float, alive: Callable[[], None]) -> None:
        """Returns once all have arrived. StackError names those that have not after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self._missing:
            alive()
            if time.monotonic() > deadline:
                raise StackError(f"no sign of the workers {', '.join(sorted(self._missing))} within {timeout:.0f} s")
            try:
                self._events.drain_events(timeout=1)
            except TimeoutError:
                continue

    def _arrived(self, event: dict[str, Any]) -> None:
        self._missing.discard(event["hostname"].partition("@")[0])


def _get(url: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=10):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        raise ConnectionError(f"{url} answers {error.code}: {error.read(300).decode(errors='replace')}") from error
