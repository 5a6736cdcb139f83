"""The one client for outside addresses: it contacts public hosts only, and takes no more than it asked for."""

from __future__ import annotations

import functools
import ssl
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urljoin

import certifi
import httpcore

from apps.sources.adapters.checked import CheckedBackend, Deadline, Resolver, resolve
from apps.sources.domain.address import URL_LIMIT, Address, check_host, read_url
from tradebot.contracts.errors import PermanentError, TransientError

__all__ = ["BYTE_LIMIT", "Fetched", "GuardedClient", "Resolver", "resolve"]

BYTE_LIMIT = 10 * 1024 * 1024
_REDIRECTS = 3
_MOVED = frozenset({301, 302, 303, 307, 308})
_MOVED_FOR_GOOD = frozenset({301, 308})
_TRY_LATER = frozenset({408, 425, 429})
_READING = frozenset({"GET", "HEAD"})
_IDLE_LIMIT = 15.0
_MOST_CONNECTIONS = 16
_HEADERS = {"user-agent": "tradebot/0.1", "accept": "*/*", "accept-encoding": "gzip, identity"}
_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
_HARMLESS = frozenset({"accept", "accept-language", "user-agent", "if-none-match", "if-modified-since"})
"""Headers that a redirect to another host may see."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: `headers` have lower-case names, `url` is where the redirects ended. `moved`: the address that
    permanent redirects (301, 308) led to, empty where there were none or a temporary one came first."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    moved: str = ""


class GuardedClient:
    """HTTP over http(s) to public addresses only.

    Every hop's host is resolved once, refused when any of its addresses is not public, and contacted at exactly the
    address that was checked; TLS names and the Host header stay the URL's own. `hosts`: the only hosts that may be
    contacted, on any hop (`name`, or `*.name` for all under it); none: any. `allow` names endpoints (`host:port`)
    that an operator vouches for; a redirect does not inherit that trust unless it stays on such an endpoint.

    Used as a context manager, it keeps connections open between requests. Safe to use from several threads.
    """

    def __init__(
        self,
        *,
        allow: Collection[str] = (),
        hosts: Collection[str] = (),
        byte_limit: int = BYTE_LIMIT,
        time_limit: float = 10.0,
        resolver: Resolver = resolve,
        url_limit: int = URL_LIMIT,
    ) -> None:
        self._allow = frozenset(allow)
        self._hosts = frozenset(hosts)
        self._byte_limit = byte_limit
        self._time_limit = time_limit
        self._resolver = resolver
        self._url_limit = url_limit
        self._deadline = Deadline()
        self._session: tuple[ExitStack, dict[bool, httpcore.ConnectionPool]] | None = None

    def __enter__(self) -> Self:
        stack = ExitStack()
        pools = {trusted: stack.enter_context(self._pool(trusted=trusted)) for trusted in (True, False)}
        self._session = (stack, pools)
        return self

    def __exit__(self, *_: object) -> None:
        session, self._session = self._session, None
        if session:
            session[0].close()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Fetched:
        """Fetch `url`; the answer is 2xx or 304. Raises UnsafeAddress for an address that must not be contacted,
        PermanentError for an answer that will not change (404, too large), TransientError for one that may (5xx,
        time-out)."""
        answer = self.ask("GET", url, headers)
        check_status(answer.status)
        return answer

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        follow: bool = True,
    ) -> Fetched:
        """Any answer, whatever its status. Redirects are followed for GET and HEAD while `follow`, and given as they
        are otherwise; another host gets no credentials and no cookies of the first. Raises UnsafeAddress,
        PermanentError (too large, broken packing, too many redirects) and TransientError (no answer in time)."""
        self._deadline.start(self._time_limit)
        given = {name.lower(): value for name, value in (headers or {}).items()}
        hop = _Hop(method.upper(), url, {name: given[name] for name in given.keys() - _OURS}, body)
        for _ in range(_REDIRECTS + 1):
            address = read_url(hop.url, self._allow if hop.trusted else (), self._url_limit)
            hop = replace(hop, trusted=hop.trusted and address.endpoint in self._allow)
            if not hop.trusted:
                check_host(address, self._hosts)
            answer = self._exchange(address, hop)
            if not (follow and hop.method in _READING and answer.status in _MOVED and answer.headers.get("location")):
                return answer
            hop = hop.to(answer)
        raise PermanentError(f"more than {_REDIRECTS} redirects")

    def _exchange(self, address: Address, hop: _Hop) -> Fetched:
        try:
            if self._session is None:
                with self._pool(trusted=hop.trusted) as pool:
                    return self._send(pool, address, hop, {"connection": "close"})
            return self._send_again(self._session[1][hop.trusted], address, hop)
        except httpcore.LocalProtocolError as error:
            raise PermanentError(f"the request can't be sent: {_cause(error)}") from None
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise TransientError(f"no answer from {address.host}: {_cause(error)}") from None

    def _send_again(self, pool: httpcore.ConnectionPool, address: Address, hop: _Hop) -> Fetched:
        try:
            return self._send(pool, address, hop, {})
        except (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError):
            # The server may have closed the kept connection at this very moment.
            if hop.method not in _READING:
                raise
        return self._send(pool, address, hop, {})

    def _send(self, pool: httpcore.ConnectionPool, address: Address, hop: _Hop, extra: Mapping[str, str]) -> Fetched:
        sent = [("host", _host_header(address)), *({**_HEADERS, **hop.headers, **extra}).items()]
        if hop.body is not None:
            sent.append(("content-length", str(len(hop.body))))
        target = httpcore.URL(scheme=address.scheme, host=address.host, port=address.port, target=address.target)
        waits = {"timeout": {"pool": self._deadline.left()}}
        with pool.stream(hop.method, target, headers=sent, content=hop.body, extensions=waits) as response:
            return self._read(response, hop)

    def _read(self, response: httpcore.Response, hop: _Hop) -> Fetched:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        if response.status in _MOVED and headers.get("location"):
            return Fetched(response.status, headers, b"", hop.url, hop.moved)
        pieces = _decoded(response.iter_stream(), headers.get("content-encoding", ""), self._byte_limit)
        return Fetched(response.status, headers, _joined(pieces, self._byte_limit), hop.url, hop.moved)

    def _pool(self, *, trusted: bool) -> httpcore.ConnectionPool:
        # Two of them: a connection that an operator's word opened must not serve a stranger's redirect.
        return httpcore.ConnectionPool(
            ssl_context=tls(),
            network_backend=CheckedBackend(self._resolver, self._deadline, trusted=trusted),
            max_connections=_MOST_CONNECTIONS,
            keepalive_expiry=_IDLE_LIMIT,
        )


@dataclass(frozen=True, slots=True)
class _Hop:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    trusted: bool = True
    permanent: bool = True
    moved: str = ""

    def to(self, answer: Fetched) -> _Hop:
        url = urljoin(self.url, answer.headers["location"])
        permanent = self.permanent and answer.status in _MOVED_FOR_GOOD
        kept = self.headers if _origin(url) == _origin(self.url) else self._harmless()
        return replace(self, url=url, headers=kept, permanent=permanent, moved=url if permanent else self.moved)

    def _harmless(self) -> dict[str, str]:
        return {name: value for name, value in self.headers.items() if name in _HARMLESS}


def _origin(url: str) -> tuple[str, str]:
    scheme, _, rest = url.partition("://")
    return scheme.lower(), rest.partition("/")[0].lower()


def check_status(status: int) -> None:
    """Raise TransientError or PermanentError unless it is 2xx or 304."""
    if 200 <= status < 300 or status == 304:
        return
    if status >= 500 or status in _TRY_LATER:
        raise TransientError(f"the server answered {status}")
    raise PermanentError(f"the server answered {status}")


@functools.lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """What our connections accept as proof of a host's name."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


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
