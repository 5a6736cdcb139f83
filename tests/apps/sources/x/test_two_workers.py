"""Two workers with one token: what X told one of them, the other keeps to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from apps.sources.adapters import limits
from tests.apps.sources.x.conftest import Make
from tests.outside.x.process import LocalX
from tradebot.contracts.errors import Throttled

SEARCH = "GET /2/tweets/search/recent"


def asked(x: LocalX) -> list[int]:
    return [entry["status"] for entry in x.requests() if entry["endpoint"] == SEARCH]


def another_process() -> None:
    """What this process knows of limits is forgotten, as in one that has just begun."""
    limits._limits_of.cache_clear()


def test_after_a_429_nobody_asks_before_the_reset_and_then_everything_comes(
    x: LocalX, make: Make, name: Callable[[str], str]
) -> None:
    ann, bob = name("ann"), name("bob")
    x.post(ann, "from ann")
    x.post(bob, "from bob")
    x.do("limit", endpoint=SEARCH, requests=2, seconds=2)
    try:
        crawler = make(accounts=[ann], accounts_by="search", searches=[f"from:{bob}", f"from:{bob} bob"])
        got = list(crawler.fetch())
        another_process()
        with pytest.raises(Throttled) as caught:
            make(crawler.state, accounts=[ann], accounts_by="search").fetch()
        before = asked(x)
        threading.Event().wait(max(0.0, (caught.value.until - datetime.now(UTC)).total_seconds()))
        another_process()
        later = make(crawler.state, accounts=[ann], accounts_by="search", searches=[f"from:{bob} bob"])
        rest = list(later.fetch())
    finally:
        x.do("limit", endpoint=SEARCH, requests=450, seconds=900)

    assert [message.data for message in got] == ["from ann", "from bob"]
    assert "limit is reached" in crawler.notes["polling"]
    assert before == [200, 200]
    assert [message.data for message in rest] == ["from bob"]
    assert 429 not in asked(x)


def test_feeds_that_a_limit_kept_waiting_come_first_next_time(
    x: LocalX, make: Make, name: Callable[[str], str]
) -> None:
    words = [name(f"word{number}") for number in range(3)]
    x.do("limit", endpoint=SEARCH, requests=2, seconds=1)
    try:
        crawler = make(searches=words)
        list(crawler.fetch())
        threading.Event().wait(2.1)
        x.requests(forget=True)
        list(make(crawler.state, searches=words).fetch())
    finally:
        x.do("limit", endpoint=SEARCH, requests=450, seconds=900)

    assert x.requests()[0]["query"]["query"] == words[2]
