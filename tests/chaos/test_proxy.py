"""Links: what they let through, and what a client sees of each fault."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import Links


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that answers every chunk with itself."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve, args=(listener,), daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def _serve(listener: socket.socket) -> None:
    try:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_echo, args=(connection,), daemon=True).start()
    except OSError:
        """The test is over."""


def _echo(connection: socket.socket) -> None:
    try:
        while chunk := connection.recv(4096):
            connection.sendall(chunk)
    except OSError:
        """The link was cut."""


@pytest.fixture
def links() -> Iterator[Links]:
    made = Links()
    yield made
    made.close()


@pytest.fixture
def client(links: Links, echo: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", links.open("exchange", echo)), 5) as connection:
        yield connection


def test_an_open_link_lets_everything_through(client: socket.socket) -> None:
    client.sendall(b"ping")

    assert client.recv(16) == b"ping"


def test_a_cut_link_breaks_what_stands(client: socket.socket, links: Links) -> None:
    client.sendall(b"ping")
    client.recv(16)

    links.turn("exchange", "cut", 30)

    with pytest.raises(OSError, match="reset"):
        client.recv(16)


def test_a_half_open_link_hands_requests_on_and_keeps_the_answers(client: socket.socket, links: Links) -> None:
    seen = links.seen("exchange", b"order")
    links.turn("exchange", "half_open", 30)

    client.sendall(b"order")

    assert seen.wait(5)
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(16)


def test_a_robbed_request_arrives_and_its_answer_does_not(client: socket.socket, links: Links) -> None:
    seen = links.seen("exchange", b"order")
    links.rob("exchange", b"order", 1)

    client.sendall(b"order")

    assert seen.wait(5)
    with pytest.raises(OSError, match="reset"):
        client.recv(16)


def test_a_healed_link_serves_again(client: socket.socket, links: Links, echo: int) -> None:
    client.sendall(b"ping")
    client.recv(16)

    links.turn("exchange", "cut", 0.05)
    with pytest.raises(OSError, match="reset"):
        client.recv(16)

    again = socket.create_connection(("127.0.0.1", links.open("exchange again", echo)), 5)

    with again:
        again.sendall(b"ping")
        assert again.recv(16) == b"ping"
