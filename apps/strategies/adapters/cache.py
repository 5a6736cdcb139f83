"""The strategies a worker matches: a bounded LRU in the process, over Redis, over the database."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Iterable
from functools import lru_cache
from threading import Lock
from typing import Any, Protocol, cast
from uuid import UUID

import structlog
from django.conf import settings
from prometheus_client import Counter
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from apps.strategies import selectors
from apps.strategies.domain.matching import ActiveStrategy
from apps.strategies.domain.spec import parse_spec
from apps.strategies.selectors import VersionView
from tradebot.contracts.errors import InvalidField

log = structlog.get_logger(__name__)

Key = tuple[UUID, int]
"""A strategy's id and version. A save makes a new version, so no entry ever has to be declared invalid."""

SIZE = 10_000
KEPT_SECONDS = 24 * 3600
PATIENCE_SECONDS = 0.25
"""For Redis: the database knows the same, only slower."""

FOUND = Counter("tradebot_strategy_cache_total", "Strategies by where a worker found them.", ["found_in"])


class Shared(Protocol):
    """What the cache needs of Redis."""

    def mget(self, keys: list[str]) -> Any: ...
    def pipeline(self, transaction: bool) -> Any: ...


class HotStrategies:
    """At most `size` parsed strategies, one version of each; the least recently asked for goes first."""

    def __init__(self, shared: Shared, size: int = SIZE) -> None:
        self._shared = shared
        self._size = size
        self._kept: OrderedDict[UUID, ActiveStrategy] = OrderedDict()
        self._lock = Lock()

    def load(self, keys: Collection[Key]) -> list[ActiveStrategy]:
        """These versions, in the order asked for. One that can't be found or read any more is left out."""
        found = self._remembered(keys)
        missing = [key for key in keys if key[0] not in found]
        for strategy in self._fetch(missing) if missing else ():
            found[strategy.id] = strategy
            self._remember(strategy)
        return [found[strategy_id] for strategy_id, _ in keys if strategy_id in found]

    def _remembered(self, keys: Iterable[Key]) -> dict[UUID, ActiveStrategy]:
        found = {}
        with self._lock:
            for strategy_id, version in keys:
                strategy = self._kept.get(strategy_id)
                if strategy and strategy.version == version:
                    self._kept.move_to_end(strategy_id)
                    found[strategy_id] = strategy
        FOUND.labels("memory").inc(len(found))
        return found

    def _remember(self, strategy: ActiveStrategy) -> None:
        with self._lock:
            self._kept[strategy.id] = strategy
            self._kept.move_to_end(strategy.id)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def _fetch(self, keys: list[Key]) -> list[ActiveStrategy]:
        shared = self._from_redis(keys)
        left = [key for key in keys if key not in shared]
        stored = {(row.strategy_id, row.number): row for row in selectors.versions(left)} if left else {}
        self._to_redis(stored.values())
        FOUND.labels("redis").inc(len(shared))
        FOUND.labels("database").inc(len(stored))
        return [strategy for row in (shared | stored).values() if (strategy := _parsed(row))]

    def _from_redis(self, keys: list[Key]) -> dict[Key, VersionView]:
        try:
            answers = self._shared.mget([_name(key) for key in keys])
        except RedisError as error:
            log.warning("strategies.cache_without_redis", reason=type(error).__name__)
            return {}
        rows = {key: _read(key, answer) for key, answer in zip(keys, answers, strict=True) if answer}
        return {key: row for key, row in rows.items() if row}

    def _to_redis(self, rows: Collection[VersionView]) -> None:
        if not rows:
            return
        try:
            with self._shared.pipeline(transaction=False) as pipe:
                for row in rows:
                    said = json.dumps({"user_id": str(row.user_id), "spec": row.spec})
                    pipe.set(_name((row.strategy_id, row.number)), said, ex=KEPT_SECONDS)
                pipe.execute()
        except RedisError as error:
            log.warning("strategies.cache_without_redis", reason=type(error).__name__)


@lru_cache(maxsize=1)
def hot() -> HotStrategies:
    """This process's cache, over settings.REDIS_URL."""
    once = Retry(NoBackoff(), 0)
    patience = {"socket_timeout": PATIENCE_SECONDS, "socket_connect_timeout": PATIENCE_SECONDS}
    return HotStrategies(cast(Shared, Redis.from_url(settings.REDIS_URL, retry=once, **patience)))


def _name(key: Key) -> str:
    return f"tradebot:strategy:{key[0]}:{key[1]}"


def _read(key: Key, answer: bytes) -> VersionView | None:
    try:
        said = json.loads(answer)
        return VersionView(*key, user_id=UUID(said["user_id"]), spec=said["spec"])
    except (ValueError, KeyError, TypeError):
        return None


def _parsed(row: VersionView) -> ActiveStrategy | None:
    try:
        return ActiveStrategy(row.strategy_id, row.user_id, row.number, parse_spec(row.spec))
    except InvalidField as error:
        log.error("strategies.unreadable", strategy_id=str(row.strategy_id), version=row.number, reason=str(error))
        return None
