"""Amounts always obey the market and never exceed what is there."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.trading.domain.sizing import Ask, Denial, Sized, size
from tradebot.contracts.ports import Market, Ticker
from tradebot.contracts.values import Action, AmountType, OrderType, Pair

PAIR = Pair("BTC", "USDT")
NOW = datetime(2026, 1, 1, tzinfo=UTC)

steps = st.sampled_from([Decimal(text) for text in ("1", "0.1", "0.001", "0.00001", "0.00000001", "5", "0.25")])
positive = st.decimals("0.00000001", "10000000", places=8)
anything = st.decimals(allow_nan=True, allow_infinity=True)


def market(**changes: object) -> Market:
    fields = {
        "pair": PAIR,
        "tick": Decimal("0.01"),
        "step": Decimal("0.001"),
        "min_amount": Decimal("0.001"),
        "max_amount": Decimal(100),
        "min_notional": Decimal(10),
    }
    return Market(**{**fields, **changes})  # type: ignore[arg-type]


def ticker(bid: object = "100", ask: object = "101") -> Ticker:
    return Ticker(PAIR, Decimal(str(bid)), Decimal(str(ask)), Decimal(str(bid)), NOW)


def wish(side: Action = Action.BUY, amount: str = "50", **changes: object) -> Ask:
    fields = {"side": side, "amount_type": AmountType.PERCENTAGE, "amount": Decimal(amount)}
    return Ask(**{**fields, **changes})  # type: ignore[arg-type]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Ask, Market, Ticker, Decimal]:
    bid = draw(positive)
    rules = market(
        step=draw(steps),
        tick=draw(steps),
        min_amount=draw(steps),
        min_notional=draw(positive),
        market_step=draw(st.none() | steps),
        max_amount=draw(st.none() | positive),
    )
    ask = Ask(
        side=draw(st.sampled_from(Action)),
        amount_type=draw(st.sampled_from(AmountType)),
        amount=draw(positive),
        type=draw(st.sampled_from([OrderType.MARKET, OrderType.LIMIT])),
        limit_price=draw(st.none() | positive),
        max_amount=draw(st.none() | positive),
    )
    return ask, rules, ticker(bid, bid + draw(positive)), draw(positive)


@given(scenes())
def test_an_order_obeys_every_rule_and_costs_no_more_than_is_there(scene: tuple[Ask, Market, Ticker, Decimal]) -> None:
    ask, rules, book, available = scene
    order = size(ask, rules, book, available)
    if isinstance(order, Denial):
        assert order.reason
        return
    step = max(rules.step, rules.market_step or 0) if ask.type == OrderType.MARKET else rules.step
    assert order.amount % step == 0
    assert order.amount >= rules.min_amount
    assert order.amount * order.reference >= rules.min_notional
    assert rules.max_amount is None or order.amount <= rules.max_amount
    assert order.price is None or order.price % rules.tick == 0
    assert (order.price is None) == (ask.type == OrderType.MARKET)
    assert (order.cost if ask.side == Action.BUY else order.amount) <= available
    if ask.max_amount is not None:
        assert order.amount * order.reference <= ask.max_amount * (1 + Decimal("1e-30"))


@given(st.tuples(anything, anything, anything, anything), st.sampled_from(Action), st.sampled_from(AmountType))
def test_no_number_from_outside_breaks_it(numbers: tuple[Decimal, ...], side: Action, kind: AmountType) -> None:
    amount, bid, offer, available = numbers
    book = Ticker(PAIR, bid, offer, bid, NOW)
    order = size(Ask(side, kind, amount), market(), book, available)
    assert isinstance(order, Denial) or order.amount > 0


def test_a_limit_buy_rounds_its_price_down_and_a_limit_sale_up() -> None:
    buy = size(wish(type=OrderType.LIMIT, limit_price=Decimal("99.999")), market(), ticker(), Decimal(1000))
    sale = size(wish(Action.SELL, type=OrderType.LIMIT, limit_price=Decimal("99.991")), market(), ticker(), Decimal(10))
    assert isinstance(buy, Sized)
    assert isinstance(sale, Sized)
    assert (buy.price, sale.price) == (Decimal("99.99"), Decimal("100.00"))


def test_the_whole_balance_leaves_room_for_the_book_to_move() -> None:
    order = size(wish(amount="100"), market(), ticker(), Decimal(1000))
    assert isinstance(order, Sized)
    assert order.amount == Decimal("9.851")
    assert order.reserved_quote == order.cost <= 1000


@pytest.mark.parametrize(
    ("ask", "book", "available", "code"),
    [
        (wish(amount="101"), ticker(), "1000", "bad_amount"),
        (wish(amount="-1"), ticker(), "1000", "bad_amount"),
        (wish(max_amount=Decimal(0)), ticker(), "1000", "bad_amount"),
        (wish(limit_price=Decimal("NaN")), ticker(), "1000", "bad_price"),
        (wish(type=OrderType.LIMIT, limit_price=Decimal("0.001")), ticker(), "1000", "bad_price"),
        (wish(type=OrderType.STOP_LOSS), ticker(), "1000", "bad_order_type"),
        (wish(), ticker(0, 101), "1000", "empty_book"),
        (wish(), ticker("NaN", 101), "1000", "empty_book"),
        (wish(), ticker(102, 101), "1000", "crossed_book"),
        (wish(), ticker(), "0", "insufficient_balance"),
        (wish(Action.SELL), ticker(), "0", "nothing_held"),
        (wish(amount="0.0001"), ticker(), "1000", "below_min_amount"),
        (wish(amount="1"), ticker(), "900", "below_min_notional"),
    ],
)
def test_what_cannot_be_ordered_has_its_own_word(ask: Ask, book: Ticker, available: str, code: str) -> None:
    denial = size(ask, market(), book, Decimal(available))
    assert isinstance(denial, Denial)
    assert denial.code == code


@pytest.mark.parametrize("rules", [None, market(active=False)])
def test_a_pair_that_is_not_listed_can_not_be_ordered(rules: Market | None) -> None:
    denial = size(wish(), rules, ticker(), Decimal(1000))
    assert isinstance(denial, Denial)
    assert denial.code == "unknown_pair"
