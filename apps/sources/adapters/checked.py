"""Checked connections: a host's addresses are asked for once, refused unless all are public, and used as they are."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

import httpcore

from apps.sources.domain.address import literal, refusal
from tradebot.contracts.errors import TransientError, UnsafeAddress

Resolver = Callable[[str, int], list[str]]
SocketOptions = Iterable[Any]

_CONNECT_LIMIT = 4.0
"""Seconds for one of a host's addresses: a dead one must leave time for the next."""


class Deadline(threading.local):
    """When the request that runs in this thread must be over."""

    _at = float("inf")

    def start(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds. Raises httpcore.ReadTimeout when none are left."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time limit is over")
        return left


def resolve(host: str, port: int) -> list[str]:
    """The system's answer: every IP address of `host`, as text."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked_addresses(
    host: str, port: int, *, trusted: bool, patience: float, resolver: Resolver = resolve
) -> list[str]:
    """Where `host` may be contacted, as IP addresses. `trusted`: inner ones are right as well. `patience`: seconds.

    Raises UnsafeAddress when any of its addresses is not public, TransientError when there is no answer.
    """
    spelled = literal(host)
    found = [str(spelled)] if spelled else _asked(resolver, host, port, patience)
    if not trusted:
        _check_public(found)
    if not found:
        raise TransientError(f"{host} has no address")
    return found


class CheckedBackend(httpcore.NetworkBackend):
    """Connects to a host's checked address, and holds everything on that connection to its thread's deadline."""

    def __init__(self, resolver: Resolver, deadline: Deadline, *, trusted: bool) -> None:
        self._resolver = resolver
        self._trusted = trusted
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = TransientError(f"{host} has no address")
        for address in self._addresses(host, port):
            patience = min(self._deadline.left(), _CONNECT_LIMIT)
            try:
                stream = self._sockets.connect_tcp(address, port, patience, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _DeadlineStream(stream, self._deadline)
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        left = self._deadline.left()
        return checked_addresses(host, port, trusted=self._trusted, patience=left, resolver=self._resolver)


class _DeadlineStream(httpcore.NetworkStream):
    """A connection on which every read and write ends at the deadline of the thread that makes it, however slowly the
    other side drips."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return _DeadlineStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _asked(resolver: Resolver, host: str, port: int, patience: float) -> list[str]:
    # The system's resolver has no time limit of its own, and a stranger's name server may never answer: it is asked in
    # a thread that nobody has to wait for.
    answer: Future[list[str]] = Future()

    def ask() -> None:
        try:
            answer.set_result(resolver(host, port))
        except (OSError, UnicodeError) as error:
            answer.set_exception(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        return answer.result(timeout=patience)
    except TimeoutError:
        raise TransientError(f"{host} can't be resolved in time") from None
    except (OSError, UnicodeError) as error:
        raise TransientError(f"{host} can't be resolved: {getattr(error, 'strerror', None) or error}") from None


def _check_public(addresses: list[str]) -> None:
    for address in addresses:
        reason = refusal(ipaddress.ip_address(address.partition("%")[0]))
        if reason:
            raise UnsafeAddress(reason)
