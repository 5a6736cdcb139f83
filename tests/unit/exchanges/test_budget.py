"""Who may send how much: never more than the venue takes, and the important lanes always find room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.exchanges.domain.budget import PARTS, SHARES, Counter, Limit, ban_ms, limit_of, weight
from tradebot.contracts.lanes import Lane

LANES = st.sampled_from(list(Lane))
REQUESTS = st.lists(st.tuples(st.integers(0, 400), LANES, st.integers(1, 30)), max_size=120)


def played(limit: Limit, requests: list[tuple[int, Lane, int]]) -> list[tuple[int, Lane, int]]:
    """Those let through, each with its moment; the first number is the pause before it."""
    counter, now, sent = Counter(limit), 1_000_000, []
    for pause, lane, cost in requests:
        now += pause
        if counter.take(lane, cost, now).granted:
            sent.append((now, lane, cost))
    return sent


@given(REQUESTS, st.integers(20, 100))
def test_no_stretch_of_a_window_holds_more_than_the_limit(requests: list[tuple[int, Lane, int]], most: int) -> None:
    sent = played(Limit(most, 1_200), requests)

    for began, _, _ in sent:
        assert sum(cost for at, _, cost in sent if began <= at < began + 1_200) <= most


@given(REQUESTS, LANES)
def test_what_a_lane_may_not_use_is_left_for_those_before_it(requests: list[tuple[int, Lane, int]], lane: Lane) -> None:
    limit = Limit(200, 1_200)
    before = [one for one in Lane if SHARES[one] > SHARES[lane]]
    counter = Counter(limit)
    for _ in range(100):
        counter.take(lane, 1, 1_000_000)

    if before:
        assert counter.take(before[0], 10, 1_000_000).granted


@given(REQUESTS, LANES, st.integers(1, 30))
def test_who_waits_as_long_as_told_gets_through(requests: list[tuple[int, Lane, int]], lane: Lane, cost: int) -> None:
    counter, now = Counter(Limit(100, 1_200)), 1_000_000
    for pause, other, used in requests:
        now += pause
        counter.take(other, used, now)

    verdict = counter.take(lane, cost, now)

    if not verdict.granted:
        assert 0 < verdict.wait_ms <= 1_200 * (PARTS + 1) // PARTS
        assert counter.take(lane, cost, now + verdict.wait_ms).granted


def test_the_lanes_go_in_their_order() -> None:
    assert [SHARES[lane] for lane in Lane] == sorted(SHARES.values(), reverse=True)
    assert SHARES[Lane.PROTECT] == 100


def test_what_the_venue_counted_is_counted() -> None:
    counter = Counter(Limit(100, 60_000))
    counter.take(Lane.PROTECT, 10, 60_000)

    counter.correct(95, 60_500, 61_000)

    assert not counter.take(Lane.PROTECT, 6, 61_000).granted
    assert counter.take(Lane.PROTECT, 5, 61_000).granted


def test_what_the_venue_counted_in_a_window_that_is_over_counts_no_more() -> None:
    counter = Counter(Limit(100, 60_000))

    counter.correct(100, 119_900, 120_100)

    assert counter.take(Lane.PROTECT, 100, 120_100).granted


@pytest.mark.parametrize(
    ("dialect", "method", "url", "cost"),
    [
        ("binance", "POST", "https://api.example/api/v3/order", 1),
        ("binance", "GET", "https://api.example/api/v3/order?symbol=BTCUSDT&origClientOrderId=a", 4),
        ("binance", "GET", "https://api.example/api/v3/account?timestamp=1", 20),
        ("binance", "GET", "https://api.example/api/v3/openOrders?timestamp=1", 80),
        ("binance", "GET", "https://api.example/api/v3/openOrders?symbol=BTCUSDT", 6),
        ("okx", "GET", "https://api.example/api/v5/market/ticker?instId=BTC-USDT", 3),
        ("okx", "POST", "https://api.example/api/v5/trade/order", 1),
        ("kraken", "GET", "https://api.example/0/public/Ticker?pair=XBTUSDT", 4),
        ("kraken", "POST", "https://api.example/0/private/AddOrder", 1),
        ("coinbase", "GET", "https://api.example/api/v3/brokerage/market/products", 3),
        ("coinbase", "POST", "https://api.example/api/v3/brokerage/orders", 1),
        ("bybit", "GET", "https://api.example/v5/market/tickers", 1),
    ],
)
def test_a_request_weighs_what_the_venue_says(dialect: str, method: str, url: str, cost: int) -> None:
    assert weight(dialect, method, url) == cost


@pytest.mark.parametrize(
    ("status", "retry_after", "code", "expected"),
    [
        (429, "7", "-1003", 7_000),
        (418, "180", "-1003", 180_000),
        (418, None, "-1003", 120_000),
        (429, "soon", "", 5_000),
        (429, "0", "", 1_000),
        (429, "999999999", "", 3 * 24 * 3_600_000),
        (429, "7", "-1015", 0),
        (200, "7", "", 0),
        (None, None, "", 0),
    ],
)
def test_a_ban_lasts_as_long_as_the_venue_says(
    status: int | None, retry_after: str | None, code: str, expected: int
) -> None:
    assert ban_ms(status, retry_after, code, "binance") == expected


@pytest.mark.parametrize(
    ("dialect", "code", "expected"),
    [
        ("okx", "50061", 2_000),
        ("bybit", "10018", 120_000),
        ("kraken", "EAPI:Rate limit exceeded", 5_000),
        ("kraken", "EOrder:Rate limit exceeded", 0),
        ("binance", "50061", 0),
    ],
)
def test_a_limit_told_inside_of_a_200_is_a_ban_too(dialect: str, code: str, expected: int) -> None:
    assert ban_ms(200, None, code, dialect) == expected


def test_an_operators_number_replaces_the_venues() -> None:
    assert limit_of("binance", paper=False, request_limit=None) == Limit(6_000, 60_000)
    assert limit_of("binance", paper=False, request_limit=50) == Limit(50, 60_000)
    assert limit_of("unheard_of", paper=False, request_limit=None) == Limit(60, 15_000)
