"""Guards: prices, which order stands, and how guards share what is held."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.trading.domain.protection import (
    Guard,
    Terms,
    Wanted,
    guard,
    restored,
    shares,
    terms,
    trailed,
    wanted,
    written,
)
from apps.trading.domain.sizing import Denial
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


def test_one_order_stands_for_a_guard() -> None:
    both = Guard(stop=Decimal(90), take=Decimal(110))
    assert wanted(both, Decimal(100)) == Wanted(OrderType.STOP_LOSS, Decimal(90))
    assert wanted(both, Decimal(110)) == Wanted(OrderType.MARKET, None)
    assert wanted(both, Decimal(90)) == Wanted(OrderType.MARKET, None)
    assert wanted(Guard(take=Decimal(110)), Decimal(100)) == Wanted(OrderType.TAKE_PROFIT, Decimal(110))
    assert wanted(Guard(), Decimal(100)) is None


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
    known = Guard(Decimal("27000.10"), None, Decimal(5))
    assert restored(written(known)) == known
