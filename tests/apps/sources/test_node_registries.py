"""Both registries know a node from its first beat to its goodbye."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.sources import node_services
from apps.sources.adapters.consul_registry import ConsulRegistry
from apps.sources.adapters.node_registry import node_registry
from apps.sources.domain.nodes import Heard, Node, Registry, State
from apps.sources.models_config import CrawlerNode
from apps.sources.node_services import DatabaseRegistry
from tests.outside.consul.server import Serving, serving
from tradebot.contracts.errors import InvalidField, NotConfigured, TransientError

pytestmark = pytest.mark.django_db

STARTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
NODE = Node("crawl@one host", "one", ("crawl", "housekeeping"), ("rss", "twitter"), "0.1.0", STARTED)


@pytest.fixture
def consul() -> Iterator[Serving]:
    with serving() as found:
        yield found


@pytest.fixture(params=["database", "consul"])
def registry(request: pytest.FixtureRequest, consul: Serving) -> Registry:
    return node_registry("database" if request.param == "database" else consul.address)


def states(registry: Registry) -> dict[str, State]:
    return {heard.node.name: heard.state(timezone.now()) for heard in registry.nodes()}


# --- what both do ----------------------------------------------------------------------------------------------------


def test_a_registered_node_is_known_with_all_it_says(registry: Registry) -> None:
    registry.register(NODE)
    [heard] = registry.nodes()
    assert heard.node == NODE
    assert abs(timezone.now() - heard.seen_at) < timedelta(seconds=10)
    assert states(registry) == {"crawl@one host": State.ALIVE}


def test_a_beat_is_heard(registry: Registry) -> None:
    registry.register(NODE)
    before = registry.nodes()[0].seen_at
    registry.beat(NODE)
    assert registry.nodes()[0].seen_at > before


def test_a_registry_that_has_forgotten_a_node_learns_of_it_by_its_next_beat(registry: Registry) -> None:
    registry.beat(NODE)
    assert states(registry) == {"crawl@one host": State.ALIVE}


def test_who_says_goodbye_is_no_longer_alive(registry: Registry) -> None:
    registry.register(NODE)
    registry.deregister(NODE)
    assert set(states(registry).values()) <= {State.GONE}


def test_goodbye_twice_is_no_error(registry: Registry) -> None:
    registry.register(NODE)
    registry.deregister(NODE)
    registry.deregister(NODE)


def test_the_goodbye_of_an_earlier_life_does_not_end_the_present_one(registry: Registry) -> None:
    again = dataclasses.replace(NODE, started_at=STARTED + timedelta(minutes=1))
    registry.register(NODE)
    registry.register(again)
    registry.deregister(NODE)
    assert [heard.node for heard in registry.nodes()] == [again]
    assert states(registry) == {"crawl@one host": State.ALIVE}


# --- the database's own ----------------------------------------------------------------------------------------------


def test_silence_is_told_by_the_databases_clock() -> None:
    DatabaseRegistry().register(NODE)
    CrawlerNode.objects.update(seen_at=timezone.now() - timedelta(seconds=20))
    assert states(DatabaseRegistry()) == {"crawl@one host": State.LATE}


def test_nodes_that_are_long_gone_are_forgotten() -> None:
    DatabaseRegistry().register(NODE)
    CrawlerNode.objects.update(seen_at=timezone.now() - timedelta(days=8))
    other = dataclasses.replace(NODE, name="crawl@two")
    DatabaseRegistry().register(other)
    assert list(states(DatabaseRegistry())) == ["crawl@two"]


def test_a_copy_never_goes_back_in_time() -> None:
    now = timezone.now()
    node_services.copy([Heard(NODE, now)])
    node_services.copy([Heard(NODE, now - timedelta(minutes=1))])
    assert CrawlerNode.objects.get().seen_at == now


# --- Consul's own ----------------------------------------------------------------------------------------------------


def test_consul_sees_a_service_with_a_check_that_beats_pass(consul: Serving) -> None:
    node_registry(consul.address).register(NODE)
    _, [entry] = consul.agent.health("tradebot-crawler", passing=True)
    assert entry["Service"]["Tags"] == ["crawl", "housekeeping"]
    assert entry["Service"]["Meta"]["plugins"] == "rss,twitter"


def test_a_silent_node_fails_its_check_and_is_forgotten_by_consul_later(consul: Serving) -> None:
    registry = node_registry(consul.address)
    registry.register(NODE)
    consul.agent.advance(16)
    assert consul.agent.health("tradebot-crawler", passing=True)[1] == []
    [heard] = registry.nodes()
    assert abs(timezone.now() - heard.seen_at) < timedelta(seconds=10)
    registry.beat(NODE)
    assert len(consul.agent.health("tradebot-crawler", passing=True)[1]) == 1
    consul.agent.advance(90)
    assert registry.nodes() == []


def test_an_agent_that_lost_its_data_is_told_again(consul: Serving) -> None:
    registry = node_registry(consul.address)
    registry.register(NODE)
    consul.agent.forget()
    registry.beat(NODE)
    assert [heard.node for heard in registry.nodes()] == [NODE]


def test_what_others_registered_under_our_name_is_left_out(consul: Serving) -> None:
    consul.agent.register({"Name": "tradebot-crawler", "ID": "theirs", "Check": {"TTL": "10s"}})
    consul.agent.register({"Name": "tradebot-crawler", "ID": "odd", "Meta": {"started_at": "yesterday"}})
    registry = node_registry(consul.address)
    registry.register(NODE)
    assert [heard.node for heard in registry.nodes()] == [NODE]


def test_consul_that_is_down_is_a_passing_trouble() -> None:
    with serving() as consul:
        registry = ConsulRegistry("127.0.0.1", consul.port)
    with pytest.raises(TransientError, match="Consul does not answer as it should"):
        registry.beat(NODE)


def test_the_token_comes_by_reference_and_is_shown_nowhere(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_CONSUL_TOKEN", "word-that-nobody-sees")
    settings.CONSUL_TOKEN = "env:MY_CONSUL_TOKEN"
    with serving(token="word-that-nobody-sees") as consul:
        node_registry(consul.address).register(NODE)
        assert consul.seen
        assert "nobody" not in "".join(consul.seen)
        settings.CONSUL_TOKEN = "another"
        with pytest.raises(NotConfigured, match="CONSUL_TOKEN: Consul refuses it") as caught:
            node_registry(consul.address).register(NODE)
        assert "another" not in str(caught.value)


def test_a_token_that_is_not_there_is_named(settings: Any) -> None:
    settings.CONSUL_TOKEN = "env:NO_SUCH_TOKEN"
    with pytest.raises(NotConfigured, match="CONSUL_TOKEN: the environment has no NO_SUCH_TOKEN"):
        node_registry("consul://127.0.0.1:8500")


@pytest.mark.parametrize("address", ["zookeeper://x", "consul://", "consul://host", "consul://user:pw@host:8500", ""])
def test_an_address_that_means_nothing_is_refused_with_the_remedy(settings: Any, address: str) -> None:
    settings.NODE_REGISTRY = address
    with pytest.raises(InvalidField, match="NODE_REGISTRY: must be database, or consul://HOST:PORT"):
        node_registry(address)
