"""A worker says that it lives while its loop turns, whatever becomes of the registry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY

from apps.sources.adapters.node_registry import node_registry
from apps.sources.domain.nodes import Heard, Node, Registry
from apps.sources.models_config import CrawlerNode
from tests.outside.consul.server import Serving, serving
from tests.workers.config.conftest import until
from tradebot.contracts.errors import TransientError
from workers import nodes
from workers.nodes import Announcer

pytestmark = pytest.mark.django_db(transaction=True)


class Fragile:
    """A registry in memory that can be broken."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.broken: Exception | None = None

    def register(self, node: Node) -> None:
        self._note("register")

    def beat(self, node: Node) -> None:
        self._note("beat")

    def deregister(self, node: Node) -> None:
        self._note("deregister")

    def nodes(self) -> Sequence[Heard]:
        return []

    def _note(self, what: str) -> None:
        self.calls.append(what)
        if self.broken:
            raise self.broken


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "BEAT_SECONDS", 0.05)


Announce = Callable[[Callable[[], Registry]], Announcer]


@pytest.fixture
def announce(transactional_db: None) -> Iterator[Announce]:
    started: list[Announcer] = []

    def start(registry: Callable[[], Registry]) -> Announcer:
        node = Node("crawl@one", "one", ("crawl",), ("rss",), "1", datetime.now(UTC))
        started.append(Announcer(node, registry))
        started[-1].start()
        return started[-1]

    yield start
    for announcer in started:
        announcer.stop()


@pytest.fixture
def consul() -> Iterator[Serving]:
    with serving() as found:
        yield found


def failed() -> float:
    return REGISTRY.get_sample_value("tradebot_node_beats_failed_total") or 0.0


def test_a_node_is_in_the_table_from_its_first_beat_to_its_goodbye(announce: Announce) -> None:
    announcer = announce(lambda: node_registry("database"))
    until(lambda: CrawlerNode.objects.filter(name="crawl@one", ended_at=None).exists())
    first = CrawlerNode.objects.get().seen_at
    until(lambda: CrawlerNode.objects.get().seen_at > first)
    announcer.stop()
    assert CrawlerNode.objects.get().ended_at


def test_with_consul_the_table_holds_a_copy(announce: Announce, consul: Serving) -> None:
    announcer = announce(lambda: node_registry(consul.address))
    until(lambda: CrawlerNode.objects.filter(name="crawl@one", ended_at=None).exists())
    assert len(consul.agent.health("tradebot-crawler", passing=True)[1]) == 1
    announcer.stop()
    assert consul.agent.health("tradebot-crawler", passing=False)[1] == []
    assert CrawlerNode.objects.get().ended_at


def test_consul_that_comes_back_without_its_data_is_told_again(announce: Announce, consul: Serving) -> None:
    announce(lambda: node_registry(consul.address))
    until(lambda: consul.agent.health("tradebot-crawler", passing=True)[1])
    consul.agent.forget()
    until(lambda: consul.agent.health("tradebot-crawler", passing=True)[1])


def test_a_worker_whose_loop_stands_still_is_not_said_to_live(
    announce: Announce, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "PULSE_SECONDS", 0.2)
    registry = Fragile()
    announcer = announce(lambda: registry)
    announcer.pulse()
    until(lambda: time.monotonic() - (announcer._pulse or 0) > 0.3)
    silent = len(registry.calls)
    some_rounds(4)
    assert len(registry.calls) == silent
    announcer.pulse()
    until(lambda: len(registry.calls) > silent)


def some_rounds(count: int) -> None:
    """Time in which a living announcer beats so often."""
    began = time.monotonic()
    until(lambda: time.monotonic() - began > count * nodes.BEAT_SECONDS)


@pytest.mark.parametrize("error", [TransientError("it is down"), ZeroDivisionError()])
def test_a_registry_that_fails_is_tried_again(announce: Announce, error: Exception) -> None:
    registry, before = Fragile(), failed()
    registry.broken = error
    announce(lambda: registry)
    until(lambda: len(registry.calls) > 3)
    assert set(registry.calls) == {"register"}
    assert failed() > before
    registry.broken = None
    until(lambda: registry.calls[-1] == "beat")


def test_an_address_that_means_nothing_ends_no_worker(announce: Announce, settings: Any) -> None:
    before = failed()
    announcer = announce(lambda: node_registry("zookeeper://x"))
    until(lambda: failed() > before + 1)
    assert announcer.is_alive()
    announcer.stop()
    assert not announcer.is_alive()


def test_goodbye_does_not_wait_for_a_registry_that_hangs(announce: Announce, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "GOODBYE_SECONDS", 0.2)
    registry = Fragile()
    announcer = announce(lambda: registry)
    until(lambda: registry.calls)
    monkeypatch.setattr(registry, "deregister", lambda node: time.sleep(1))
    began = time.monotonic()
    announcer.stop()
    assert time.monotonic() - began < 0.9
