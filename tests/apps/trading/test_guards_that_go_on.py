"""A guard is not over when its order is: what it still has to guard, and what is bought later, stays guarded."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from apps.trading.models import Command
from tests.apps.trading.conftest import Trader
from tests.apps.trading.fake_venue import BTC, Standing
from tradebot.contracts.values import Action, Leg, OrderType


def _stops(trader: Trader) -> list[Standing]:
    return [order for order in trader.venue.standing() if order.request.type == OrderType.STOP_LOSS]


def _guarded(trader: Trader) -> Decimal:
    return sum((stop.request.amount - stop.filled for stop in _stops(trader)), Decimal(0))


def _rounds(trader: Trader, times: int = 1) -> None:
    for _ in range(times):
        trader.clock.forward(20)
        trader.reconcile()


def _limit_entry(trader: Trader) -> Standing:
    """0.1 BTC for 30000, nothing of it filled yet, to be guarded at 28500."""
    trader.buy(30, conditions={"stop_loss": 5, "order_type": "limit"})
    (entry,) = trader.venue.standing()
    return entry


def _fill(trader: Trader, entry: Standing, amount: str | None = None) -> None:
    trader.venue.fill(entry, amount or str(entry.request.amount - entry.filled))
    _rounds(trader)


def test_a_first_fill_too_small_to_guard_does_not_cost_the_rest_its_stop(trader: Trader) -> None:
    entry = _limit_entry(trader)
    _fill(trader, entry, "0.0001")
    assert Command.objects.get(leg="protect").code == "too_small"
    _fill(trader, entry)
    guard = Command.objects.get(leg="protect")
    assert (_guarded(trader), guard.state, guard.code, guard.reason) == (Decimal("0.1"), "ORDERED", "", "")


def test_coins_bought_after_the_stop_sold_the_first_ones_are_guarded_too(trader: Trader) -> None:
    entry = _limit_entry(trader)
    _fill(trader, entry, "0.04")
    trader.venue.price = Decimal(28400)
    (stop,) = _stops(trader)
    _fill(trader, stop)
    assert Command.objects.get(leg="protect").code == "triggered"
    trader.venue.price = Decimal(30000)
    _fill(trader, entry)
    assert trader.held() == _guarded(trader) == Decimal("0.06")


def test_coins_bought_after_everything_was_sold_are_guarded_too(trader: Trader) -> None:
    entry = _limit_entry(trader)
    _fill(trader, entry, "0.04")
    trader.execute(trader.sell(100))
    assert Command.objects.get(leg="protect").code == "nothing_held"
    _fill(trader, entry)
    assert trader.held() == _guarded(trader) == Decimal("0.06")


def test_a_guard_that_was_superseded_takes_up_the_new_coins_alone(trader: Trader) -> None:
    entry = _limit_entry(trader)
    _fill(trader, entry, "0.04")
    trader.execute(trader.sell(50, conditions={"stop_loss": 10}))
    _fill(trader, entry)
    stops = sorted((stop.request.stop_price, stop.request.amount) for stop in _stops(trader))
    assert stops == [(Decimal(27000), Decimal("0.02")), (Decimal(28500), Decimal("0.06"))]


def test_a_guard_whose_order_the_market_caps_sells_everything_in_the_end(trader: Trader) -> None:
    trader.venue.listed[BTC] = replace(trader.venue.listed[BTC], max_amount=Decimal("0.05"))
    for _ in range(3):
        trader.buy(30)
    trader.execute(trader.sell(10, conditions={"stop_loss": 5}))
    assert (_guarded(trader), trader.held() > Decimal("0.13")) == (Decimal("0.05"), True)
    trader.venue.move("28000")
    _rounds(trader, 2)
    assert trader.held() < Decimal("0.00018")  # 5 USDT: the least order
    assert Command.objects.get(leg="protect").code == "triggered"


def test_a_guard_sells_nothing_that_the_others_have_left_to_guard(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    trader.buy(30, conditions={"stop_loss": 20})
    held = trader.held()
    trader.execute(trader.sell(50))
    trader.venue.move("28000")
    _rounds(trader, 3)
    (deeper,) = _stops(trader)
    assert deeper.request.stop_price == Decimal(24000)
    assert abs(trader.held() - deeper.request.amount) < Decimal("0.00002")
    assert deeper.request.amount > held / 5


def test_a_guard_of_a_share_sells_that_share_once(trader: Trader) -> None:
    trader.buy(30)
    half = Decimal(50)
    trader.execute(trader.command(action=Action.SELL, leg=Leg.PROTECT, amount=half, conditions={"stop_loss": 5}))
    trader.venue.move("28000")
    _rounds(trader, 3)
    assert trader.held() == Decimal("0.05")
    assert Command.objects.get(leg="protect").code == "triggered"
