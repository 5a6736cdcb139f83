"""The circuit breaker: failures in a row open it, one trial at a time after a while, a success closes it."""

from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from apps.exchanges.domain.health import (
    FIRST_MS,
    LONGEST_MS,
    OPEN_AFTER,
    PER_MILLE,
    STALE_MS,
    Breaker,
    Health,
    Observation,
    observe,
)

NOW = 1_700_000_000_000


def well(at: int = NOW, latency: int = 50) -> Observation:
    return Observation(at, latency)


def ill(at: int = NOW) -> Observation:
    return Observation(at, 10_000, "HTTP 503")


def after(*seen: Observation) -> Health:
    return reduce(observe, seen, Health())


def test_it_stays_closed_as_long_as_somebody_gets_an_answer() -> None:
    almost = [ill()] * (OPEN_AFTER - 1)

    assert after(*almost, well(), *almost).breaker(NOW) is Breaker.CLOSED


def test_failures_in_a_row_open_it_and_say_why() -> None:
    health = after(*[ill()] * OPEN_AFTER)

    assert health.breaker(NOW) is Breaker.OPEN
    assert (health.since_ms, health.why) == (NOW, "HTTP 503")


def test_after_a_while_one_may_try() -> None:
    health = after(*[ill()] * OPEN_AFTER)

    assert health.breaker(NOW + FIRST_MS) is Breaker.HALF_OPEN


def test_a_trial_that_works_closes_it() -> None:
    health = observe(after(*[ill()] * OPEN_AFTER), well(NOW + FIRST_MS))

    assert health.breaker(NOW + FIRST_MS) is Breaker.CLOSED
    assert health.since_ms == NOW + FIRST_MS


def test_each_trial_that_fails_doubles_the_time_up_to_a_limit() -> None:
    health, now, spans = after(*[ill()] * OPEN_AFTER), NOW, []
    for _ in range(8):
        spans.append(health.open_until_ms - now)
        now = health.open_until_ms
        health = observe(health, ill(now))

    assert spans[:3] == [FIRST_MS, 2 * FIRST_MS, 4 * FIRST_MS]
    assert spans[-1] == LONGEST_MS


def test_failures_while_it_is_open_prolong_nothing() -> None:
    health = after(*[ill()] * OPEN_AFTER)

    assert observe(health, ill(NOW + 1)).open_until_ms == health.open_until_ms


def test_maintenance_opens_it_at_once() -> None:
    health = after(Observation(NOW, 20, "HTTP 503", maintenance=True))

    assert health.breaker(NOW) is Breaker.OPEN
    assert health.maintenance


def test_a_venue_nobody_asked_is_not_fresh() -> None:
    assert after(well()).is_fresh(NOW + 1)
    assert not after(well()).is_fresh(NOW + STALE_MS)
    assert not Health().is_fresh(NOW)


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_the_means_stay_in_their_bounds_and_the_last_success_closes(answers: list[bool]) -> None:
    health = after(*(well(NOW + n) if good else ill(NOW + n) for n, good in enumerate(answers)))

    assert 0 <= health.errors <= PER_MILLE
    assert 0 <= health.latency_ms <= 50
    if answers[-1]:
        assert health.breaker(NOW + len(answers)) is Breaker.CLOSED
    if len(answers) >= OPEN_AFTER and not any(answers[-OPEN_AFTER:]):
        assert health.breaker(NOW + len(answers)) is Breaker.OPEN
