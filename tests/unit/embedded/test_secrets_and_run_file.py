"""Secrets are made once and closed; the run file is whole or absent."""

import json
import stat
from pathlib import Path

from cryptography.fernet import Fernet

from tradebot.embedded import runfile, secrets
from tradebot.embedded.layout import write_private
from tradebot.embedded.runfile import Addresses

ADDRESSES = Addresses(
    web="http://127.0.0.1:8000",
    flower="http://127.0.0.1:5555",
    broker="amqp://someone:something@127.0.0.1:5672//",
    database="postgres://someone:something@127.0.0.1:5432/tradebot",
    redis="redis://:something@127.0.0.1:6379/0",
    paper_exchange="http://127.0.0.1:9000",
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_stay_what_they_were(tmp_path: Path) -> None:
    first = secrets.ensure(tmp_path / "secrets")
    assert secrets.ensure(tmp_path / "secrets") == first
    assert len(set(first.values())) == len(first)


def test_a_lost_secret_is_made_anew_and_the_others_stay(tmp_path: Path) -> None:
    first = secrets.ensure(tmp_path / "secrets")
    (tmp_path / "secrets" / "FLOWER_PASSWORD").unlink()
    second = secrets.ensure(tmp_path / "secrets")
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {"FLOWER_PASSWORD"}


def test_only_the_owner_reads_secrets(tmp_path: Path) -> None:
    secrets.ensure(tmp_path / "secrets")
    assert mode(tmp_path / "secrets") == 0o700
    assert {mode(path) for path in (tmp_path / "secrets").iterdir()} == {0o600}


def test_the_credential_key_is_a_fernet_key(tmp_path: Path) -> None:
    key = secrets.ensure(tmp_path)["CREDENTIAL_KEYS"]
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"text")) == b"text"


def test_the_run_file_has_the_promised_keys_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    runfile.write(path, ADDRESSES)
    assert set(json.loads(path.read_text())) == {"web", "flower", "broker", "database", "redis", "paper_exchange"}
    assert mode(path) == 0o600
    assert runfile.read(path) == ADDRESSES


def test_a_removed_run_file_reads_as_no_stack(tmp_path: Path) -> None:
    runfile.write(tmp_path / "run.json", ADDRESSES)
    runfile.remove(tmp_path / "run.json")
    assert runfile.read(tmp_path / "run.json") is None


def test_a_private_file_is_replaced_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old, and open to all")
    path.chmod(0o644)
    write_private(path, "new")
    assert (path.read_text(), mode(path), list(tmp_path.iterdir())) == ("new", 0o600, [path])
