"""The guarded client reaches public hosts, takes bounded answers, and never touches what is inside."""

from __future__ import annotations

import gzip
import threading
import time
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from apps.sources.adapters.guarded import BYTE_LIMIT, GuardedClient
from tests.apps.sources.servers import Server
from tests.unit.sources.test_address import INSIDE, MALFORMED
from tradebot.contracts.errors import PermanentError, TransientError, UnsafeAddress


def friend(server: Server, **limits: float) -> GuardedClient:
    """A client whose operator vouches for the server."""
    return GuardedClient(allow=[server.endpoint], **limits)  # type: ignore[arg-type]


# --- nothing inside is reached ---------------------------------------------------------------------------------------


def disguises(port: int) -> list[str]:
    """The canary's own address, in every spelling that some resolver takes."""
    hosts = ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.0.0.1."]
    hosts += ["[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::1]", "localhost", "0", "0.0.0.0", "①②⑦.⓪.⓪.①"]
    hosts += ["user@127.0.0.1", "user:pass@127.0.0.1", "public.example@127.0.0.1", "127.0.0.1#@public.example"]
    return [f"http://{host}:{port}/" for host in hosts] + [f"https://127.0.0.1:{port}/", f"http://127.0.0.1:{port}"]


def test_no_spelling_of_an_inner_address_reaches_the_canary(server: Server) -> None:
    server.give("/", b"inside")
    urls = disguises(server.port) + INSIDE + MALFORMED

    for url in urls:
        with pytest.raises(UnsafeAddress):
            GuardedClient().get(url)

    assert len(urls) >= 40
    assert server.connections == 0


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        ["10.0.0.7"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fe80::1%eth0"],
        ["8.8.8.8", "127.0.0.1"],
    ],
)
def test_a_name_that_leads_inside_is_refused_even_when_it_also_leads_outside(answer: list[str]) -> None:
    with pytest.raises(UnsafeAddress):
        GuardedClient(resolver=lambda host, port: answer).get("http://public.example/")


def test_a_name_that_changes_its_answer_is_asked_once(server: Server) -> None:
    answers = [["192.0.2.1"], ["127.0.0.1"]]
    asked: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    with pytest.raises(UnsafeAddress):
        GuardedClient(resolver=resolver).get("http://rebinding.example/")

    assert asked == ["rebinding.example"]
    assert server.connections == 0


def test_the_connection_goes_to_the_address_that_was_checked(server: Server) -> None:
    server.give("/x", b"answer")
    name = f"friend.example:{server.port}"
    client = GuardedClient(allow=[name], resolver=lambda host, port: ["127.0.0.1"])

    fetched = client.get(f"http://{name}/x")

    assert fetched.body == b"answer"
    assert server.seen[0][1]["host"] == name


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{canary}/",
        "http://2130706433:{canary}/",
        "//[::1]:{canary}/",
        "http://169.254.169.254/latest/",
        "file:///etc/passwd",
        "http://user@public.example/",
    ],
)
def test_a_redirect_to_inside_is_refused(server: Server, canary: Server, status: int, target: str) -> None:
    url = server.give("/", status=status, Location=target.format(canary=canary.port))

    with pytest.raises(UnsafeAddress):
        friend(server).get(url)

    assert canary.connections == 0


def test_trust_in_an_endpoint_is_not_trust_in_where_it_redirects(server: Server) -> None:
    url = server.give("/", status=302, Location="http://public.example/")
    client = GuardedClient(allow=[server.endpoint], resolver=lambda host, port: ["127.0.0.1"])

    with pytest.raises(UnsafeAddress):
        client.get(url)


# --- redirects that are fine -----------------------------------------------------------------------------------------


def test_redirects_are_followed_three_times(server: Server) -> None:
    for step in range(3):
        server.give(f"/{step}", status=302, Location=f"/{step + 1}")
    server.give("/3", b"there")

    fetched = friend(server).get(server.url("/0"))

    assert (fetched.body, fetched.url) == (b"there", server.url("/3"))


def test_a_fourth_redirect_is_too_many(server: Server) -> None:
    url = server.give("/", status=302, Location="/")

    with pytest.raises(PermanentError, match="redirects"):
        friend(server).get(url)

    assert len(server.seen) == 4


# --- bounded answers -------------------------------------------------------------------------------------------------


def test_an_honest_answer_comes_whole_with_its_headers(server: Server) -> None:
    fetched = friend(server).get(server.give("/a", b"\x89PNG", ETag='"v1"'))

    assert (fetched.status, fetched.body, fetched.headers["etag"]) == (200, b"\x89PNG", '"v1"')


@pytest.mark.parametrize("encode", [gzip.compress, zlib.compress], ids=["gzip", "deflate"])
def test_packed_answers_are_unpacked(server: Server, encode: Callable[[bytes], bytes]) -> None:
    name = "gzip" if encode is gzip.compress else "deflate"
    url = server.give("/", encode(b"words " * 1000), Content_Encoding=name)

    assert friend(server).get(url).body == b"words " * 1000


def longer_than_it_says(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "10")
    handler.end_headers()
    handler.wfile.write(b"x" * 1_000)


def chunked(handler: BaseHTTPRequestHandler) -> None:
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in range(40):
        handler.wfile.write(b"f4240\r\n" + b"x" * 1_000_000 + b"\r\n")


def test_bytes_are_counted_whatever_the_length_says(server: Server) -> None:
    server.answers["/"] = chunked

    with pytest.raises(PermanentError, match="larger"):
        friend(server).get(server.url())


def test_bytes_beyond_the_stated_length_are_not_taken(server: Server) -> None:
    server.answers["/"] = longer_than_it_says

    assert friend(server).get(server.url()).body == b"x" * 10


def test_a_bomb_is_stopped_while_it_unpacks(server: Server) -> None:
    bomb = gzip.compress(b"\x00" * (BYTE_LIMIT * 20))
    url = server.give("/", bomb, Content_Encoding="gzip")

    with pytest.raises(PermanentError, match="larger"):
        friend(server).get(url)

    assert len(bomb) < BYTE_LIMIT // 10


@pytest.mark.parametrize(
    ("body", "encoding"), [(b"not packed", "gzip"), (b"x", "br"), (b"x", "gzip, gzip")], ids=["broken", "br", "twice"]
)
def test_strange_packing_is_refused(server: Server, body: bytes, encoding: str) -> None:
    with pytest.raises(PermanentError):
        friend(server).get(server.give("/", body, Content_Encoding=encoding))


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, PermanentError), (403, PermanentError), (429, TransientError), (500, TransientError), (503, TransientError)],
)
def test_the_servers_no_is_final_or_not(server: Server, status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=str(status)):
        friend(server).get(server.give("/", status=status))


def dripping(handler: BaseHTTPRequestHandler) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000:
        handler.wfile.write(bytes([byte]))
        time.sleep(0.05)


def test_an_answer_that_drips_ends_at_the_time_limit(server: Server) -> None:
    server.answers["/"] = dripping
    started = time.monotonic()

    with pytest.raises(TransientError):
        friend(server, time_limit=0.5).get(server.url())

    assert time.monotonic() - started < 2


def test_a_name_server_that_never_answers_ends_at_the_time_limit() -> None:
    forever = threading.Event()

    def silent(host: str, port: int) -> list[str]:
        forever.wait(30)
        return []

    with pytest.raises(TransientError, match="in time"):
        GuardedClient(resolver=silent, time_limit=0.2).get("http://silent.example/")

    forever.set()


def test_nobody_there_is_transient() -> None:
    with pytest.raises(TransientError):
        GuardedClient(allow=["127.0.0.1:1"]).get("http://127.0.0.1:1/")


def test_a_name_without_an_address_is_transient() -> None:
    def nowhere(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(TransientError, match="resolved"):
        GuardedClient(resolver=nowhere).get("http://nowhere.example/")
