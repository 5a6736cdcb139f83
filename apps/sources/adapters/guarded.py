"""The one client for outside addresses: it contacts public hosts only, and takes no more than it asked for."""

from __future__ import annotations

import functools
import ipaddress
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import certifi
import httpcore

from apps.sources.domain.address import Address, literal, read_url, refusal
from tradebot.contracts.errors import PermanentError, TransientError, UnsafeAddress

Resolver = Callable[[str, int], list[str]]
SocketOptions = Iterable[Any]

BYTE_LIMIT = 10 * 1024 * 1024
_REDIRECTS = 3
_CONNECT_LIMIT = 4.0
"""Seconds for one of a host's addresses: a dead one must leave time for the next."""
_MOVED = frozenset({301, 302, 303, 307, 308})
_TRY_LATER = frozenset({408, 425, 429})
_HEADERS = {"User-Agent": "tradebot/0.1", "Accept": "*/*", "Accept-Encoding": "gzip, identity", "Connection": "close"}


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: `status` is 2xx or 304, `headers` have lower-case names, `url` is where the redirects ended."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


def resolve(host: str, port: int) -> list[str]:
    """The system's answer: every IP address of `host`, as text."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedClient:
    """GET over http(s) to public addresses only.

    Every hop's host is resolved once, refused when any of its addresses is not public, and contacted at exactly the
    address that was checked; TLS names and the Host header stay the URL's own. `allow` names endpoints (`host:port`)
    that an operator vouches for; a redirect does not inherit that trust unless it stays on such an endpoint.
    """

    def __init__(
        self,
        *,
        allow: Collection[str] = (),
        byte_limit: int = BYTE_LIMIT,
        time_limit: float = 10.0,
        resolver: Resolver = resolve,
    ) -> None:
        self._allow = frozenset(allow)
        self._byte_limit = byte_limit
        self._time_limit = time_limit
        self._resolver = resolver

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Fetched:
        """Fetch `url`. Raises UnsafeAddress for an address that must not be contacted, PermanentError for
        an answer that will not change (404, too large), TransientError for one that may (5xx, time-out)."""
        deadline = time.monotonic() + self._time_limit
        trusted = True
        for _ in range(_REDIRECTS + 1):
            address = read_url(url, self._allow if trusted else ())
            trusted = trusted and address.endpoint in self._allow
            answer = self._hop(address, url, {**_HEADERS, **(headers or {})}, trusted=trusted, deadline=deadline)
            if isinstance(answer, Fetched):
                return answer
            url = urljoin(url, answer)
        raise PermanentError(f"more than {_REDIRECTS} redirects")

    def _hop(
        self, address: Address, url: str, headers: dict[str, str], *, trusted: bool, deadline: float
    ) -> Fetched | str:
        backend = _CheckedBackend(self._resolver, trusted=trusted, deadline=deadline)
        sent = [("Host", _host_header(address)), *headers.items()]
        target = httpcore.URL(scheme=address.scheme, host=address.host, port=address.port, target=address.target)
        try:
            with (
                httpcore.ConnectionPool(ssl_context=_tls(), network_backend=backend, max_connections=1) as pool,
                pool.stream("GET", target, headers=sent) as response,
            ):
                return self._read(response, url)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise TransientError(f"no answer from {address.host}: {_cause(error)}") from None

    def _read(self, response: httpcore.Response, url: str) -> Fetched | str:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        if response.status in _MOVED and headers.get("location"):
            return headers["location"]
        _check_status(response.status)
        pieces = _decoded(response.iter_stream(), headers.get("content-encoding", ""), self._byte_limit)
        return Fetched(response.status, headers, _joined(pieces, self._byte_limit), url)


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to a host's checked address, and holds everything on that connection to one deadline."""

    def __init__(self, resolver: Resolver, *, trusted: bool, deadline: float) -> None:
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
            patience = min(_left(self._deadline), _CONNECT_LIMIT)
            try:
                stream = self._sockets.connect_tcp(address, port, patience, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _DeadlineStream(stream, self._deadline)
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        spelled = literal(host)
        found = [str(spelled)] if spelled else _asked(self._resolver, host, port, self._deadline)
        if not self._trusted:
            _check_public(found)
        return found


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose reads and writes together end at `deadline` (monotonic seconds), however slowly it drips."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _DeadlineStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _asked(resolver: Resolver, host: str, port: int, deadline: float) -> list[str]:
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
        return answer.result(timeout=_left(deadline))
    except TimeoutError:
        raise TransientError(f"{host} can't be resolved in time") from None
    except (OSError, UnicodeError) as error:
        raise TransientError(f"{host} can't be resolved: {getattr(error, 'strerror', None) or error}") from None


def _check_public(addresses: list[str]) -> None:
    for address in addresses:
        reason = refusal(ipaddress.ip_address(address.partition("%")[0]))
        if reason:
            raise UnsafeAddress(reason)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time limit is over")
    return left


def _check_status(status: int) -> None:
    if 200 <= status < 300 or status == 304:
        return
    if status >= 500 or status in _TRY_LATER:
        raise TransientError(f"the server answered {status}")
    raise PermanentError(f"the server answered {status}")


def _decoded(chunks: Iterator[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        yield from chunks
    elif name in {"gzip", "x-gzip", "deflate"}:
        yield from _inflated(chunks, limit)
    else:
        raise PermanentError(f"the answer is encoded as {name[:20]!r}, which was not asked for")


def _inflated(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    # 32 lets zlib tell gzip from zlib by itself; `limit` bounds what one chunk of a bomb may become.
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        for chunk in chunks:
            yield unpacker.decompress(chunk, limit + 1)
            if unpacker.unconsumed_tail:
                raise PermanentError(f"is larger than {limit} bytes once unpacked")
    except zlib.error:
        raise PermanentError("the answer is broken gzip") from None


def _joined(pieces: Iterator[bytes], limit: int) -> bytes:
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > limit:
            raise PermanentError(f"is larger than {limit} bytes")
    return bytes(body)


def _host_header(address: Address) -> str:
    default = {"http": 80, "https": 443}[address.scheme]
    return address.endpoint.removesuffix(f":{default}") if address.port == default else address.endpoint


def _cause(error: Exception) -> str:
    return str(error) or type(error).__name__


@functools.lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
