"""Rounding never sends more than was asked, never a worse price, and always a number the market takes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.exchanges.domain.precision import fit_amount, fit_price, misfit, round_down, round_up, shortfall
from tradebot.contracts.ports import Market, OrderRequest
from tradebot.contracts.values import Action, OrderType, Pair

BTC = Market(Pair("BTC", "USDT"), Decimal("0.01"), Decimal("0.00001"), Decimal("0.00001"), Decimal(9000), Decimal(5))

numbers = st.decimals(min_value=0, max_value=10**9, places=8)
steps = st.sampled_from([Decimal(text) for text in ("0.00000001", "0.00001", "0.01", "0.1", "1", "0.25", "5", "1000")])


@given(numbers, steps)
def test_rounding_stays_within_one_step_and_lands_on_it(number: Decimal, step: Decimal) -> None:
    below, above = round_down(number, step), round_up(number, step)
    assert below <= number <= above
    assert number - below < step
    assert above - number < step
    assert below % step == above % step == 0


@given(numbers, steps)
def test_rounding_twice_changes_nothing(number: Decimal, step: Decimal) -> None:
    assert round_down(round_down(number, step), step) == round_down(number, step)
    assert round_up(round_up(number, step), step) == round_up(number, step)


@given(numbers, steps, st.sampled_from(OrderType))
def test_fitted_amount_is_what_the_market_takes(number: Decimal, step: Decimal, kind: OrderType) -> None:
    market = replace(BTC, step=step, max_amount=Decimal(9000), market_step=Decimal("0.5"))
    amount = fit_amount(number, market, kind)
    assert 0 <= amount <= min(number, Decimal(9000))
    assert amount % step == 0


@given(numbers.filter(bool), steps)
def test_fitted_price_is_never_worse_for_its_owner(price: Decimal, tick: Decimal) -> None:
    market = replace(BTC, tick=tick)
    assert fit_price(price, market, Action.BUY) <= max(price, tick)
    assert fit_price(price, market, Action.SELL) >= price
    assert fit_price(price, market, Action.BUY) >= tick


@given(st.decimals(min_value="0.00001", max_value=9000, places=5), st.decimals(min_value=1, max_value=10**6, places=2))
def test_an_amount_is_short_exactly_when_its_notional_is(amount: Decimal, price: Decimal) -> None:
    assert bool(shortfall(amount, price, BTC)) == (amount * price < 5)


@pytest.mark.parametrize(
    ("amount", "price", "words"),
    [
        ("0", "30000", "minimum of 0.00001 BTC"),
        ("0.000001", "30000", "minimum of 0.00001 BTC"),
        ("9001", "30000", "maximum of 9000 BTC"),
        ("0.0001", "30000", "3 USDT is under the market's minimum of 5"),
        ("NaN", "30000", "not a positive number"),
        ("1", "Infinity", "not a positive number"),
        ("1", "0", "not a positive number"),
    ],
)
def test_what_the_market_would_refuse_is_said(amount: str, price: str, words: str) -> None:
    assert words in shortfall(Decimal(amount), Decimal(price), BTC)


def test_an_order_that_fits_is_sent() -> None:
    order = OrderRequest("a" * 32, BTC.pair, Action.BUY, OrderType.LIMIT, Decimal("0.5"), price=Decimal("30000.01"))
    assert misfit(order, BTC) == ""
    assert "not trading" in misfit(order, replace(BTC, active=False))
    assert "step" in misfit(replace(order, amount=Decimal("0.500001")), BTC)
    assert "tick" in misfit(replace(order, price=Decimal("30000.001")), BTC)
    assert "tick" in misfit(replace(order, price=Decimal("-0.01")), BTC)


@pytest.mark.parametrize("trail", [None, "0", "-1", "100", "NaN"])
def test_trailing_stop_needs_a_percentage(trail: str | None) -> None:
    percent = None if trail is None else Decimal(trail)
    request = OrderRequest("a" * 32, BTC.pair, Action.SELL, OrderType.TRAILING_STOP, Decimal(1), trail=percent)
    assert "needs a trail" in misfit(request, BTC)
    assert misfit(replace(request, trail=Decimal("2.5")), BTC) == ""
