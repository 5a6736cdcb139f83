"""The best venue: what the size really costs there, what it charges, how well it is, and what the user prefers."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.exchanges.domain.health import Health, Observation, observe
from apps.exchanges.domain.routing import WEIGHTS, Candidate, chosen, select_best_exchange
from tradebot.contracts.ports import Depth, Level, Ticker
from tradebot.contracts.values import Action, Pair

BTC = Pair("BTC", "USDT")
AT = datetime(2026, 1, 1, tzinfo=UTC)
NOW = 1_700_000_000_000
FEE = Decimal("0.001")
SIZE = Decimal(10_000)


def book(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> Depth:
    sides = [tuple(Level(Decimal(price), Decimal(amount)) for price, amount in side) for side in (bids, asks)]
    return Depth(BTC, sides[0], sides[1], AT)


DEEP = book([("29990", "100")], [("30010", "100")])
THIN = book([("29990", "0.01")], [("30010", "0.01"), ("30400", "100")])
WELL = Health(latency_ms=50, answered_at_ms=NOW, observed=9)


def candidate(name: str, depth: Depth | None = DEEP, **more: object) -> Candidate:
    return Candidate(**{"key": name, "venue": name, "taker_fee": FEE, "depth": depth, "health": WELL, **more})  # type: ignore[arg-type]


def first(*candidates: Candidate, action: Action = Action.BUY, size: Decimal = SIZE) -> str | None:
    best = chosen(select_best_exchange(action, size, candidates, NOW))
    return best.venue if best else None


def test_the_book_is_walked_for_the_size() -> None:
    ranking = select_best_exchange(Action.BUY, Decimal("600.2"), [candidate("thin", THIN)], NOW)

    # 300.10 at 30010 and 300.10 at 30400: the mean weighs by coins.
    assert ranking[0].price is not None
    assert ranking[0].price.quantize(Decimal("0.01")) == Decimal("30203.74")


def test_a_deep_book_wins_a_large_order() -> None:
    assert first(candidate("thin", THIN), candidate("deep")) == "deep"


def test_a_small_order_fills_as_well_in_a_thin_one() -> None:
    ranking = select_best_exchange(Action.BUY, Decimal(100), [candidate("thin", THIN), candidate("deep")], NOW)

    assert ranking[0].parts["liquidity"] == ranking[1].parts["liquidity"] == 1


def test_a_book_that_can_not_fill_all_of_it_scores_for_its_share() -> None:
    short = book([("29990", "1")], [("30000", "0.1")])

    ranking = select_best_exchange(Action.BUY, Decimal(6_000), [candidate("short", short)], NOW)

    assert ranking[0].filled == Decimal("0.5")
    assert ranking[0].parts["liquidity"] == Decimal("0.5")


def test_the_cheaper_fee_wins_between_equals() -> None:
    assert first(candidate("dear", taker_fee=Decimal("0.006")), candidate("cheap")) == "cheap"


def test_the_users_order_wins_between_equals() -> None:
    assert first(candidate("second", preference=1), candidate("first", preference=0)) == "first"


def test_a_slow_and_failing_venue_loses_to_a_well_one() -> None:
    sick = Health(latency_ms=1_900, errors=400, answered_at_ms=NOW, observed=9)

    assert first(candidate("sick", health=sick), candidate("well")) == "well"


def test_an_open_breaker_is_never_chosen() -> None:
    broken = WELL
    for _ in range(5):
        broken = observe(broken, Observation(NOW, 1, "HTTP 503"))

    ranking = select_best_exchange(Action.BUY, SIZE, [candidate("broken", health=broken)], NOW)

    assert chosen(ranking) is None
    assert "breaker" in ranking[0].refused


@pytest.mark.parametrize(
    ("depth", "reason"),
    [
        (book([], [("30000", "1")]), "empty"),
        (book([("29990", "1")], []), "empty"),
        (book([("30000", "1")], [("30000", "1")]), "crossed"),
        (book([("29990", "0")], [("30000", "1")]), "empty"),
        (book([("29990", "1")], [("NaN", "1")]), "empty"),
        (None, "no price"),
    ],
)
def test_a_senseless_book_is_never_chosen(depth: Depth | None, reason: str) -> None:
    ranking = select_best_exchange(Action.BUY, SIZE, [candidate("odd", depth)], NOW)

    assert reason in ranking[0].refused


def test_a_price_alone_counts_half_as_much_as_a_book() -> None:
    ticker = Ticker(BTC, Decimal(29990), Decimal(30010), Decimal(30000), AT)

    ranking = select_best_exchange(Action.SELL, SIZE, [candidate("told", None, ticker=ticker), candidate("seen")], NOW)

    assert [score.venue for score in ranking] == ["seen", "told"]
    assert ranking[1].parts["liquidity"] == Decimal("0.5")


def test_the_weights_are_shares_of_one() -> None:
    assert sum(WEIGHTS.values()) == 1


def test_without_candidates_nothing_is_chosen() -> None:
    assert chosen(select_best_exchange(Action.BUY, SIZE, [], NOW)) is None


PRICES = st.integers(1, 10**6).map(Decimal)
SIDES = st.lists(st.tuples(PRICES, st.integers(1, 1_000).map(Decimal)), max_size=8)


@st.composite
def books(draw: st.DrawFn) -> Depth:
    bids, asks = ([Level(*level) for level in draw(SIDES)] for _ in range(2))
    by_price = lambda level: level.price  # noqa: E731
    return Depth(BTC, tuple(sorted(bids, key=by_price, reverse=True)), tuple(sorted(asks, key=by_price)), AT)


@given(st.lists(books(), max_size=5), st.sampled_from(list(Action)), PRICES)
def test_whatever_the_books_hold_the_ranking_is_whole_and_in_order(
    depths: list[Depth], action: Action, size: Decimal
) -> None:
    candidates = [candidate(str(n), depth, preference=n) for n, depth in enumerate(depths)]

    ranking = select_best_exchange(action, size, candidates, NOW)

    assert {score.key for score in ranking} == {one.key for one in candidates}
    assert all(0 <= score.total <= 1 for score in ranking)
    assert all(0 <= part <= 1 for score in ranking for part in score.parts.values())
    able = [score for score in ranking if not score.refused]
    assert [score.total for score in able] == sorted((score.total for score in able), reverse=True)
    assert ranking == select_best_exchange(action, size, candidates, NOW)


@given(books(), st.sampled_from(list(Action)), PRICES, PRICES)
def test_a_larger_order_never_gets_a_better_price(depth: Depth, action: Action, one: Decimal, other: Decimal) -> None:
    small, large = sorted((one, other))
    prices = [select_best_exchange(action, size, [candidate("x", depth)], NOW)[0].price for size in (small, large)]

    if prices[0] is not None and prices[1] is not None:
        sign = 1 if action is Action.BUY else -1
        assert sign * (prices[1] - prices[0]) >= -Decimal("0.000001")
