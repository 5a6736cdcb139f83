"""What this process sees of a venue's health, and the shared record that all of them make together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import reduce
from typing import Any

import structlog
from prometheus_client import Gauge
from redis.exceptions import RedisError, WatchError

from apps.exchanges.domain.health import LONGEST_MS, Breaker, Health, Observation, observe
from apps.exchanges.domain.wire import health_key, pack_health, read_health
from apps.exchanges.selectors import VenueInfo
from tradebot import valkey

EVERY_MS = 1_000
"""Successes are told this often: one record a second and process, never between a command and its order."""

MOST = 1_000
TRIES = 3
KEPT_MS = 7 * 24 * 3_600_000

LATENCY = Gauge(
    "tradebot_venue_latency_ms", "Running mean of a request's time.", ["venue"], multiprocess_mode="mostrecent"
)
ERRORS = Gauge(
    "tradebot_venue_errors_per_mille", "Running share of failed requests.", ["venue"], multiprocess_mode="mostrecent"
)
BREAKER = Gauge("tradebot_venue_breaker", "0 closed, 1 half open, 2 open.", ["venue"], multiprocess_mode="mostrecent")
_NUMBER = {Breaker.CLOSED: 0, Breaker.HALF_OPEN: 1, Breaker.OPEN: 2}

log = structlog.get_logger(__name__)


def breaker_keys(scope: str) -> list[str]:
    """While it is open; until a success closes it; while one request tries."""
    return [f"tradebot:breaker:{kind}:{scope}" for kind in ("open", "tripped", "trial")]


class Watch:
    """One venue's health as far as this process adds to it."""

    def __init__(self, venue: VenueInfo) -> None:
        self.venue = venue
        self._lock = threading.Lock()
        self._seen: list[Observation] = []
        self._told_at = 0

    def note(self, seen: Observation, *, at_once: bool = False) -> None:
        """Add a request. Failures, and the trial of an open breaker, are told at once, successes once a second."""
        with self._lock:
            self._seen = [*self._seen[-MOST:], seen]
            if not (at_once or seen.failure or seen.at_ms - self._told_at >= EVERY_MS):
                return
            news, self._seen, self._told_at = self._seen, [], seen.at_ms
        try:
            self._tell(news, seen.at_ms)
        except RedisError as error:
            log.info("health.without_valkey", venue=self.venue.name, error=type(error).__name__)

    def _tell(self, news: Sequence[Observation], now_ms: int) -> None:
        key = health_key(self.venue.scope)
        record: Any = valkey.client().pipeline()
        with record as pipe:
            for _ in range(TRIES):
                try:
                    pipe.watch(key)
                    before = read_health(pipe.get(key))
                    after = reduce(observe, news, before)
                    pipe.multi()
                    pipe.set(key, pack_health(after), px=KEPT_MS)
                    _switch(pipe, self.venue.scope, before, after, now_ms)
                    pipe.execute()
                except WatchError:
                    continue
                _show(self.venue.name, before, after, now_ms)
                return


def _switch(pipe: Any, scope: str, before: Health, after: Health, now_ms: int) -> None:
    """Bring the keys that the gate reads in line with the breaker."""
    opened, tripped, trial = breaker_keys(scope)
    if after.breaker(now_ms) is Breaker.OPEN and after.open_until_ms != before.open_until_ms:
        pipe.set(opened, after.why or "it fails", px=after.open_until_ms - now_ms)
        pipe.set(tripped, "1", px=LONGEST_MS * 2)
        pipe.delete(trial)
    elif before.opened and not after.opened:
        pipe.delete(opened, tripped, trial)


def _show(venue: str, before: Health, after: Health, now_ms: int) -> None:
    LATENCY.labels(venue).set(after.latency_ms)
    ERRORS.labels(venue).set(after.errors)
    BREAKER.labels(venue).set(_NUMBER[after.breaker(now_ms)])
    if after.opened > before.opened:
        log.warning("venue.breaker_opened", venue=venue, why=after.why, until_ms=after.open_until_ms)
    elif before.opened and not after.opened:
        log.info("venue.breaker_closed", venue=venue)
