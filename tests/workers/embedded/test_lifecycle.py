"""A server started for the length of a block serves, and leaves no process behind."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import etcd3gw
import pytest

from tradebot.embedded import debian, ports
from tradebot.embedded.errors import StackError
from tradebot.embedded.etcd import Etcd
from tradebot.embedded.postgres import Postgres
from tradebot.embedded.server import running
from tradebot.embedded.valkey import Valkey


def test_valkey_keeps_what_it_was_told_over_a_restart(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey", ports.free_port(), "secret-word")
    with running(server):
        assert server.version().startswith("valkey ")
        with server.client() as client:
            client.set("kept", "yes")
    assert ports.is_free(server.port)
    with running(server), server.client() as client:
        assert client.get("kept") == b"yes"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the database's own user may pass through, as pytest's are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def test_postgres_refuses_a_wrong_password(open_folder: Path) -> None:
    port = ports.free_port()
    server = Postgres(open_folder / "postgres", port, "secret-word", durable=False)
    with running(server):
        assert server.version().startswith("PostgreSQL ")
        stranger = Postgres(open_folder / "postgres", port, "wrong")
        with pytest.raises(StackError, match="password authentication failed"):
            stranger.wait_ready(0)
    assert ports.is_free(port)


def test_etcd_keeps_what_it_was_told_over_a_restart(tmp_path: Path) -> None:
    debian.ensure((debian.ETCD,), print)
    port = ports.free_port()
    server = Etcd(tmp_path / "etcd", port, ports.free_port({port}))
    client = etcd3gw.client(host="127.0.0.1", port=port, api_path="/v3/", timeout=5)
    with running(server):
        assert server.version().startswith("etcd 3.")
        client.put("kept", "yes")
    assert ports.is_free(server.port)
    with running(server):
        assert client.get("kept") == [b"yes"]


def test_a_server_that_can_not_start_says_why(tmp_path: Path) -> None:
    first = Valkey(tmp_path / "first", ports.free_port(), "secret-word")
    with running(first):
        second = Valkey(tmp_path / "second", first.port, "another-word")
        with pytest.raises(StackError, match="valkey stopped with code 1") as caught, running(second):
            pass
    assert "Address already in use" in caught.value.explain()
