"""What the guarded client does beside a plain GET: any answer, kept connections, host rules, asyncio."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import aiohttp
import pytest

from apps.sources.adapters.checked_async import guarded_session
from apps.sources.adapters.guarded import GuardedClient
from tests.apps.sources.servers import Server
from tradebot.contracts.errors import PermanentError, TransientError, UnsafeAddress


def friend(server: Server, *others: Server, **limits: float) -> GuardedClient:
    return GuardedClient(allow=[server.endpoint, *(other.endpoint for other in others)], **limits)  # type: ignore[arg-type]


def lasting(body: bytes = b"x") -> object:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.close_connection = False
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


# --- any answer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 204, 400, 404, 410, 429, 500, 503])
def test_any_status_is_an_answer(server: Server, status: int) -> None:
    url = server.give("/", b"words" if status != 204 else b"", status, Retry_After="7")

    answer = friend(server).ask("GET", url)

    assert (answer.status, answer.headers["retry-after"]) == (status, "7")
    assert answer.body == (b"words" if status != 204 else b"")


def test_a_redirect_is_given_as_it_is_where_it_should_not_be_followed(server: Server) -> None:
    url = server.give("/", status=302, Location="/other")

    answer = friend(server).ask("GET", url, follow=False)

    assert (answer.status, answer.headers["location"], len(server.seen)) == (302, "/other", 1)


def test_a_body_is_sent_and_its_redirect_is_not_repeated(server: Server) -> None:
    bodies: list[bytes] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        bodies.append(handler.rfile.read(int(handler.headers["Content-Length"])))
        handler.send_response(307)
        handler.send_header("Location", "/other")
        handler.end_headers()

    server.answers["/"] = answer

    assert friend(server).ask("POST", server.url(), {"Content-Type": "application/json"}, b'{"a": 1}').status == 307
    assert bodies == [b'{"a": 1}']


def test_where_permanent_redirects_lead_is_told(server: Server) -> None:
    server.give("/a", status=301, Location="/b")
    server.give("/b", status=302, Location="/c")
    server.give("/c", b"there")

    answer = friend(server).get(server.url("/a"))

    assert (answer.moved, answer.url) == (server.url("/b"), server.url("/c"))
    assert friend(server).get(server.url("/b")).moved == ""


def test_another_host_gets_no_credentials(server: Server, canary: Server) -> None:
    url = server.give("/", status=302, Location=canary.give("/x", b"there"))
    sent = {"Authorization": "Bearer sample", "Cookie": "a=b", "X-Key": "sample", "Accept": "text/html"}

    friend(server, canary).get(url, sent)

    assert server.seen[0][1]["authorization"] == "Bearer sample"
    assert not {"authorization", "cookie", "x-key"} & canary.seen[0][1].keys()
    assert canary.seen[0][1]["accept"] == "text/html"


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\x00b", "a\nb"])
def test_a_header_that_would_be_two_is_refused(server: Server, value: str) -> None:
    with pytest.raises(PermanentError):
        friend(server).get(server.url(), {"X-Odd": value})

    assert server.seen == []


# --- kept connections ------------------------------------------------------------------------------------------------


def test_a_session_asks_a_host_over_one_connection(server: Server) -> None:
    server.answers["/"] = lasting()  # type: ignore[assignment]
    with friend(server) as client:
        for _ in range(20):
            assert client.get(server.url()).body == b"x"

    assert server.connections == 1


def test_without_a_session_every_request_has_its_own(server: Server) -> None:
    server.answers["/"] = lasting()  # type: ignore[assignment]
    client = friend(server)
    for _ in range(3):
        client.get(server.url())

    assert server.connections == 3


def test_a_kept_connection_that_the_server_closed_is_replaced(server: Server) -> None:
    def once(handler: BaseHTTPRequestHandler) -> None:
        lasting()(handler)  # type: ignore[operator]
        handler.close_connection = True

    server.answers["/"] = once
    with friend(server) as client:
        for _ in range(5):
            assert client.get(server.url()).body == b"x"


def test_threads_share_a_session_and_each_has_its_own_deadline(server: Server) -> None:
    released = threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        released.wait(20)
        lasting()(handler)  # type: ignore[operator]

    server.answers["/slow"] = slow
    server.answers["/"] = lasting()  # type: ignore[assignment]
    with friend(server, time_limit=5.0) as client, ThreadPoolExecutor(9) as pool:
        late = pool.submit(client.get, server.url("/slow"))
        assert [found.body for found in pool.map(client.get, [server.url()] * 32)] == [b"x"] * 32
        with pytest.raises(TransientError):
            late.result()
        released.set()


def test_trust_does_not_travel_over_a_kept_connection(server: Server, canary: Server) -> None:
    canary.answers["/"] = lasting()  # type: ignore[assignment]
    name = f"friend.example:{canary.port}"
    url = server.give("/", status=302, Location="http://stranger.example/hop")
    client = GuardedClient(allow=[server.endpoint, name], resolver=lambda host, port: ["127.0.0.1"])

    with client:
        client.get(f"http://{name}/")
        with pytest.raises(UnsafeAddress):
            client.get(url)

    assert canary.connections == 1


# --- host rules ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "open_"),
    [
        ("https://pbs.twimg.com/a", True),
        ("https://PBS.TWIMG.COM./a", True),
        ("https://cdn4.telesco.pe/a", True),
        ("https://a.b.telesco.pe/a", True),
        ("https://telesco.pe/a", False),
        ("https://xtelesco.pe/a", False),
        ("https://pbs.twimg.com.evil.example/a", False),
        ("https://evil.example/pbs.twimg.com", False),
        ("https://8.8.8.8/a", False),
    ],
)
def test_only_the_sources_own_hosts_are_contacted(url: str, open_: bool) -> None:
    asked: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        raise OSError("offline")

    client = GuardedClient(hosts=["pbs.twimg.com", "*.telesco.pe"], resolver=resolver)

    with pytest.raises(TransientError if open_ else UnsafeAddress):
        client.get(url)

    assert bool(asked) == open_


def test_host_rules_hold_on_every_hop(server: Server) -> None:
    url = server.give("/", status=302, Location="http://evil.example/")
    client = GuardedClient(allow=[server.endpoint], hosts=["news.example"])

    with pytest.raises(UnsafeAddress, match=r"evil\.example"):
        client.get(url)


# --- asyncio ---------------------------------------------------------------------------------------------------------


def fetched(url: str, **options: object) -> bytes:
    async def ask() -> bytes:
        async with (
            guarded_session(timeout=aiohttp.ClientTimeout(total=5), **options) as session,  # type: ignore[arg-type]
            session.get(url) as answer,
        ):
            return await answer.read()

    return asyncio.run(ask())


def test_an_asynchronous_session_reaches_what_is_open(server: Server) -> None:
    server.give("/", b"there")

    assert fetched(server.url(), allow=[server.endpoint]) == b"there"
    named = f"friend.example:{server.port}"
    assert fetched(f"http://{named}/", allow=[named], resolver=lambda host, port: ["127.0.0.1"]) == b"there"


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"]])
def test_an_asynchronous_session_refuses_names_that_lead_inside(answer: list[str]) -> None:
    with pytest.raises(UnsafeAddress):
        fetched("http://public.example/", resolver=lambda host, port: answer)


def test_an_asynchronous_session_obeys_host_rules_and_follows_nothing(server: Server) -> None:
    with pytest.raises(UnsafeAddress):
        fetched("http://evil.example/", hosts=["api.x.com"])
    with pytest.raises(PermanentError, match="302"):
        fetched(server.give("/", status=302, Location="/x"), allow=[server.endpoint])

    assert len(server.seen) == 1


def test_a_silent_name_server_holds_nobody_for_long() -> None:
    forever = threading.Event()
    started = time.monotonic()

    with pytest.raises((TransientError, TimeoutError)):
        fetched("http://silent.example/", resolver=lambda host, port: [str(forever.wait(8))])

    forever.set()
    assert time.monotonic() - started < 8
