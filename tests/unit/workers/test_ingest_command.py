"""What `manage.py ingest` prints, and the code it ends with."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tradebot.contracts.messages import CrawlerMessage
from workers import ingest
from workers.management.commands.ingest import Command

GOOD = {
    "source": "twitter",
    "type": "text",
    "id": "1",
    "author": "somebody",
    "data": "gm",
    "timestamp": "2024-01-01T12:00:00Z",
}


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[CrawlerMessage]:
    sent: list[CrawlerMessage] = []

    def publish(messages: Iterable[CrawlerMessage]) -> None:
        sent.extend(messages)

    monkeypatch.setattr(ingest, "publish", publish)
    monkeypatch.setattr(ingest, "wait", lambda messages, **_: ingest.Progress(posts=len(messages)))
    return sent


def a_file(folder: Path, *lines: object) -> Path:
    path = folder / "posts.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def run(path: Path, **options: Any) -> tuple[dict[str, Any], int]:
    """What it printed, and its exit code."""
    out, code = io.StringIO(), 0
    try:
        call_command("ingest", path, stdout=out, stderr=io.StringIO(), **options)
    except CommandError as error:
        code = error.returncode
    return json.loads(out.getvalue()), code


def test_one_good_line_is_enough_for_success(published: list[CrawlerMessage], tmp_path: Path) -> None:
    said, code = run(a_file(tmp_path, GOOD, {**GOOD, "source": "nowhere"}))
    assert (said["published"], [entry["line"] for entry in said["rejected"]], code) == (1, [2], 0)
    assert [message.id for message in published] == ["1"]


@pytest.mark.parametrize("wait", [False, True])
def test_without_a_good_line_it_fails_and_prints_why(
    published: list[CrawlerMessage], tmp_path: Path, wait: bool
) -> None:
    said, code = run(a_file(tmp_path, "no json", {**GOOD, "author": None}), wait=wait)
    assert code == 3
    assert [entry["line"] for entry in said["rejected"]] == [1, 2]
    assert published == []


def test_a_file_that_is_not_there_has_another_code(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is no file") as caught:
        call_command("ingest", tmp_path / "nothing.jsonl")
    assert caught.value.returncode == 1


def test_the_help_names_every_exit_code() -> None:
    said = Command().create_parser("manage.py", "ingest").format_help()
    assert all(f" {code} " in " ".join(said.split()) for code in (0, 1, 2, 3))
