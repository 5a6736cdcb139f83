"""The guarded client's rules for asyncio: connections of aiohttp that reach checked addresses only."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Collection
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from apps.sources.adapters.checked import Resolver, checked_addresses, resolve
from apps.sources.adapters.guarded import tls
from apps.sources.domain.address import check_host, literal, read_url, refusal
from tradebot.contracts.errors import PermanentError, TransientError, UnsafeAddress

_PATIENCE = 5.0
"""Seconds for a name to be resolved."""
_MOVED = frozenset({301, 302, 303, 307, 308})

AddressInfo = tuple[Any, Any, int, str, Any]


def guarded_session(
    *, allow: Collection[str] = (), hosts: Collection[str] = (), resolver: Resolver = resolve, **options: Any
) -> aiohttp.ClientSession:
    """An aiohttp session under the guarded client's rules, for one event loop: every URL is read by `read_url` and
    `check_host`, every socket is opened to an address that was checked. It keeps no cookies, uses no proxy of the
    environment, and a redirect is an error. `options`: of `aiohttp.ClientSession` (timeout, headers, read_bufsize).

    A refused address raises UnsafeAddress, a redirect PermanentError, a name without an answer TransientError.
    """
    return aiohttp.ClientSession(
        connector=_connector(frozenset(allow), resolver),
        middlewares=(_guard(frozenset(allow), frozenset(hosts)),),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        **options,
    )


def _guard(allow: frozenset[str], hosts: frozenset[str]) -> aiohttp.ClientMiddlewareType:
    async def checked(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        address = read_url(str(request.url), allow)
        if address.endpoint not in allow:
            check_host(address, hosts)
        response = await handler(request)
        if response.status in _MOVED:
            response.close()
            raise PermanentError(f"the server answered {response.status}: redirects are not followed here")
        return response

    return checked


def _connector(allow: frozenset[str], resolver: Resolver) -> aiohttp.TCPConnector:
    gate = _Gate(allow, resolver)
    return aiohttp.TCPConnector(resolver=gate, socket_factory=gate.open, use_dns_cache=False, ssl=tls())


class _Gate(AbstractResolver):
    """Resolves names and opens sockets: what the resolver said is checked again where the socket is made, which also
    sees hosts that are literal addresses."""

    def __init__(self, allow: frozenset[str], resolver: Resolver) -> None:
        self._allow = allow
        self._resolver = resolver
        self._vouched: set[tuple[str, int]] = set()

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_UNSPEC) -> list[ResolveResult]:
        trusted = f"{host.lower()}:{port}" in self._allow
        found = await asyncio.to_thread(
            checked_addresses, host, port, trusted=trusted, patience=_PATIENCE, resolver=self._resolver
        )
        if trusted:
            self._vouched |= {(address, port) for address in found}
        return [_result(host, address, port) for address in found]

    async def close(self) -> None:
        """Nothing is held."""

    def open(self, info: AddressInfo) -> socket.socket:
        """A socket for one address that aiohttp is about to connect to."""
        family, kind, protocol, _, address = info
        self._check(str(address[0]), int(address[1]))
        return socket.socket(family, kind, protocol)

    def _check(self, address: str, port: int) -> None:
        ip = ipaddress.ip_address(address.partition("%")[0])
        reason = refusal(ip)
        if reason and (str(ip), port) not in self._vouched and _endpoint(ip, port) not in self._allow:
            raise UnsafeAddress(reason)


def _endpoint(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> str:
    return f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"


def _result(host: str, address: str, port: int) -> ResolveResult:
    spelled = literal(address)
    if spelled is None:
        raise TransientError(f"{host} can't be resolved: {address} is no address")
    family = socket.AF_INET6 if spelled.version == 6 else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return {"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": flags}
