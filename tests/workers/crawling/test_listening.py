"""Sources that push, heard by real `manage.py streams` processes: published, stored, taken over."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from apps.sources import services
from apps.sources.models import Post, Source
from tests.workers.crawling.conftest import Process, Start, kill, watched
from tests.workers.crawling.exchange import Exchange
from tests.workers.streams.conftest import until
from tradebot import heartbeat
from tradebot.contracts.messages import CrawlerMessage, from_wire

pytestmark = pytest.mark.django_db(transaction=True)
PUSH = {"api_token": "env:NOTICES_TOKEN", "push": True}
TAKEN_OVER_SECONDS = 15


@pytest.fixture
def listen(start: Start, broker: Any) -> Callable[[], Process]:
    return lambda: start(sys.executable, "manage.py", "streams")


@pytest.fixture
def heard(broker: Any) -> Callable[[], list[str]]:
    """Ids of all that arrived until now, recorded as the clean stage does."""
    ids: list[str] = []

    def look() -> list[str]:
        for body in broker.bodies("clean"):
            messages = [from_wire(CrawlerMessage, item) for item in body]
            services.record_posts(messages)
            ids.extend(message.id for message in messages)
        return ids

    return look


def listeners_of(processes: Iterable[int]) -> dict[int, int]:
    """How many sources each of these streams processes says it listens to, by its pid."""
    said = {int(name.rpartition(":")[2]): facts for name, facts in heartbeat.alive("streams").items()}
    return {pid: said[pid]["listeners_connected"] for pid in processes if pid in said}


def told(row: Source) -> Source:
    row.refresh_from_db()
    return row


def test_what_is_pushed_is_published_and_what_is_withdrawn_noted(
    exchange: Exchange, listen: Callable[[], Process], heard: Callable[[], list[str]]
) -> None:
    row = watched(exchange, config=PUSH)
    watched(exchange, name="broken", kind="in_listen", config={})
    watched(exchange, name="silent", config=PUSH | {"push": False})
    listen()
    until(lambda: exchange.listeners, 60)

    exchange.push_notice(7)
    assert until(lambda: heard() == ["7"]) < 2
    exchange.push_notice(7, withdrawn=True)
    until(lambda: Post.objects.get().deleted_at)

    assert told(row).listening_since
    until(lambda: "bug in listen" in Source.objects.get(name="broken").listen_error)
    until(lambda: "push: is off" in Source.objects.get(name="silent").listen_error)


def test_a_connection_that_ends_is_made_again_and_its_end_explained(
    exchange: Exchange, listen: Callable[[], Process], heard: Callable[[], list[str]]
) -> None:
    row = watched(exchange, config=PUSH)
    listen()
    until(lambda: exchange.listeners, 60)

    [first] = exchange.listeners
    exchange.push("no notice")
    until(lambda: "what is no notice" in told(row).listen_error)
    until(lambda: [each for each in exchange.listeners if each is not first])
    exchange.push_notice(8)

    until(lambda: heard() == ["8"])
    until(lambda: told(row).listen_error == "")


def test_one_process_listens_and_another_takes_over_when_it_is_killed(
    exchange: Exchange, listen: Callable[[], Process], heard: Callable[[], list[str]]
) -> None:
    watched(exchange, config=PUSH)
    processes = {process.pid: process for process in (listen(), listen())}
    until(lambda: sorted(listeners_of(processes).values()) == [0, 1], 60)
    until(lambda: exchange.listeners)
    assert len(exchange.asked) == 1
    [at_work] = [pid for pid, count in listeners_of(processes).items() if count]
    [first] = exchange.listeners

    kill(processes[at_work])
    assert until(lambda: [each for each in exchange.listeners if each is not first]) < TAKEN_OVER_SECONDS
    exchange.push_notice(9)

    until(lambda: heard() == ["9"])


def test_a_source_that_is_switched_off_is_listened_to_no_longer(
    exchange: Exchange, listen: Callable[[], Process]
) -> None:
    row = watched(exchange, config=PUSH)
    listen()
    until(lambda: exchange.listeners, 60)

    Source.objects.update(enabled=False)

    until(lambda: not exchange.listeners)
    until(lambda: told(row).listening_since is None)
