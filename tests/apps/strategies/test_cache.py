"""Where a worker finds its strategies: in memory, in Redis, in the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from prometheus_client import REGISTRY
from pytest_django import DjangoAssertNumQueries
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoRedis
from redis.retry import Retry

from apps.accounts.models import User
from apps.strategies import services
from apps.strategies.adapters.cache import HotStrategies
from tests.unit.strategies.factories import DESIGN_EXAMPLE

pytestmark = pytest.mark.django_db


@pytest.fixture
def redis() -> Iterator[Any]:
    client = Redis.from_url(settings.REDIS_URL)
    yield client
    client.close()


@pytest.fixture
def nowhere() -> Any:
    """A Redis that refuses every connection: nobody listens on port 1."""
    return Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))


def found_in(place: str) -> float:
    return REGISTRY.get_sample_value("tradebot_strategy_cache_total", {"found_in": place}) or 0


def saved(user: User, **changes: Any) -> tuple[UUID, int]:
    made = services.create(user_id=user.pk, raw={**DESIGN_EXAMPLE, **changes})
    return made.id, made.version


def test_a_strategy_is_read_once_and_then_remembered(
    alice: User, redis: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    key, cache = saved(alice), HotStrategies(redis)
    before = found_in("memory")
    with django_assert_num_queries(1):
        first = cache.load([key])
    with django_assert_num_queries(0):
        assert cache.load([key]) == first
    assert (first[0].id, first[0].user_id, first[0].version) == (key[0], alice.pk, 1)
    assert found_in("memory") == before + 1


def test_another_worker_finds_it_in_redis(
    alice: User, redis: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    key = saved(alice)
    first = HotStrategies(redis).load([key])
    before = found_in("redis")
    with django_assert_num_queries(0):
        assert HotStrategies(redis).load([key]) == first
    assert found_in("redis") == before + 1


def test_what_redis_keeps_ends_by_itself(alice: User, redis: Any) -> None:
    key = saved(alice)
    HotStrategies(redis).load([key])
    assert 0 < redis.ttl(f"tradebot:strategy:{key[0]}:{key[1]}") <= 24 * 3600


def test_a_save_is_seen_at_once(alice: User, redis: Any) -> None:
    key, cache = saved(alice), HotStrategies(redis)
    cache.load([key])
    services.update(strategy_id=key[0], changes={"min_confidence": 0.9}, author_id=alice.pk)
    (strategy,) = cache.load([(key[0], 2)])
    assert (strategy.version, strategy.spec.min_confidence) == (2, 0.9)


def test_memory_is_bounded_and_forgets_the_least_used(
    alice: User, redis: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    one, two, three = (saved(alice) for _ in range(3))
    cache = HotStrategies(redis, size=2)
    cache.load([one, two])
    cache.load([one])
    cache.load([three])
    before = found_in("redis")
    cache.load([one, three])
    assert found_in("redis") == before
    cache.load([two])
    assert found_in("redis") == before + 1


def test_a_save_takes_no_second_place_in_memory(alice: User, redis: Any) -> None:
    key, other = saved(alice), saved(alice)
    cache = HotStrategies(redis, size=2)
    cache.load([key, other])
    services.update(strategy_id=key[0], changes={"min_confidence": 0.9}, author_id=alice.pk)
    cache.load([(key[0], 2)])
    before = found_in("memory")
    cache.load([other, (key[0], 2)])
    assert found_in("memory") == before + 2


def test_without_redis_the_database_answers(alice: User, nowhere: Any) -> None:
    with pytest.raises(NoRedis):
        nowhere.ping()
    key = saved(alice)
    assert [strategy.id for strategy in HotStrategies(nowhere).load([key])] == [key[0]]


@pytest.mark.parametrize("rubbish", ["", "{", "[]", '{"user_id": "me", "spec": {}}', "\x00"])
def test_rubbish_in_redis_is_not_believed(alice: User, redis: Any, rubbish: str) -> None:
    key = saved(alice)
    redis.set(f"tradebot:strategy:{key[0]}:{key[1]}", rubbish, ex=60)
    assert [strategy.user_id for strategy in HotStrategies(redis).load([key])] == [alice.pk]


def test_what_is_not_there_is_left_out_and_the_order_kept(alice: User, redis: Any) -> None:
    one, two = saved(alice), saved(alice)
    no_such_version = (saved(alice)[0], 7)
    loaded = HotStrategies(redis).load([two, (uuid4(), 1), no_such_version, one])
    assert [strategy.id for strategy in loaded] == [two[0], one[0]]
