"""The one short-tempered connection to Valkey for what workers share: budgets, breakers, snapshots, health."""

from __future__ import annotations

import time
from functools import lru_cache

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENCE_MS = 250
"""An order waits for this at most: without Valkey there are rules of our own."""


@lru_cache(maxsize=4)
def _client(url: str) -> Redis:
    patience = PATIENCE_MS / 1_000
    return Redis.from_url(url, socket_timeout=patience, socket_connect_timeout=patience, retry=Retry(NoBackoff(), 0))


def client() -> Redis:
    """This process's connections to settings.REDIS_URL; raises redis.RedisError at use, within PATIENCE_MS."""
    return _client(settings.REDIS_URL)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
