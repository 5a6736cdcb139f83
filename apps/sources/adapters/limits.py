"""What other people's services let us ask, shared by all workers through Valkey: nobody asks before the reset."""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from redis.exceptions import NoScriptError, RedisError

from tradebot import valkey
from tradebot.contracts.errors import Throttled

_log = structlog.get_logger(__name__)

DOWN_SECONDS = 1.0
"""After a failure Valkey is left alone for so long."""
RESET_MARGIN_MS = 1_000
"""The other side's clock, in whole seconds, may be a little behind ours."""
LONGEST_MS = 24 * 3600 * 1000
_FIRST_WAIT_MS = 60_000
_LONGEST_WAIT_MS = 15 * 60_000
_STRIKES_FORGOTTEN_MS = 3600 * 1000
_LOCAL_SHARE = 10
"""Without Valkey a process leaves this part of a limit to the others: a tenth."""

_TAKE = """
local told = redis.call('HMGET', KEYS[1], 'remaining', 'reset')
if not told[1] then return {1, -1, 0} end
if tonumber(told[2]) <= tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1])
  return {1, -1, 0}
end
if tonumber(told[1]) <= 0 then return {0, 0, tonumber(told[2])} end
return {1, redis.call('HINCRBY', KEYS[1], 'remaining', -1), tonumber(told[2])}
"""
_NOTE = """
local told = redis.call('HMGET', KEYS[1], 'remaining', 'reset')
local remaining, reset = tonumber(ARGV[1]), tonumber(ARGV[2])
if told[1] and tonumber(told[2]) > reset then return 0 end
if told[1] and tonumber(told[2]) == reset and tonumber(told[1]) < remaining then return 0 end
redis.call('HSET', KEYS[1], 'remaining', remaining, 'reset', reset)
redis.call('PEXPIREAT', KEYS[1], reset)
return 1
"""
_STRIKE = """
local count = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return count
"""


@dataclass(slots=True)
class _Known:
    """`reset`: milliseconds since 1970. `limit` of the whole window, 0 where it was not told."""

    remaining: int
    reset: int
    limit: int = 0


class SharedLimits:
    """The limits of one credential at one service, by endpoint; `limits_of` gives it. Safe to use from several threads.

    What the service told last is what counts: `remaining` requests until `reset`. Every request of every worker takes
    one off before it is sent. Without Valkey each process goes on with what it was told itself, and leaves a tenth of
    the limit to the others.
    """

    def __init__(self, service: str, digest: str) -> None:
        self._place = f"tradebot:limit:{service}:{digest}"
        self._known: dict[str, _Known] = {}
        self._strikes: dict[str, int] = {}
        self._down_until = 0.0
        self._lock = threading.Lock()

    def ask(self, endpoint: str) -> None:
        """Take one request. Raises Throttled, with the moment of the reset, when none is left."""
        now = valkey.now_ms()
        answer = self._script(_TAKE, f"{self._place}:{endpoint}", now)
        if answer is None:
            self._ask_alone(endpoint, now)
        elif not answer[0]:
            raise _throttled(endpoint, int(answer[2]))

    def note(self, endpoint: str, *, remaining: int, reset: float, limit: int = 0) -> None:
        """What the service told: `reset` in seconds since 1970. Within one window `remaining` only falls: requests of
        others may be under way that it has not counted."""
        until = _bounded(int(reset * 1000) + RESET_MARGIN_MS)
        with self._lock:
            known = self._known.get(endpoint)
            if known is None or known.reset < until:
                self._known[endpoint] = _Known(remaining, until, limit)
            elif known.reset == until:
                known.remaining = min(known.remaining, remaining)
        self._script(_NOTE, f"{self._place}:{endpoint}", max(0, remaining), until)

    def refused(self, endpoint: str, reset: float | None = None) -> Throttled:
        """The service said that it was asked too often. Without a `reset` that lies ahead (seconds since 1970) the
        wait is a minute, and twice as long with every refusal of the last hour, up to 15 minutes."""
        now = valkey.now_ms()
        until = _bounded(int((reset or 0) * 1000) + RESET_MARGIN_MS)
        if until <= now:
            until = now + min(_LONGEST_WAIT_MS, _FIRST_WAIT_MS * 2 ** (self._strike(endpoint) - 1))
        self._hold(endpoint, until)
        return _throttled(endpoint, until)

    def hold(self, endpoint: str, seconds: float) -> Throttled:
        """Nobody asks for so long: the service named the wait itself."""
        until = _bounded(valkey.now_ms() + int(seconds * 1000))
        self._hold(endpoint, until)
        return _throttled(endpoint, until)

    def _hold(self, endpoint: str, until: int) -> None:
        with self._lock:
            known = self._known.get(endpoint)
            if known is None or known.reset <= until:
                self._known[endpoint] = _Known(0, until, known.limit if known else 0)
        self._script(_NOTE, f"{self._place}:{endpoint}", 0, until)

    def _strike(self, endpoint: str) -> int:
        count = self._script(_STRIKE, f"{self._place}:strikes:{endpoint}", _STRIKES_FORGOTTEN_MS)
        with self._lock:
            self._strikes[endpoint] = int(count or self._strikes.get(endpoint, 0) + 1)
            return min(self._strikes[endpoint], 10)

    def _ask_alone(self, endpoint: str, now: int) -> None:
        with self._lock:
            known = self._known.get(endpoint)
            if known is None or known.reset <= now:
                return
            if known.remaining <= known.limit // _LOCAL_SHARE:
                raise _throttled(endpoint, known.reset)
            known.remaining -= 1

    def _script(self, script: str, key: str, *arguments: int) -> Any:
        """Its answer, or None without Valkey."""
        if time.monotonic() < self._down_until:
            return None
        client: Any = valkey.client()
        try:
            try:
                return client.evalsha(_sha(script), 1, key, *arguments)
            except NoScriptError:
                return client.eval(script, 1, key, *arguments)
        except RedisError as error:
            self._down_until = time.monotonic() + DOWN_SECONDS
            _log.warning("limits without valkey", error=type(error).__name__)
            return None


def limits_of(service: str, credential: str) -> SharedLimits:
    """This process's view of a credential's limits at `service`; the credential itself is not kept."""
    return _limits_of(service, hashlib.sha256(credential.encode()).hexdigest()[:16])


@functools.lru_cache(maxsize=256)
def _limits_of(service: str, digest: str) -> SharedLimits:
    return SharedLimits(service, digest)


def read_limit(headers: Mapping[str, str]) -> tuple[int, int, int] | None:
    """limit, remaining and reset (seconds since 1970) of an answer's `x-rate-limit-*` headers; None without them."""
    told = [headers.get(f"x-rate-limit-{name}", "") for name in ("limit", "remaining", "reset")]
    if not all(value.isascii() and value.isdigit() and len(value) < 16 for value in told):
        return None
    limit, remaining, reset = map(int, told)
    return limit, remaining, reset


def _bounded(until: int) -> int:
    return min(until, valkey.now_ms() + LONGEST_MS)


def _throttled(endpoint: str, until: int) -> Throttled:
    moment = datetime.fromtimestamp(until / 1000, UTC)
    return Throttled(f"{endpoint}: the limit is reached until {moment:%Y-%m-%d %H:%M:%S} UTC", moment)


def _sha(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
