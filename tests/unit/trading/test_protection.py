"""Guards: prices, which order stands, and how guards share what is held."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.trading.domain.protection import (
    Guard,
    Standing,
    Terms,
    Wanted,
    due,
    guard,
    locked,
    restored,
    shares,
    terms,
    trailed,
    wanted,
    written,
)
from apps.trading.domain.sizing import Denial
from tradebot.contracts.ports import Features
from tradebot.contracts.values import OrderType

TICK = Decimal("0.01")
amounts = st.decimals(0, 1000, places=8)


def test_terms_are_read_from_conditions() -> None:
    assert terms({"stop_loss": "10", "max_amount": "5"}) == Terms(stop_loss=Decimal(10))
    assert not terms({"max_amount": "5"})


@pytest.mark.parametrize("text", ["NaN", "-1", "0", "100", "ten", "Infinity", ""])
def test_a_senseless_percentage_is_denied(text: str) -> None:
    assert isinstance(terms({"stop_loss": text}), Denial)


def test_stops_round_down_and_profits_up() -> None:
    assert guard(Terms(Decimal(10), Decimal(10)), Decimal("99.999"), TICK) == Guard(Decimal("89.99"), Decimal("110.00"))


def test_of_a_fixed_and_a_trailing_stop_the_nearer_counts() -> None:
    prices = guard(Terms(stop_loss=Decimal(10), trailing_stop=Decimal(5)), Decimal(100), TICK)
    assert prices.stop == Decimal(95)


def test_a_stop_that_rounds_to_nothing_is_none() -> None:
    assert guard(Terms(stop_loss=Decimal(90)), Decimal("0.05"), TICK).stop is None


@given(st.lists(st.decimals(1, 1000, places=2), min_size=1, max_size=30))
def test_a_trailing_stop_never_falls_and_stays_under_the_price(seen: list[Decimal]) -> None:
    known = guard(Terms(trailing_stop=Decimal(10)), seen[0], TICK)
    for price in seen:
        moved = trailed(known, price, TICK)
        assert (moved.stop or 0) >= (known.stop or 0)
        assert moved.stop == known.stop or (moved.stop or 0) < price
        known = moved


STOP, TAKE = Wanted(OrderType.STOP_LOSS, Decimal(90)), Wanted(OrderType.TAKE_PROFIT, Decimal(110))
BOTH = Guard(stop=Decimal(90), take=Decimal(110))
BARE = Features(stop_loss=False, take_profit=False)
RICH = Features(trailing_stop=True, oco=True)


@pytest.mark.parametrize(
    ("known", "features", "orders"),
    [
        (BOTH, Features(), (STOP,)),
        (BOTH, RICH, (STOP, TAKE)),
        (BOTH, BARE, ()),
        (Guard(take=Decimal(110)), Features(), (TAKE,)),
        (Guard(take=Decimal(110)), BARE, ()),
        (Guard(), RICH, ()),
        (Guard(stop=Decimal(90), distance=Decimal(10)), Features(), (STOP,)),
        (Guard(stop=Decimal(90), distance=Decimal(10)), RICH, (Wanted(OrderType.TRAILING_STOP, trail=Decimal(10)),)),
        (Guard(stop=Decimal(95), distance=Decimal(10)), RICH, (Wanted(OrderType.STOP_LOSS, Decimal(95)),)),
        (Guard(Decimal(90), None, Decimal(10), floor=Decimal(90)), RICH, (STOP,)),
        (Guard(Decimal(90), Decimal(110), Decimal(10)), RICH, (STOP, TAKE)),
    ],
)
def test_what_stands_at_the_venue_is_what_the_venue_can_hold(
    known: Guard, features: Features, orders: tuple[Wanted, ...]
) -> None:
    assert wanted(known, Decimal(100), features) == orders


@pytest.mark.parametrize("features", [Features(), BARE, RICH])
@pytest.mark.parametrize("bid", [90, 89, 110, 111])
def test_a_price_that_was_passed_is_sold_at_the_market(features: Features, bid: int) -> None:
    assert wanted(BOTH, Decimal(bid), features) == (Wanted(OrderType.MARKET),)


@pytest.mark.parametrize(
    ("known", "bid", "there", "expected"),
    [
        (BOTH, 111, {OrderType.STOP_LOSS}, True),
        (BOTH, 111, {OrderType.STOP_LOSS, OrderType.TAKE_PROFIT}, False),
        (BOTH, 89, {OrderType.STOP_LOSS}, False),
        (BOTH, 89, {OrderType.TRAILING_STOP}, False),
        (BOTH, 89, set(), True),
        (BOTH, 100, set(), False),
        (Guard(stop=Decimal(90), distance=Decimal(10)), 110, {OrderType.STOP_LOSS}, True),
        (Guard(stop=Decimal(90), distance=Decimal(10)), 110, {OrderType.TRAILING_STOP}, False),
        (Guard(stop=Decimal(90), distance=Decimal(10)), 100, {OrderType.STOP_LOSS}, False),
    ],
)
def test_a_price_matters_where_no_order_at_the_venue_acts_by_itself(
    known: Guard, bid: int, there: set[OrderType], *, expected: bool
) -> None:
    assert due(known, Decimal(bid), TICK, there) is expected


def test_a_pair_and_a_replacement_lock_their_coins_once() -> None:
    assert locked([Standing("a", Decimal(3), "pair"), Standing("b", Decimal(2), "pair")]) == 3
    assert locked([Standing("old", Decimal(3)), Standing("new", Decimal(5), replaces="old")]) == 5
    assert locked([Standing("one", Decimal(3)), Standing("two", Decimal(5), replaces="ended")]) == 8


def test_a_fixed_stop_nearer_than_the_trailing_one_is_remembered_until_the_trail_is_above_it() -> None:
    known = guard(Terms(stop_loss=Decimal(5), trailing_stop=Decimal(10)), Decimal(100), TICK)
    assert known.floor == known.stop == Decimal(95)
    assert trailed(known, Decimal(104), TICK) == known
    assert trailed(known, Decimal(120), TICK) == Guard(Decimal(108), None, Decimal(10))


def test_a_guard_stored_before_there_were_floors_is_never_handed_to_the_venue_to_trail() -> None:
    old = restored({"stop": "95", "take": None, "distance": "10"})
    assert wanted(old, Decimal(105), RICH) == (Wanted(OrderType.STOP_LOSS, Decimal(95)),)


@given(st.lists(amounts, max_size=6), amounts)
def test_guards_never_cover_more_than_there_is(asked: list[Decimal], available: Decimal) -> None:
    parts = shares(asked, available, Decimal("0.001"))
    assert sum(parts) <= available or not parts
    assert all(part <= ask and part % Decimal("0.001") == 0 for part, ask in zip(parts, asked, strict=True))


@given(st.lists(amounts, min_size=1, max_size=6))
def test_with_enough_there_everybody_gets_what_they_asked(asked: list[Decimal]) -> None:
    step = Decimal("0.00000001")
    assert shares(asked, sum(asked, Decimal(0)), step) == asked


def test_a_guard_survives_being_stored() -> None:
    known = Guard(Decimal("27000.10"), None, Decimal(5), Decimal("27000.10"))
    assert restored(written(known)) == known
