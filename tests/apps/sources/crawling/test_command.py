"""`manage.py crawl` by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.sources.models import Source
from tests.apps.sources.crawling.board import Board
from tests.apps.sources.crawling.conftest import watched
from tradebot.contracts.errors import Throttled, TransientError
from workers import publisher

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the broker took."""
    taken: list[Any] = []
    monkeypatch.setattr(publisher, "publish", taken.extend)
    return taken


def crawl(*arguments: str) -> str:
    out = StringIO()
    call_command("crawl", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_one_crawl_is_published_and_printed_a_line_a_message(shown: Board, sent: list[Any]) -> None:
    shown.put(1)
    shown.put(2)
    row = watched()

    lines = [json.loads(line) for line in crawl("the board", "--once", "--json").splitlines()]

    assert [line["id"] for line in lines] == ["1", "2"] == [message.id for message in sent]
    assert lines[0]["data"] == "notice 1 in revision 0"
    row.refresh_from_db()
    assert row.last_result == "2 new of 2"


def test_a_dry_run_prints_and_changes_nothing(shown: Board, sent: list[Any]) -> None:
    shown.put(1)
    row = watched()
    before = Source.objects.values().get(pk=row.pk)

    lines = crawl("the board", "--dry-run", "--json").splitlines()

    assert [json.loads(line)["id"] for line in lines] == ["1"]
    assert sent == []
    assert Source.objects.values().get(pk=row.pk) == before


def test_a_table_steers_no_terminal(shown: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    shown.put(1)
    watched()
    import msgspec

    from tests.apps.sources.crawling import board

    hostile = msgspec.structs.replace(board.message(shown.notices[0]), data="\x1b[2J[red]words\x07")
    monkeypatch.setattr(board, "message", lambda notice: hostile)

    printed = crawl("the board", "--dry-run")

    assert "[2J[red]words" in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize("arguments", [("--once",), ("--dry-run",)])
def test_a_crawl_that_fails_says_why(shown: Board, arguments: tuple[str, ...]) -> None:
    shown.error = TransientError("502 from the board")
    watched()

    with pytest.raises(CommandError, match="502 from the board"):
        crawl("the board", *arguments)


def test_a_throttled_crawl_says_so(shown: Board) -> None:
    shown.error = Throttled("slow down", datetime.now(UTC) + timedelta(hours=1))
    watched()

    with pytest.raises(CommandError, match="throttled: slow down"):
        crawl("the board", "--once")


def test_an_unknown_source_is_answered_with_the_known_ones() -> None:
    watched()

    with pytest.raises(CommandError, match="no source 'the bored'; known are the board"):
        crawl("the bored", "--once")


def test_without_a_source_all_are_listed(shown: Board) -> None:
    watched(last_error="502 from the board", notes={"@somebody": "suspended"}, lag_p50_seconds=2.5)
    watched(name="waiting", throttled_until=datetime.now(UTC) + timedelta(hours=1))

    table = crawl()
    listed = [json.loads(line) for line in crawl("--json").splitlines()]

    for told in ("the board", "502 from the board", "@somebody: suspended", "2.5 s", "(throttled)"):
        assert told in table
    assert [line["name"] for line in listed] == ["the board", "waiting"]
    assert "config" not in listed[0]


def test_it_goes_on_at_its_interval_until_interrupted(shown: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    shown.put(1)
    row = watched(interval_seconds=60)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        shown.error = TransientError("502 from the board")
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("workers.management.commands.crawl.sleep", wait)

    crawl("the board")

    row.refresh_from_db()
    assert row.failures == 2
    assert waits[0] == 60
    assert [round(wait, -1) for wait in waits[1:]] == [120, 240]
