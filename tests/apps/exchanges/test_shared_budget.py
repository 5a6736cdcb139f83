"""Eight at once share one budget in a real Valkey: never too much, all stop on one 429, exits outlive Valkey."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import pytest
import redis

from apps.exchanges.adapters.budget import Answer, Gate
from apps.exchanges.adapters.health import breaker_keys
from apps.exchanges.domain.budget import LOCAL_PERCENT, SHARES
from apps.exchanges.domain.health import OPEN_AFTER, Breaker
from apps.exchanges.domain.wire import health_key, pack_health, read_health
from apps.exchanges.selectors import VenueInfo
from tradebot import valkey
from tradebot.contracts.errors import VenueUnavailable
from tradebot.contracts.lanes import Lane, using

URL = "https://exchange.example/api/v3/order"
SMALL = VenueInfo("small", "binance", request_limit=60)
WELL = Answer(200, {}, "", 20, None)
ILL = Answer(503, {}, "", 20, None)


def sent(gate: Gate, lane: Lane, tries: int) -> int:
    """How many of so many requests may leave; given up is given up."""
    count = 0
    with using(lane):
        for _ in range(tries):
            try:
                gate.enter("POST", URL)
            except VenueUnavailable:
                continue
            count += 1
    return count


def in_a_process(tries: int) -> int:
    return sent(Gate(SMALL), Lane.MARKET, tries)


def refused(gate: Gate, lane: Lane = Lane.MARKET) -> str:
    with using(lane), pytest.raises(VenueUnavailable) as raised:
        gate.enter("POST", URL)
    return str(raised.value)


def answered(status: int, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, "-1003", 5, None)


def test_eight_threads_never_exceed_the_limit() -> None:
    gates = [Gate(SMALL) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda gate: sent(gate, Lane.MARKET, 20), gates))

    assert sum(counts) == 60 * SHARES[Lane.MARKET] // 100


def test_eight_processes_never_exceed_the_limit() -> None:
    with ProcessPoolExecutor(8, mp_context=get_context("fork")) as pool:
        counts = list(pool.map(in_a_process, [20] * 8))

    assert sum(counts) == 60 * SHARES[Lane.MARKET] // 100


def test_each_lane_finds_the_room_that_those_behind_it_may_not_use() -> None:
    gate = Gate(SMALL)

    assert sent(gate, Lane.MARKET, 40) == 30
    assert "too much for the lane market" in refused(gate)
    assert sent(gate, Lane.ENTRY, 9) == 9
    assert sent(gate, Lane.RECONCILE, 9) == 9
    assert sent(gate, Lane.EXIT, 6) == 6
    assert sent(gate, Lane.PROTECT, 6) == 6
    assert "60 of 60" in refused(gate, Lane.PROTECT)


def test_a_stop_waits_a_moment_for_room() -> None:
    gate = Gate(VenueInfo("quick", "coinbase", request_limit=6))
    assert sent(gate, Lane.PROTECT, 6) == 6

    began = time.monotonic()
    assert sent(gate, Lane.PROTECT, 1) == 1

    assert 0.1 < time.monotonic() - began < 2


def test_another_address_has_its_own_budget(settings: Any) -> None:
    assert sent(Gate(SMALL), Lane.MARKET, 40) == 30
    settings.OUTGOING_ADDRESS = "another"

    assert sent(Gate(SMALL), Lane.MARKET, 40) == 30


def test_what_the_venue_counted_is_counted() -> None:
    gate, other = Gate(SMALL), Gate(SMALL)
    assert sent(gate, Lane.MARKET, 1) == 1

    gate.leave(answered(200, **{"X_MBX_USED_WEIGHT_1M": "29"}))
    assert sent(gate, Lane.MARKET, 1) == 1

    assert "30 of 60" in refused(other)


def test_one_429_stops_all_until_retry_after_and_then_lets_them_go() -> None:
    gates = [Gate(SMALL) for _ in range(8)]
    assert sent(gates[0], Lane.ENTRY, 1) == 1

    gates[0].leave(answered(429, Retry_After="1"))

    assert all("HTTP 429" in refused(gate) for gate in gates)
    started = threading.Barrier(8)

    def stop_order(gate: Gate) -> float:
        """A stop waits for the end of the ban, as it ends so soon."""
        started.wait()
        assert sent(gate, Lane.PROTECT, 1) == 1
        return time.monotonic()

    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(stop_order, gates))
    assert min(ended) - began > 0.5
    assert sent(gates[7], Lane.MARKET, 1) == 1


def test_a_long_ban_says_until_when() -> None:
    gate = Gate(SMALL)

    gate.leave(answered(418, Retry_After="180"))

    assert re.search(r"HTTP 418.* in (180|179)", refused(gate, Lane.PROTECT))


def test_one_accounts_order_count_stops_nobody_else() -> None:
    gate = Gate(SMALL)

    gate.leave(Answer(429, {"Retry-After": "9"}, "-1015", 5, None))

    assert sent(gate, Lane.ENTRY, 1) == 1


# --- the breaker ------------------------------------------------------------------------------------------------------


def broken() -> Gate:
    gate = Gate(SMALL)
    for _ in range(OPEN_AFTER):
        gate.leave(ILL)
    return gate


def test_failures_open_the_breaker_of_all_workers_for_entries_but_not_for_exits() -> None:
    broken()
    other = Gate(SMALL)

    assert "circuit breaker is open (HTTP 503)" in refused(other, Lane.ENTRY)
    assert [sent(other, lane, 1) for lane in (Lane.PROTECT, Lane.EXIT, Lane.RECONCILE)] == [1, 1, 1]


def test_an_exit_that_works_closes_it_for_entries_again() -> None:
    gate = broken()
    time_passes(gate)

    with using(Lane.EXIT):
        gate.enter("POST", URL)
    gate._watch._told_at = 0
    gate.leave(WELL)

    assert sent(Gate(SMALL), Lane.ENTRY, 1) == 1


def test_half_open_one_alone_may_try_and_its_success_lets_all_go() -> None:
    gate, other = broken(), Gate(SMALL)
    time_passes(gate)

    with using(Lane.ENTRY):
        gate.enter("POST", URL)
    assert "another request tries" in refused(other, Lane.ENTRY)
    gate.leave(WELL)

    assert sent(other, Lane.ENTRY, 1) == 1


def test_a_trial_that_fails_opens_it_again() -> None:
    gate = broken()
    time_passes(gate)

    with using(Lane.ENTRY):
        gate.enter("POST", URL)
    before = read_health(_raw(health_key(SMALL.scope)))
    valkey.client().set(health_key(SMALL.scope), pack_health(replace(before, open_until_ms=valkey.now_ms() - 1)))
    gate.leave(ILL)

    assert "circuit breaker is open" in refused(Gate(SMALL), Lane.ENTRY)
    assert read_health(_raw(health_key(SMALL.scope))).breaker(valkey.now_ms()) is Breaker.OPEN


def time_passes(gate: Gate) -> None:
    """The breaker's open time is over."""
    valkey.client().delete(breaker_keys(gate.venue.scope)[0])


def _raw(key: str) -> bytes | None:
    told: Any = valkey.client().get(key)
    return bytes(told) if told else None


# --- without Valkey ---------------------------------------------------------------------------------------------------


@pytest.fixture
def no_valkey(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"


@pytest.mark.usefixtures("no_valkey")
def test_without_valkey_entries_stop_and_say_why() -> None:
    assert "shared request budget can't be reached" in refused(Gate(SMALL), Lane.ENTRY)


@pytest.mark.usefixtures("no_valkey")
@pytest.mark.parametrize("lane", [Lane.PROTECT, Lane.EXIT, Lane.RECONCILE])
def test_without_valkey_what_is_open_is_kept_on_a_budget_of_the_process(lane: Lane) -> None:
    gate = Gate(VenueInfo("small", "binance", request_limit=1_000))
    most = 1_000 * LOCAL_PERCENT // 100 * SHARES[lane] // 100

    assert sent(gate, lane, most) == most
    assert "budget of this process" in refused(gate, lane)


@pytest.mark.usefixtures("no_valkey")
def test_without_valkey_a_ban_still_stops_this_process() -> None:
    gate = Gate(SMALL)

    gate.leave(answered(429, Retry_After="60"))

    assert "asked us to wait" in refused(gate, Lane.RECONCILE)


def test_it_comes_back_by_itself(settings: Any) -> None:
    gate, there = Gate(SMALL), settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    refused(gate, Lane.ENTRY)
    settings.REDIS_URL = there
    gate._down_until = 0

    assert sent(gate, Lane.ENTRY, 1) == 1


def test_a_script_that_valkey_forgot_is_sent_again() -> None:
    gate = Gate(SMALL)
    assert sent(gate, Lane.ENTRY, 1) == 1
    valkey.client().script_flush()

    assert sent(gate, Lane.ENTRY, 1) == 1


def test_the_connection_has_little_patience() -> None:
    options = valkey.client().connection_pool.connection_kwargs

    assert options["socket_timeout"] == options["socket_connect_timeout"] == valkey.PATIENCE_MS / 1_000
    assert isinstance(valkey.client(), redis.Redis)
