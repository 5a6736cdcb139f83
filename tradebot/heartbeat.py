"""Signs of life of processes that no queue or port tells of: kept in Valkey for a few seconds."""

from __future__ import annotations

import json
import time
from typing import Any

import redis
from django.conf import settings

SECONDS = 15.0
"""A process that said nothing for so long is not there."""

ANSWER_SECONDS = 2.0


def beat(kind: str, name: str, facts: dict[str, Any]) -> None:
    """Say that the process `name` lives, and `facts` about it (counts, no secrets). Raises redis.RedisError."""
    with _client() as client:
        client.hset(_key(kind), name, json.dumps({**facts, "at": time.time()}))
        client.expire(_key(kind), int(SECONDS * 4))


def end(kind: str, name: str) -> None:
    """The process `name` ends on purpose."""
    with _client() as client:
        client.hdel(_key(kind), name)


def alive(kind: str) -> dict[str, dict[str, Any]]:
    """What each living process of that kind last said, by its name, `age_s` seconds ago. Raises redis.RedisError."""
    with _client() as client:
        said: Any = client.hgetall(_key(kind))
    found = {name.decode(): _read(text) for name, text in said.items()}
    return {name: facts for name, facts in sorted(found.items()) if facts["age_s"] <= SECONDS}


def _read(text: bytes) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(text)
    said_at = facts.pop("at")
    return {**facts, "age_s": round(time.time() - said_at, 1)}


def _key(kind: str) -> str:
    return f"tradebot:alive:{kind}"


def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=ANSWER_SECONDS, socket_timeout=ANSWER_SECONDS
    )
