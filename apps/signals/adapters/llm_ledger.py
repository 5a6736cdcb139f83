"""What the LLM has answered already, and what may still be asked of it today: in Valkey, for all workers together."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from redis import RedisError

from apps.signals.adapters.llm_answers import LLMError
from apps.signals.adapters.llm_config import LLMConfig
from tradebot import valkey

log = structlog.get_logger(__name__)

PREFIX = "tradebot:llm"
ANSWERS_KEPT = 7 * 86_400
"""Seconds."""
COUNTERS_KEPT = 2 * 86_400
REMEMBERED = 500
"""Answers in this process's memory, in front of Valkey's."""

_RESERVE = """
for place = 1, 4 do
  local used = tonumber(redis.call('GET', KEYS[place]) or '0')
  local more = place % 2 == 1 and 1 or tonumber(ARGV[5])
  if used + more > tonumber(ARGV[place]) then return place end
end
for place = 1, 4 do
  redis.call('INCRBY', KEYS[place], place % 2 == 1 and 1 or ARGV[5])
  redis.call('EXPIRE', KEYS[place], ARGV[6])
end
return 0
"""


class Spent(LLMError):
    """A budget of today is used up."""


class Ledger:
    """Requests and tokens by day (UTC) and source, and answers by content. Safe for several threads.

    Without Valkey nothing is asked: nobody would count. Answers that this process remembers still serve.
    """

    def __init__(self, config: LLMConfig, today: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._config = config
        self._today = today
        self._recent: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def reserve(self, source: str, tokens: int) -> None:
        """Count one request and `tokens`; raises Spent naming the budget, LLMError where nobody can count."""
        limits = (
            *(self._config.daily_requests, self._config.daily_tokens),
            *(self._config.daily_requests_per_source, self._config.daily_tokens_per_source),
        )
        try:
            full = _client().eval(_RESERVE, 4, *self._counters(source), *limits, tokens, COUNTERS_KEPT)
        except RedisError as error:
            raise LLMError(f"Valkey can't count its requests ({type(error).__name__}), so none is made") from None
        if full:
            what = "requests" if int(full) % 2 else "tokens"
            whose = "" if int(full) <= 2 else f" for {source}"
            raise Spent(f"today's budget of {limits[int(full) - 1]} {what}{whose} is spent")

    def settle(self, source: str, difference: int) -> None:
        """Correct today's tokens by what a request really cost beyond its reservation (negative: less)."""
        _, everybody, _, alone = self._counters(source)
        try:
            pipe = _client().pipeline(transaction=False)
            for key in (everybody, alone):
                pipe.incrby(key, difference)
                pipe.expire(key, COUNTERS_KEPT)
            pipe.execute()
        except RedisError as error:
            # The reservation stays, which was at least as much in nearly every case.
            log.warning("llm_tokens_not_settled", reason=type(error).__name__)

    def recall(self, key: str) -> bytes | None:
        """The answer kept under `key`, if there is one."""
        with self._lock:
            if known := self._recent.get(key):
                self._recent.move_to_end(key)
                return known
        try:
            found: bytes | None = _client().get(f"{PREFIX}:answer:{key}")
        except RedisError:
            return None
        return found

    def keep(self, key: str, answer: bytes) -> None:
        """Remember `answer` under `key`, here and for all workers."""
        with self._lock:
            self._recent[key] = answer
            while len(self._recent) > REMEMBERED:
                self._recent.popitem(last=False)
        try:
            _client().set(f"{PREFIX}:answer:{key}", answer, ex=ANSWERS_KEPT)
        except RedisError as error:
            log.warning("llm_answer_not_kept", reason=type(error).__name__)

    def _counters(self, source: str) -> tuple[str, str, str, str]:
        day = f"{PREFIX}:{self._today():%Y-%m-%d}"
        whose = hashlib.sha256(source.encode()).hexdigest()[:16]
        return f"{day}:requests", f"{day}:tokens", f"{day}:requests:{whose}", f"{day}:tokens:{whose}"


def content_key(prompt: str, model: str, text: str) -> str:
    """One key for one question to one model."""
    return hashlib.sha256("\0".join((prompt, model, text)).encode()).hexdigest()


def _client() -> Any:
    return valkey.client()
