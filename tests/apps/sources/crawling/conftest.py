"""A source that shows a notice board, and crawlers for it that are installed for the length of a test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from apps.sources.adapters import registry
from apps.sources.models import Source
from tests.apps.sources.crawling.board import Board, board

_HERE = "tests.apps.sources.crawling.board"
PLUGINS = {
    "board": f"{_HERE}:BoardCrawler",
    "broken_init": f"{_HERE}:BrokenInit",
    "broken_state": f"{_HERE}:BrokenState",
    "broken_import": "tests.apps.sources.crawling.nowhere:Nothing",
}


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    entries = {name: EntryPoint(name, path, registry.GROUP) for name, path in PLUGINS.items()}
    monkeypatch.setattr(registry, "_entries", lambda: entries)
    registry.load_crawler.cache_clear()
    yield
    registry.load_crawler.cache_clear()


@pytest.fixture
def shown() -> Iterator[Board]:
    """The board, empty."""
    board.__init__()  # type: ignore[misc]
    yield board
    board.__init__()  # type: ignore[misc]


def watched(**changes: Any) -> Source:
    """A source that was made a day ago."""
    row = Source.objects.create(**{"name": "the board", "kind": "board", "interval_seconds": 60, **changes})
    Source.objects.filter(pk=row.pk).update(created_at=datetime.now(UTC) - timedelta(days=1))
    return row
