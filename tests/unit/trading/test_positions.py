"""Fills add up: coins, cost and profit, fees included."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from apps.trading.domain.positions import Holding, Trade, after, unrealised
from tradebot.contracts.values import Action, Pair

PAIR = Pair("BTC", "USDT")
amounts = st.decimals("0.00000001", "100000", places=8)
prices = st.decimals("0.00000001", "100000", places=8)


def trade(side: Action, amount: object, price: object, fee: object = 0, currency: str = "") -> Trade:
    return Trade(PAIR, side, Decimal(str(amount)), Decimal(str(price)), Decimal(str(fee)), currency)


@st.composite
def trades(draw: st.DrawFn) -> Trade:
    amount, price = draw(amounts), draw(prices)
    currency = draw(st.sampled_from(["BTC", "USDT", "BNB"]))
    return trade(draw(st.sampled_from(Action)), amount, price, draw(st.sampled_from([0, amount / 1000])), currency)


@given(st.lists(trades(), max_size=20))
def test_a_position_is_never_negative_and_an_empty_one_cost_nothing(told: list[Trade]) -> None:
    held = Holding()
    for one in told:
        held = after(held, one)
        assert held.amount >= 0
        assert held.cost >= 0
        assert held.amount > 0 or held.cost == 0


@given(st.lists(st.tuples(amounts, prices), min_size=1, max_size=10), prices)
def test_bought_and_sold_whole_the_profit_is_what_came_in_less_what_went_out(
    bought: list[tuple[Decimal, Decimal]], price: Decimal
) -> None:
    held = Holding()
    for amount, paid in bought:
        held = after(held, trade(Action.BUY, amount, paid))
    total = sum(amount for amount, _ in bought)
    sold = after(held, trade(Action.SELL, total, price))
    assert (sold.amount, sold.cost) == (0, 0)
    assert sold.realised == total * price - sum(amount * paid for amount, paid in bought)


def test_a_fee_in_the_coin_takes_coins() -> None:
    held = after(Holding(), trade(Action.BUY, 1, 100, "0.001", "BTC"))
    assert (held.amount, held.cost) == (Decimal("0.999"), 100)


def test_a_fee_in_the_quote_raises_the_cost_and_lowers_the_proceeds() -> None:
    held = after(Holding(), trade(Action.BUY, 1, 100, 1, "USDT"))
    assert (held.amount, held.cost) == (1, 101)
    assert after(held, trade(Action.SELL, 1, 110, 1, "USDT")).realised == 8


def test_a_fee_in_a_third_coin_moves_neither() -> None:
    assert after(Holding(), trade(Action.BUY, 1, 100, 1, "BNB")) == Holding(Decimal(1), Decimal(100))


def test_part_of_a_position_takes_its_share_of_the_cost() -> None:
    half = after(Holding(Decimal(2), Decimal(200)), trade(Action.SELL, 1, 150))
    assert half == Holding(Decimal(1), Decimal(100), Decimal(50))


def test_coins_that_were_never_ours_bring_no_profit() -> None:
    sold = after(Holding(Decimal(1), Decimal(100)), trade(Action.SELL, 4, 150))
    assert sold == Holding(Decimal(0), Decimal(0), Decimal(50))


def test_unrealised_is_what_a_sale_now_would_bring_over_its_cost() -> None:
    assert unrealised(Holding(Decimal(2), Decimal(200)), Decimal(90)) == Decimal(-20)
