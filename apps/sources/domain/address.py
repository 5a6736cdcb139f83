"""Which outside addresses may be contacted: how a URL is read, and which IP addresses are refused."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from tradebot.contracts.errors import UnsafeAddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

URL_LIMIT = 2_000
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?$")
_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")

# Beyond `is_global`, whose answer differs between Python's versions: IANA's special-purpose ranges, every IPv6 range
# that wraps an IPv4 address, and 168.63.129.16, Azure's metadata service inside a public range.
_REFUSED = """
0.0.0.0/8 100.64.0.0/10 168.63.129.16/32 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15
198.51.100.0/24 203.0.113.0/24 224.0.0.0/3 ::/3 2001::/23 2001:db8::/32 2002::/16 3fff::/20 4000::/2 8000::/1
"""
_REFUSED_NETWORKS = tuple(ipaddress.ip_network(text) for text in _REFUSED.split())
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Address:
    """A URL taken apart: `host` lower case, without brackets; `target` is path and query, percent-encoded."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def endpoint(self) -> str:
        """`host:port`, as it stands in an allow-list; IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_url(url: str, allow: Collection[str] = (), limit: int = URL_LIMIT) -> Address:
    """Take an http(s) URL apart. `allow`: `host:port` endpoints on which any port and any address is right. `limit`:
    characters it may have; more than a stranger's for URLs of our own making.

    Raises UnsafeAddress for another scheme, credentials, a strange port or host, or a literal inner address.
    """
    if len(url) > limit:
        raise UnsafeAddress(f"is longer than {limit} characters")
    if _CONTROL.search(url):
        raise UnsafeAddress("has blanks, control characters or backslashes; percent-encode them")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UnsafeAddress(f"is not a URL ({error})") from None
    if parts.scheme not in _PORTS:
        raise UnsafeAddress("must begin with http:// or https://")
    if "@" in parts.netloc:
        raise UnsafeAddress("must not carry a user name or password")
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + _query(parts.query)
    address = Address(parts.scheme, _host(parts.hostname), port if port is not None else _PORTS[parts.scheme], target)
    if address.endpoint not in allow:
        _check_outside(address)
    return address


def refusal(ip: IPAddress) -> str | None:
    """Why `ip` must not be contacted, or None for a public unicast address."""
    if ip in _NAT64:
        # How an IPv6-only network reaches public IPv4 hosts; what counts is the host behind it.
        return refusal(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF))
    if not ip.is_global or any(ip in network for network in _REFUSED_NETWORKS):
        return f"{ip} is not a public address"
    return None


def check_host(address: Address, hosts: Collection[str]) -> None:
    """Raise UnsafeAddress unless the host is one of `hosts`: names, or `*.example.org` for every name under it. No
    rules: any host."""
    name = address.host.rstrip(".")
    if hosts and not any(_is_under(name, rule.lower()) for rule in hosts):
        raise UnsafeAddress(f"{address.host[:100]} is not among this source's hosts ({', '.join(sorted(hosts))[:200]})")


def literal(host: str) -> IPAddress | None:
    """The IP address that `host` spells, in any form the system's resolver would read (127.1, 0x7f.1, 2130706433)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host.rstrip(".")))
    except (OSError, ValueError):
        return None


def _check_outside(address: Address) -> None:
    if address.port not in _PORTS.values():
        raise UnsafeAddress(f"port {address.port} is not open to posts; only 80 and 443 are")
    name = address.host.rstrip(".")
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        raise UnsafeAddress(f"{address.host} is an inner name")
    if (ip := literal(address.host)) and (reason := refusal(ip)):
        raise UnsafeAddress(reason)


def _is_under(name: str, rule: str) -> bool:
    return name.endswith(rule[1:]) and name != rule[2:] if rule.startswith("*.") else name == rule


def _host(name: str | None) -> str:
    if not name:
        raise UnsafeAddress("names no host")
    if ":" in name:
        return _ipv6(name)
    try:
        ascii_name = name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        raise UnsafeAddress("its host is not a domain name") from None
    host = ascii_name.lower()
    if len(host) > 253 or not _HOST.match(host):
        raise UnsafeAddress("its host is not a domain name")
    return host


def _ipv6(name: str) -> str:
    try:
        address = ipaddress.IPv6Address(name)
    except ValueError:
        raise UnsafeAddress("its host is not an IPv6 address") from None
    if address.scope_id:
        raise UnsafeAddress("its host names a network interface")
    return str(address)


def _query(query: str) -> str:
    return "?" + quote(query, safe="/%:@!$&'()*+,;=~-._?[]|") if query else ""
