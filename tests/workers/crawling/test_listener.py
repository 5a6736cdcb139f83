"""One listener in this process: what it stores, and how it waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint
from typing import Any

import msgspec
import pytest
from django.db import connection

from apps.sources.adapters import registry
from apps.sources.models import Source
from tests.apps.sources.crawling.board import BoardCrawler, Notice, message
from tests.apps.sources.crawling.conftest import watched
from tests.workers.streams.conftest import until
from tradebot.contracts.errors import NotConfigured, PermanentError, Throttled, TransientError
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import Emit
from workers.publisher import NotConfirmed
from workers.streams.backoff import Backoff
from workers.streams.listeners import Listener, Listeners, Wanted
from workers.streams.threads import Threads

pytestmark = pytest.mark.django_db(transaction=True)

Listen = Callable[["Pushing", Emit], Awaitable[None]]


class Pushing(BoardCrawler):
    """Listens as the test says."""

    does: Listen

    def init(self, config: Any) -> None:
        super().init(config)
        self.state = dict(config["state"])

    async def listen(self, emit: Emit) -> None:
        await type(self).does(self, emit)


@pytest.fixture(autouse=True)
def no_session_left(transactional_db: None) -> Iterator[None]:
    """Threads that are gone leave their database sessions behind; a process that ends takes them along."""
    yield
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    entry = EntryPoint("board", f"{__name__}:Pushing", registry.GROUP)
    monkeypatch.setattr(registry, "_entries", lambda: {"board": entry})
    registry.load_crawler.cache_clear()
    yield
    registry.load_crawler.cache_clear()


def listen(does: Listen, publish: Callable[[Sequence[CrawlerMessage]], object], row: Source) -> Listener:
    """Runs a listener until the plugin has done what it does, and ended its connection."""
    Pushing.does = does
    threads = Threads()

    async def main() -> Listener:
        listener = Listener(Wanted(row.name, "board", "", ""), threads, publish)
        with pytest.raises(_Done):
            await listener._connection()
        return listener

    try:
        return asyncio.run(main())
    finally:
        threads.close()
        row.refresh_from_db()


class _Done(Exception):
    """The plugin has done all it should."""


def test_state_is_stored_apart_from_that_of_the_polls_and_only_when_it_changed() -> None:
    row, sent = watched(state={"known": {"1": 0}}), list[CrawlerMessage]()
    seen: list[Any] = []

    async def two_posts(self: Pushing, emit: Emit) -> None:
        seen.append(dict(self.state))
        await emit([message(Notice(2))], [])
        seen.append((await asyncio.to_thread(Source.objects.get, pk=row.pk)).listen_state)
        self.state = {"heard": 3}
        await emit([message(Notice(3))], [])
        raise _Done

    listen(two_posts, sent.extend, row)

    assert [one.id for one in sent] == ["2", "3"]
    assert seen == [{"known": {"1": 0}}, {}]
    assert (row.state, row.listen_state) == ({"known": {"1": 0}}, {"heard": 3})


def test_a_broker_that_is_away_is_waited_for_and_state_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "failed", lambda self, lasted: 0.0)
    row, sent, states = watched(), list[CrawlerMessage](), list[Any]()

    def away_twice(messages: Sequence[CrawlerMessage]) -> None:
        states.append(Source.objects.get(pk=row.pk).listen_state)
        if len(states) < 3:
            raise NotConfirmed("the broker did not confirm")
        sent.extend(messages)

    async def one_post(self: Pushing, emit: Emit) -> None:
        self.state = {"heard": 2}
        await emit([message(Notice(2))], [])
        raise _Done

    listen(one_post, away_twice, row)

    assert [one.id for one in sent] == ["2"]
    assert states == [{}, {}, {}]
    assert row.listen_state == {"heard": 2}


def test_one_bad_item_takes_nobody_along_and_is_told() -> None:
    row, sent = watched(), list[CrawlerMessage]()

    async def one_bad(self: Pushing, emit: Emit) -> None:
        wordless = msgspec.structs.replace(message(Notice(3)), data="")
        await emit([message(Notice(2)), wordless, message(Notice(4))], [])
        raise _Done

    listen(one_bad, sent.extend, row)

    assert [one.id for one in sent] == ["2", "4"]
    assert "1 of 3 dropped; data: is empty" in row.listen_error


def test_a_plugin_that_holds_up_its_event_loop_holds_up_nobody_else() -> None:
    watched()
    blocked, released = threading.Event(), threading.Event()

    async def block(self: Pushing, emit: Emit) -> None:
        blocked.set()
        released.wait()

    Pushing.does = block
    host = Listeners(lambda messages: None)
    host.start()

    async def others() -> dict[str, int]:
        assert await asyncio.to_thread(blocked.wait, 20)
        return host.facts()

    assert asyncio.run(others()) == {"listeners": 1, "listeners_connected": 1}
    released.set()
    host.stop()
    assert host.facts() == {"listeners": 0, "listeners_connected": 0}
    until(lambda: Source.objects.get().listening_since is None)


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [
        (TransientError("cut off"), 0.5, 1.0),
        (NotConfigured("push: is off"), 30, 60),
        (PermanentError("401"), 30, 60),
        (ZeroDivisionError("plugin bug"), 0.5, 1.0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_how_long_it_waits_says_the_error(error: Exception, least: float, most: float) -> None:
    listener = Listener(Wanted("the board", "board", "", ""), Threads(), lambda messages: None)

    assert least <= listener._pause(error, lasted=0) <= most


def test_it_waits_until_the_moment_that_the_other_side_named() -> None:
    listener = Listener(Wanted("the board", "board", "", ""), Threads(), lambda messages: None)
    error = Throttled("slow down", datetime.now(UTC) + timedelta(seconds=900))

    assert 600 <= listener._pause(error, lasted=0) <= 900
