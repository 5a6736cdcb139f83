"""Limits of other people's services, shared by workers that know each other through Valkey only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from apps.sources.adapters.limits import LONGEST_MS, SharedLimits, limits_of, read_limit
from tradebot import valkey
from tradebot.contracts.errors import Throttled

Worker = Callable[[], SharedLimits]


@pytest.fixture
def worker() -> Worker:
    """Each call makes another worker with the same credential, which no other test has."""
    digest = uuid4().hex[:16]
    return lambda: SharedLimits("test", digest)


@pytest.fixture
def without_valkey(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"


def seconds_left(error: Throttled) -> float:
    return (error.until - datetime.now(UTC)).total_seconds()


def taken(limits: SharedLimits, endpoint: str, most: int) -> int:
    """How many requests are let through, up to `most`."""
    for count in range(most):
        try:
            limits.ask(endpoint)
        except Throttled:
            return count
    return most


def test_who_was_told_nothing_may_ask(worker: Worker) -> None:
    worker().ask("search")


def test_what_one_worker_was_told_counts_for_all(worker: Worker) -> None:
    one, other = worker(), worker()
    one.note("search", remaining=3, reset=time.time() + 60, limit=450)

    assert taken(one, "search", 1) + taken(other, "search", 10) == 3
    with pytest.raises(Throttled) as caught:
        one.ask("search")
    assert 55 < seconds_left(caught.value) < 62


def test_a_refusal_with_a_reset_holds_every_worker_until_then(worker: Worker) -> None:
    one, other = worker(), worker()

    told = one.refused("search", time.time() + 1)

    with pytest.raises(Throttled) as caught:
        other.ask("search")
    assert caught.value.until == told.until
    threading.Event().wait(max(0.0, seconds_left(told)))
    other.ask("search")


def test_endpoints_and_credentials_do_not_share(worker: Worker) -> None:
    one = worker()
    one.refused("search", time.time() + 60)

    one.ask("timeline")
    limits_of("test", "another token").ask("search")


def test_an_answer_that_comes_late_gives_nothing_back(worker: Worker) -> None:
    limits, reset = worker(), time.time() + 60
    limits.note("search", remaining=2, reset=reset)
    limits.ask("search")

    limits.note("search", remaining=100, reset=reset)
    limits.note("search", remaining=100, reset=reset - 30)

    assert taken(limits, "search", 10) == 1


def test_a_new_window_begins_afresh(worker: Worker) -> None:
    limits = worker()
    limits.note("search", remaining=0, reset=time.time() + 60)

    limits.note("search", remaining=5, reset=time.time() + 120)

    assert taken(limits, "search", 10) == 5


def test_refusals_without_a_reset_wait_twice_as_long_each_time(worker: Worker) -> None:
    one, other = worker(), worker()

    waits = [seconds_left(limits.refused("search")) for limits in (one, other, one, other, one, one)]

    assert [round(wait / 60) for wait in waits] == [1, 2, 4, 8, 15, 15]


def test_a_wait_that_the_service_names_is_kept(worker: Worker) -> None:
    one, other = worker(), worker()
    one.hold("history", 120)

    with pytest.raises(Throttled) as caught:
        other.ask("history")
    assert 115 < seconds_left(caught.value) < 121


def test_no_reset_holds_longer_than_a_day(worker: Worker) -> None:
    error = worker().refused("search", time.time() + 10**9)

    assert seconds_left(error) <= LONGEST_MS / 1000


@pytest.mark.usefixtures("without_valkey")
def test_without_valkey_a_worker_heeds_what_it_was_told_and_leaves_a_tenth(worker: Worker) -> None:
    limits = worker()
    limits.note("search", remaining=50, reset=time.time() + 60, limit=450)

    assert taken(limits, "search", 100) == 5


@pytest.mark.usefixtures("without_valkey")
def test_without_valkey_a_refusal_still_holds(worker: Worker) -> None:
    limits = worker()
    limits.refused("search")

    with pytest.raises(Throttled):
        limits.ask("search")


def test_a_worker_that_loses_valkey_goes_on_with_what_it_knows(worker: Worker, settings: Any) -> None:
    limits = worker()
    limits.note("search", remaining=0, reset=time.time() + 60, limit=450)

    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    with pytest.raises(Throttled):
        limits.ask("search")


def test_eight_workers_at_once_take_exactly_what_is_left(worker: Worker) -> None:
    worker().note("search", remaining=40, reset=time.time() + 60)
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda limits: counts.append(taken(limits, "search", 20)), args=(worker(),))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(counts) == 40


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-rate-limit-limit": "450", "x-rate-limit-remaining": "x", "x-rate-limit-reset": "1"},
        {"x-rate-limit-limit": "450", "x-rate-limit-remaining": "-1", "x-rate-limit-reset": "1"},
        {"x-rate-limit-limit": "450", "x-rate-limit-remaining": "1", "x-rate-limit-reset": "9" * 40},
    ],
)
def test_headers_that_say_nothing_are_passed_over(headers: dict[str, str]) -> None:
    assert read_limit(headers) is None


def test_the_credential_is_in_no_key(worker: Worker) -> None:
    limits_of("test", "very-secret-token").note("search", remaining=1, reset=time.time() + 60)

    assert not [key for key in valkey.client().scan_iter("tradebot:limit:*") if b"secret" in key]
