"""When a crawler node counts as alive, late or gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.sources.domain.nodes import Heard, Node, State
from workers.nodes import crawls

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NODE = Node("crawl@one", "one", ("crawl",), ("rss",), "1", NOW - timedelta(hours=1))


@pytest.mark.parametrize(
    ("silent", "state"), [(0, State.ALIVE), (15, State.ALIVE), (16, State.LATE), (60, State.LATE), (61, State.GONE)]
)
def test_silence_makes_a_node_late_and_then_gone(silent: int, state: State) -> None:
    assert Heard(NODE, NOW - timedelta(seconds=silent)).state(NOW) == state


def test_a_node_that_said_goodbye_is_gone_at_once() -> None:
    assert Heard(NODE, NOW, ended_at=NOW).state(NOW) == State.GONE


@pytest.mark.parametrize(
    ("queues", "expected"),
    [
        (["crawl", "housekeeping"], True),
        (["browser"], True),
        (["housekeeping"], False),
        (["crawled"], False),
        ([], False),
    ],
)
def test_workers_that_take_crawls_are_nodes(queues: list[str], expected: bool) -> None:
    assert crawls(queues) is expected
