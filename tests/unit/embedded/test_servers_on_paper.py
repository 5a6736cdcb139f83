"""What the servers are told before they start."""

import stat
from pathlib import Path

import pytest

from tradebot.embedded import commands, debian, ports, postgres
from tradebot.embedded.errors import StackError
from tradebot.embedded.layout import Layout
from tradebot.embedded.postgres import Postgres
from tradebot.embedded.rabbitmq import RabbitMQ
from tradebot.embedded.readiness import require_reachable
from tradebot.embedded.valkey import Valkey


def rabbitmq(home: Path, port: int = 1001) -> RabbitMQ:
    return RabbitMQ(home, port, 1002, 1003, "secret-word", Path("/opt/rabbit mq/rabbitmq-server"))


def test_valkey_listens_on_loopback_behind_a_password_and_drops_nothing(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey", 1000, "secret-word")
    server.prepare()
    written = (tmp_path / "valkey" / "valkey.conf").read_text().splitlines()
    assert {"bind 127.0.0.1", "requirepass secret-word", "appendonly yes", "maxmemory-policy noeviction"} <= set(
        written
    )
    assert "secret-word" not in " ".join(server.command())


def test_the_broker_and_the_cache_do_not_share_a_database(tmp_path: Path) -> None:
    server = Valkey(tmp_path, 1000, "secret-word")
    assert server.url != server.broker_url


def test_rabbitmq_shares_nothing_with_another_node(tmp_path: Path) -> None:
    server = rabbitmq(tmp_path / "rabbitmq")
    server.prepare()
    env = server.env()
    paths = [value for name, value in env.items() if name.endswith(("BASE", "DIR", "FILE")) or name == "HOME"]
    assert len(paths) == 8
    assert all(path.startswith(str(tmp_path)) for path in paths)
    assert (env["RABBITMQ_NODE_IP_ADDRESS"], env["ERL_EPMD_ADDRESS"]) == ("127.0.0.1", "127.0.0.1")
    assert (env["RABBITMQ_NODE_PORT"], env["RABBITMQ_DIST_PORT"], env["ERL_EPMD_PORT"]) == ("1001", "1002", "1003")


def test_rabbitmq_has_no_guest(tmp_path: Path) -> None:
    server = rabbitmq(tmp_path / "rabbitmq")
    server.prepare()
    config = tmp_path / "rabbitmq" / "rabbitmq.conf"
    assert "default_user = tradebot" in config.read_text().splitlines()
    assert stat.S_IMODE(config.stat().st_mode) == 0o600


def test_the_node_keeps_its_name_when_its_port_changes(tmp_path: Path) -> None:
    before = rabbitmq(tmp_path / "rabbitmq")
    before.prepare()
    name = before.env()["RABBITMQ_NODENAME"]
    assert rabbitmq(tmp_path / "rabbitmq", port=2001).env()["RABBITMQ_NODENAME"] == name


def test_a_durable_database_syncs_and_a_throw_away_one_need_not(tmp_path: Path) -> None:
    durable = Postgres(tmp_path, 1000, "secret-word").command()
    hasty = Postgres(tmp_path, 1000, "secret-word", durable=False).command()
    assert "fsync=off" not in durable
    assert "fsync=off" in hasty
    assert "listen_addresses=127.0.0.1" in durable
    assert "secret-word" not in " ".join(durable)


def test_a_closed_folder_is_not_open_to_all(tmp_path: Path) -> None:
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    assert not postgres.open_to_all(inner)
    assert postgres.open_to_all(Path("/usr/bin/env"))


def test_erlang_is_told_where_it_was_unpacked(tmp_path: Path) -> None:
    erlang = tmp_path / "root" / "usr" / "lib" / "erlang"
    (erlang / "bin").mkdir(parents=True)
    (erlang / "bin" / "erl").write_text("if x\nthen\n    ROOTDIR=/usr/lib/erlang\nfi\nexec $ROOTDIR/erlexec\n")
    debian.make_runnable(tmp_path)
    assert f"    ROOTDIR={erlang}\n" in (erlang / "bin" / "erl").read_text()
    assert str(erlang / "bin" / "erl") in (tmp_path / "bin" / "erl").read_text()


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [("PORT", "http", "PORT=http"), ("PORT", "70000", "PORT=70000"), ("BROKER", "kafka", "BROKER=kafka")],
)
def test_a_wrong_variable_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StackError, match=complaint) as caught:
        commands.choice("rabbitmq")
    assert "Remedy:" in caught.value.explain()


def test_a_server_of_ones_own_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("amqp://someone:something@broker.example//\n")
    for name in ("BROKER_URL", "DATABASE_URL", "REDIS_URL", "PORT", "BROKER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BROKER_URL_FILE", str(tmp_path / "broker"))
    assert commands.choice("rabbitmq").external == {"BROKER_URL": "amqp://someone:something@broker.example//"}


def test_a_failure_shows_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("\n".join(f"line {number}" for number in range(100)))
    told = StackError("web does not stay up", log=log, remedy="look at line 99").explain()
    assert "line 99" in told
    assert "line 80" not in told


def test_an_unreachable_server_is_named_without_its_password() -> None:
    url = f"amqp://someone:something@127.0.0.1:{ports.free_port()}//"
    with pytest.raises(StackError, match="BROKER_URL") as caught:
        require_reachable("BROKER_URL", url, timeout=0)
    assert "something" not in caught.value.explain()


def test_a_folder_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(StackError, match="belongs to another user"):
        Layout(tmp_path).create()
