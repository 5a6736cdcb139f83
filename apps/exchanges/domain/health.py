"""Whether a venue can be relied on just now: its measured latency and errors, and the circuit breaker they drive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

ALPHA = 10
"""Per cent that one observation weighs in a running mean."""

OPEN_AFTER = 5
"""Failures in a row, of all workers together, that open the breaker."""

FIRST_MS, LONGEST_MS = 5_000, 120_000
STALE_MS = 120_000
"""A venue nobody asked for so long is not known to be well."""

PER_MILLE = 1_000


class Breaker(StrEnum):
    """closed: all go. open: entries and prices are refused. half_open: one of them at a time may try."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Observation:
    """One request: how long it took, and why it failed if the venue did not answer, or only that it can't."""

    at_ms: int
    latency_ms: int
    failure: str = ""
    maintenance: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a venue. `errors`: running share of failures in 1/1000. Times are milliseconds since 1970."""

    latency_ms: int = 0
    errors: int = 0
    in_a_row: int = 0
    open_until_ms: int = 0
    opened: int = 0
    since_ms: int = 0
    answered_at_ms: int = 0
    observed: int = 0
    maintenance: bool = False
    why: str = ""

    def breaker(self, now_ms: int) -> Breaker:
        if not self.opened:
            return Breaker.CLOSED
        return Breaker.OPEN if now_ms < self.open_until_ms else Breaker.HALF_OPEN

    def is_fresh(self, now_ms: int) -> bool:
        """Whether it answered lately."""
        return now_ms - self.answered_at_ms < STALE_MS


def observe(health: Health, seen: Observation) -> Health:
    """What is known after one more request. A success closes the breaker; OPEN_AFTER failures in a row open it, and
    each failed trial doubles the time until the next."""
    return _failed(health, seen) if seen.failure else _answered(health, seen)


def _answered(health: Health, seen: Observation) -> Health:
    latency = _mean(health.latency_ms, seen.latency_ms) if health.answered_at_ms else seen.latency_ms
    return replace(
        health,
        latency_ms=latency,
        errors=_mean(health.errors, 0),
        in_a_row=0,
        open_until_ms=0,
        opened=0,
        since_ms=seen.at_ms if health.opened or not health.since_ms else health.since_ms,
        answered_at_ms=max(seen.at_ms, health.answered_at_ms),
        observed=health.observed + 1,
        maintenance=False,
        why="",
    )


def _failed(health: Health, seen: Observation) -> Health:
    failed = replace(
        health,
        errors=_mean(health.errors, PER_MILLE),
        in_a_row=health.in_a_row + 1,
        observed=health.observed + 1,
        maintenance=seen.maintenance,
        why=seen.failure[:200],
        since_ms=health.since_ms or seen.at_ms,
    )
    trips = failed.in_a_row >= OPEN_AFTER or seen.maintenance or health.opened
    return _open(failed, seen.at_ms) if trips and failed.breaker(seen.at_ms) is not Breaker.OPEN else failed


def _open(health: Health, now_ms: int) -> Health:
    lasts = min(FIRST_MS << min(health.opened, 10), LONGEST_MS)
    since = health.since_ms if health.opened else now_ms
    return replace(health, opened=health.opened + 1, open_until_ms=now_ms + lasts, since_ms=since)


def _mean(before: int, seen: int) -> int:
    return (before * (100 - ALPHA) + seen * ALPHA) // 100
