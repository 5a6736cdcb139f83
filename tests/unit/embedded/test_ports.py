"""Ports are kept while they are free."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tradebot.embedded import ports


@contextmanager
def listening(port: int = 0) -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_somebody_listens_on_is_not_free() -> None:
    with listening() as port:
        assert not ports.is_free(port)
    assert ports.is_free(port)


def test_chosen_ports_are_kept(tmp_path: Path) -> None:
    first = ports.choose(tmp_path / "ports.json", ["one", "two"])
    assert ports.choose(tmp_path / "ports.json", ["one", "two"]) == first
    assert first["one"] != first["two"]


def test_a_port_that_was_taken_is_chosen_anew(tmp_path: Path) -> None:
    first = ports.choose(tmp_path / "ports.json", ["one", "two"])
    with listening(first["one"]):
        second = ports.choose(tmp_path / "ports.json", ["one", "two"])
    assert second["one"] != first["one"]
    assert second["two"] == first["two"]


def test_the_next_free_port_is_looked_for_upwards() -> None:
    with listening() as port:
        assert ports.next_free(port) > port
    assert ports.next_free(port) == port


def test_a_claimed_port_is_taken_for_others_and_still_served_by_a_server_that_shares() -> None:
    with ports.claim(ports.free_port()) as claim:
        port = claim.getsockname()[1]
        assert not ports.is_free(port)
        with ports.claim(port) as other:
            assert other.getsockname()[1] > port
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            server.bind(("127.0.0.1", port))
            server.listen()
            with socket.create_connection(("127.0.0.1", port), timeout=5):
                assert server.accept()
