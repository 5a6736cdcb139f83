"""Plugins that break where nobody expects it: no secret shows, no post is lost, no other source is touched."""

from __future__ import annotations

from io import StringIO

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core.management import CommandError, call_command
from structlog.testing import capture_logs

from apps.sources.adapters.registry import would_listen
from tests.apps.sources.crawling.board import Board, BoardCrawler
from tests.apps.sources.crawling.conftest import watched
from tradebot.contracts.errors import PermanentError
from tradebot.contracts.messages import CrawlerMessage
from workers.crawl import session

pytestmark = pytest.mark.django_db
SECRET = "sample-secret-token"


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings that name a secret."""
    monkeypatch.setenv("BOARD_TOKEN", SECRET)
    return {"api_token": "env:BOARD_TOKEN"}


def refusing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def validate(self: BoardCrawler, msg: CrawlerMessage) -> bool:
        raise error

    monkeypatch.setattr(BoardCrawler, "validate", validate)


def dry_run() -> str:
    said = StringIO()
    call_command("crawl", "the board", "--dry-run", stdout=said, stderr=said)
    return said.getvalue()


def test_a_time_limit_that_strikes_while_a_post_is_checked_loses_no_post(
    shown: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = watched()
    shown.put(1)
    with monkeypatch.context() as slow:
        refusing(slow, SoftTimeLimitExceeded())
        assert session.run(row.name, lambda _: None).outcome == "failed"
    row.refresh_from_db()
    assert row.state == {}

    later: list[CrawlerMessage] = []
    session.run(row.name, later.extend)

    assert [message.id for message in later] == ["1"]


def test_a_check_that_tells_a_secret_tells_it_neither_to_the_log_nor_to_a_terminal(
    shown: Board, token: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched(config=token)
    shown.put(1)
    refusing(monkeypatch, ValueError(f"no answer for Bearer {SECRET}"))

    with capture_logs() as logs:
        said = dry_run()

    assert "no answer for Bearer ***" in said
    assert [entry["first"] for entry in logs if entry["event"] == "crawled posts refused"] == [
        "ValueError: no answer for Bearer ***"
    ]


def test_a_dry_run_that_fails_tells_no_secret(shown: Board, token: dict[str, str]) -> None:
    watched(config=token)
    shown.error = PermanentError(f"401 for Bearer {SECRET}")

    with pytest.raises(CommandError, match=r"^the board: 401 for Bearer \*\*\*$"):
        dry_run()


@pytest.mark.parametrize("later", ["", "another-sample-token"])
def test_a_secret_that_is_replaced_during_a_crawl_is_not_told(
    shown: Board, token: dict[str, str], monkeypatch: pytest.MonkeyPatch, later: str
) -> None:
    row = watched(config=token)
    shown.error = PermanentError(f"401 for Bearer {SECRET}")
    shown.seam = lambda: monkeypatch.setenv("BOARD_TOKEN", later)

    session.run(row.name, lambda _: None)

    row.refresh_from_db()
    assert row.last_error == "401 for Bearer ***"


def test_a_plugin_that_can_not_say_whether_it_listens_is_not_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(config: object) -> bool:
        raise KeyError("mode")

    monkeypatch.setattr(BoardCrawler, "would_listen", broken, raising=False)

    assert would_listen("board", {}) is False
