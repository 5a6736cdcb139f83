"""Settings name their secrets; the secrets themselves are shown to nobody."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apps.sources.adapters.secrets import MOST_BYTES, Secret, resolved
from tradebot.contracts.errors import NotConfigured


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "word-that-nobody-sees\n")


def test_references_become_secrets_at_any_depth(tmp_path: Path) -> None:
    kept = tmp_path / "secret"
    kept.write_text("  from-a-file\n")
    config = {
        "token": "env:SOME_TOKEN",
        "deep": {"list": [f"file:{kept}", "plain", 7, None, True]},
        "url": "https://a.test/env:SOME_TOKEN",
    }
    assert resolved(config) == {
        "token": "word-that-nobody-sees",
        "deep": {"list": ["from-a-file", "plain", 7, None, True]},
        "url": "https://a.test/env:SOME_TOKEN",
    }


def test_what_was_given_stays_as_it_was() -> None:
    config = {"deep": {"token": "env:SOME_TOKEN"}}
    resolved(config)
    assert config == {"deep": {"token": "env:SOME_TOKEN"}}


def test_nobody_sees_a_secret_by_printing_what_holds_it() -> None:
    class Settings(msgspec.Struct):
        token: str

    config = resolved({"token": "env:SOME_TOKEN"})
    assert repr(config) == "{'token': '***'}"
    assert repr(msgspec.convert(config, Settings)) == "Settings(token='***')"
    assert isinstance(pickle.loads(pickle.dumps(config))["token"], Secret)


@pytest.mark.parametrize("text", ["file:///etc/passwd", "file://host/x", "env: two words", "env:", "envy:X", "file:"])
def test_addresses_and_words_are_no_references(text: str) -> None:
    assert resolved({"url": text}) == {"url": text}


def test_a_missing_variable_is_named_with_its_key_and_the_remedy() -> None:
    with pytest.raises(NotConfigured, match=r"^deep\.list\[1\]: the environment has no OTHER_TOKEN; set it for"):
        resolved({"deep": {"list": ["x", "env:OTHER_TOKEN"]}})


def test_an_empty_variable_counts_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "  ")
    with pytest.raises(NotConfigured, match="has no SOME_TOKEN"):
        resolved({"token": "env:SOME_TOKEN"})


def test_a_secret_that_was_written_behind_env_is_not_repeated() -> None:
    with pytest.raises(NotConfigured) as caught:
        resolved({"token": "env:sk-live-1234"})
    assert str(caught.value) == "token: after env: comes the name of a variable, like env:X_BEARER_TOKEN"


def test_a_file_that_can_not_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match=r"^token: .*/nothing can't be read \(No such file or directory\); write"):
        resolved({"token": f"file:{tmp_path}/nothing"})


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotConfigured, match="no plain file"):
        resolved({"token": f"file:{tmp_path}/pipe"})


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"x" * (MOST_BYTES + 1)])
def test_a_file_must_hold_one_secret_as_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(NotConfigured, match="must hold one secret as text, up to 64 KiB"):
        resolved({"token": f"file:{tmp_path}/secret"})


@pytest.mark.parametrize("name", ["SECRET_KEY", "CREDENTIAL_KEYS", "DATABASE_URL", "ADMIN_PASSWORD"])
def test_no_source_gets_a_secret_of_tradebot_itself(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "word-that-nobody-sees")
    with pytest.raises(NotConfigured, match=f"^token: {name} is tradebot's own secret") as caught:
        resolved({"token": f"env:{name}"})
    assert "nobody" not in str(caught.value)


def test_no_source_gets_a_file_that_holds_one(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VAR_DIR = tmp_path
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "SECRET_KEY").write_text("word")
    (tmp_path / "key").write_text("word")
    (tmp_path / "link").symlink_to(tmp_path / "secrets" / "SECRET_KEY")
    monkeypatch.setenv("CREDENTIAL_KEYS_FILE", str(tmp_path / "key"))
    for name in (tmp_path / "secrets" / "SECRET_KEY", tmp_path / "link", tmp_path / "key", "/proc/self/environ"):
        with pytest.raises(NotConfigured, match="is not for sources"):
            resolved({"token": f"file:{name}"})
