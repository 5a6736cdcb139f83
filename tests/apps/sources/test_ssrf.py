"""No door leads inside: what strangers write reaches no address of this machine, and a canary counts who came.

Every test of silence has its other half: with the guard taken away, or with an ordinary browser, the same attempts do
reach the canary.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest
from scrapy import Request, Spider

from apps.sources.adapters import checked, media
from apps.sources.adapters.checked_async import guarded_session
from apps.sources.adapters.guarded import GuardedClient
from apps.sources.adapters.pages.fence import Fence, Pass
from apps.sources.adapters.pages.processes import Owners
from apps.sources.adapters.scrapy_guard import run_spider
from apps.sources.domain import address
from tests.outside.hostile.process import Hostile, running
from tests.unit.sources.test_address import INSIDE, MALFORMED
from tradebot.contracts.errors import TradebotError, UnsafeAddress

HOSTS = """
127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0x7f.0x0.0x0.0x1 0177.0.0.1 017700000001 0177.0x0.1 127.0.0.1.
127.127.127.127 0 0.0.0.0 0x0 [::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:0:127.0.0.1]
[::127.0.0.1] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b:1::7f00:1] [2002:7f00:1::] [2002:7f00:0001::1] [::1%25lo]
[::1%251] [fe80::1%25lo] localhost LOCALHOST localhost. app.localhost printer.local metadata.google.internal
①②⑦.⓪.⓪.① 127。0。0。1 １２７.０.０.１ 127．0．0．1 user@127.0.0.1 user:pass@127.0.0.1 public.example@127.0.0.1
127.0.0.1#@public.example public.example\\@127.0.0.1 127.0.0.1%2f@public.example 127.0.0.1%00.public.example
""".split()  # noqa: SIM905 - one word a host
SCHEMES = """
file:///etc/passwd file://127.0.0.1/etc/passwd gopher://127.0.0.1:{port}/_GET%20/ data:text/plain,x
ftp://127.0.0.1:{port}/ dict://127.0.0.1:{port}/ ws://127.0.0.1:{port}/ jar:http://127.0.0.1:{port}!/
//127.0.0.1:{port}/ http:127.0.0.1:{port} http:///127.0.0.1:{port}/ http:\\\\127.0.0.1:{port}\\ http://127.0.0.1:0{port}/
http://public.example:{port}/
""".split()  # noqa: SIM905 - one word a URL
SCHEMES += [
    "http://127.0.0.1:{port}\r\nX: y/",
    "http://public.example\r\nHost: 127.0.0.1/",
    "http://127.0.0.1 :{port}/",
]
NAMES: dict[str, list[list[str]]] = {
    "inside.example": [["127.0.0.1"]],
    "several.example": [["93.184.216.34", "127.0.0.1"]],
    "mapped.example": [["::ffff:127.0.0.1"]],
    "six.example": [["::1"]],
    "nat64.example": [["64:ff9b::7f00:1"]],
    "zone.example": [["fe80::1%lo"]],
    "metadata.example": [["169.254.169.254"]],
    "cgnat.example": [["100.64.0.1"]],
    "rebinds.example": [["192.0.2.1"], ["127.0.0.1"]],
    "public.example": [["127.0.0.1"]],
}
"""What a stranger's name server answers, the last answer for ever."""

Door = Callable[[str], object]


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    with running() as state:
        yield state


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A name server in the strangers' hands; counts how often each name was asked for."""
    real = socket.getaddrinfo
    asked: dict[str, int] = {}

    def answer(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        name = (host.decode() if isinstance(host, bytes) else str(host)).rstrip(".").lower()
        if name not in NAMES:
            return real(host, port, *rest, **more)
        asked[name] = asked.get(name, 0) + 1
        given = NAMES[name]
        found = given[min(asked[name], len(given)) - 1]
        return [entry for ip in found for entry in real(ip.partition("%")[0], port, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def urls(hostile: Hostile) -> list[str]:
    """Every spelling at every port of the canary; ports 80 and 443, where it has them, also without their number."""
    found = [f"http://{host}:{port}/" for host in HOSTS for port in hostile.canary]
    found += [f"{scheme}://{host}/" for host in HOSTS for scheme in ("http", "https")]
    found += [scheme.format(port=port) for scheme in SCHEMES for port in hostile.canary]
    found += [f"{scheme}://{name}/" for name in NAMES for scheme in ("http", "https")]
    return [*found, *INSIDE, *MALFORMED]


# --- the doors -------------------------------------------------------------------------------------------------------


class _Getting(Spider):
    name = "getting"

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    async def start(self) -> Any:
        yield Request(self._url, callback=lambda response: None)


def by_client(url: str) -> object:
    return GuardedClient(time_limit=3).get(url)


def by_session(url: str) -> object:
    with GuardedClient(time_limit=3) as client:
        return client.ask("POST", url, body=b"x")


def by_media(url: str) -> object:
    return media.fetch(url, media.media_client())


def by_scrapy(url: str) -> object:
    return run_spider(_Getting, GuardedClient(time_limit=3), url=url, time_limit=10)


def by_aiohttp(url: str) -> object:
    async def ask() -> object:
        async with guarded_session(timeout=aiohttp.ClientTimeout(total=3)) as session, session.get(url) as answer:
            return await answer.read()

    return asyncio.run(ask())


DOORS = {"client": by_client, "session": by_session, "media": by_media, "scrapy": by_scrapy, "aiohttp": by_aiohttp}


def tried(door: Door, attempts: list[str]) -> int:
    """How many attempts were refused in words; none may do anything else but fail."""
    refused = 0
    for url in attempts:
        try:
            door(url)
        except (TradebotError, ValueError, aiohttp.ClientError, TimeoutError):
            refused += 1
    return refused


@pytest.mark.django_db
@pytest.mark.parametrize("name", DOORS)
def test_no_spelling_and_no_name_leads_inside(name: str, hostile: Hostile) -> None:
    attempts = list(dict.fromkeys(urls(hostile)))
    # Scrapy takes a while for each, and hands the text on as it is: a sample of each kind is enough there.
    attempts = attempts[::5] if name == "scrapy" else attempts
    before = hostile.counted()

    refused = tried(DOORS[name], attempts)

    assert len(attempts) >= 40
    assert refused == len(attempts)
    assert hostile.counted() == before


@pytest.mark.parametrize("name", ["client", "session", "media", "aiohttp"])
def test_without_the_guard_the_same_attempts_reach_the_canary(
    name: str, hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "_check_outside", lambda address: None)
    for module in (address, checked):
        monkeypatch.setattr(module, "refusal", lambda ip: None)
    monkeypatch.setattr("apps.sources.adapters.checked_async.refusal", lambda ip: None)
    before = hostile.counted()["tcp"]

    tried(
        DOORS[name],
        [f"http://{host}:{hostile.canary[0]}/" for host in ("127.0.0.1", "127.1", "[::1]", "inside.example")],
    )

    assert hostile.counted()["tcp"] - before >= 3


def test_a_name_that_changes_its_answer_is_asked_once_for_each_request(hostile: Hostile, names: dict[str, int]) -> None:
    with pytest.raises(UnsafeAddress):
        GuardedClient().get("http://rebinds.example/")

    assert names == {"rebinds.example": 1}


# --- redirects -------------------------------------------------------------------------------------------------------


def inner_targets(hostile: Hostile) -> list[str]:
    found = [
        f"http://{host}:{port}/"
        for host in ("127.0.0.1", "2130706433", "[::1]", "localhost")
        for port in hostile.canary
    ]
    return [
        *found,
        "http://inside.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://user@public.example/",
    ]


def test_redirects_of_every_status_are_checked(hostile: Hostile) -> None:
    before = hostile.counted()
    client = GuardedClient(allow=[hostile.endpoint], time_limit=3)

    for status in (301, 302, 303, 307, 308):
        for target in inner_targets(hostile):
            with pytest.raises(UnsafeAddress):
                client.get(hostile.url("/redirect", to=target, status=status))

    assert hostile.counted() == before


@pytest.mark.parametrize(
    "location",
    ["//127.0.0.1:{port}/", "\\\\127.0.0.1:{port}\\", "http:\\\\127.0.0.1:{port}/", "///127.0.0.1:{port}/",
     "http://①②⑦.⓪.⓪.①:{port}/", "http://127.0.0.1:{port}/%0d%0aHost:x", "HTTP://127.0.0.1:{port}", "\thttp://127.0.0.1:{port}/",
     "http://public.example@127.0.0.1:{port}/", "./..//127.0.0.1:{port}/"],
)  # fmt: skip
def test_odd_locations_lead_nowhere_inside(hostile: Hostile, location: str) -> None:
    before = hostile.counted()
    client = GuardedClient(allow=[hostile.endpoint], time_limit=3)

    for port in hostile.canary:
        with contextlib.suppress(TradebotError):
            client.get(hostile.url("/raw", location=location.format(port=port)))

    assert hostile.counted() == before


def test_a_redirect_that_the_operator_vouches_for_arrives(hostile: Hostile) -> None:
    inside = f"127.0.0.1:{hostile.canary[0]}"
    client = GuardedClient(allow=[hostile.endpoint, inside])

    assert client.get(hostile.url("/redirect", to=f"http://{inside}/", status=302)).body == b"inside"


# --- the browser's fence ---------------------------------------------------------------------------------------------


@pytest.fixture
def fence() -> Iterator[Fence]:
    made = Fence()
    made.owners = Owners(os.getsid(0))
    yield made
    made.close()


def asked(fence: Fence, line: str) -> bytes:
    """What the fence answers to a request line, as a browser would send it."""
    with socket.create_connection(("127.0.0.1", fence.port), timeout=5) as client:
        client.sendall(f"{line} HTTP/1.1\r\nHost: public.example\r\n\r\n".encode("utf-8", "replace"))
        found = b""
        while not found.endswith(b"keep-alive\r\n\r\n") and (piece := client.recv(4096)):
            found += piece
        return found


def passed(*allow: str) -> Pass:
    return Pass(hosts=(), allow=frozenset(allow), bytes_left=1_000_000, until=time.monotonic() + 120)


def test_a_connection_of_the_page_before_serves_no_other(fence: Fence) -> None:
    before = fence.current = passed()
    asking = b"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", fence.port), timeout=5) as client:
        client.sendall(asking)
        assert client.recv(4096).endswith(b"keep-alive\r\n\r\n")
        fence.current = passed()
        client.sendall(asking)
        assert client.recv(4096) == b""  # The browser asks again, by a connection of this page's.
    assert len(before.refused) == 1


def test_the_fence_lets_no_spelling_through(fence: Fence, hostile: Hostile) -> None:
    fence.current = passed()
    before = hostile.counted()
    targets = [(f"{host}:{port}", port) for host in HOSTS for port in hostile.canary] + [
        (f"{name}:80", 80) for name in NAMES
    ]

    for target, _ in targets:
        for line in (f"GET http://{target}/", f"CONNECT {target}", f"POST http://{target}/x"):
            assert not asked(fence, line).startswith(b"HTTP/1.1 2"), line

    assert len(targets) >= 40
    assert hostile.counted() == before


def test_the_fence_lets_through_what_is_open(fence: Fence, hostile: Hostile) -> None:
    inside = f"127.0.0.1:{hostile.canary[0]}"
    fence.current = passed(inside)

    assert asked(fence, f"GET http://{inside}/").endswith(b"inside")
    with socket.create_connection(("127.0.0.1", fence.port), timeout=5) as client:
        client.sendall(f"CONNECT {inside} HTTP/1.1\r\n\r\n".encode())
        assert client.recv(100) == b"HTTP/1.1 200 OK\r\n\r\n"
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(100).endswith(b"inside")


def test_the_fence_serves_nobody_but_its_browser_and_only_during_a_visit(fence: Fence, hostile: Hostile) -> None:
    inside = f"127.0.0.1:{hostile.canary[0]}"
    before = hostile.counted()
    assert asked(fence, f"GET http://{inside}/") == b""

    fence.current = passed(inside)
    fence.owners = Owners(1_000_000_000)

    assert asked(fence, f"GET http://{inside}/") == b""
    assert hostile.counted() == before


def test_a_page_that_takes_too_much_is_cut(fence: Fence, hostile: Hostile) -> None:
    inside = f"127.0.0.1:{hostile.canary[0]}"
    fence.current = passed(inside)
    fence.current.bytes_left = 10

    assert b"inside" not in asked(fence, f"GET http://{inside}/")


def test_a_kept_connection_carries_nothing_to_the_host_before(fence: Fence) -> None:
    """A host that keeps the connection open must not be handed the browser's next request, which is for another."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as greedy:
        port = greedy.getsockname()[1]
        fence.current = passed(f"127.0.0.1:{port}")
        with socket.create_connection(("127.0.0.1", fence.port), timeout=5) as client:
            client.sendall(f"POST http://127.0.0.1:{port}/a HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody".encode())
            host, _ = greedy.accept()
            with host:
                heard.append(host.recv(4096))
                host.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok")
                assert client.recv(4096).endswith(b"ok")
                client.sendall(b"GET http://other.example/secret HTTP/1.1\r\n\r\n")
                host.settimeout(0.5)
                with pytest.raises(TimeoutError):
                    host.recv(4096)

    assert heard[0].startswith(b"POST /a HTTP/1.1\r\n")
    assert heard[0].endswith(b"\r\n\r\nbody")
    assert b"Connection: close" in heard[0]
