"""Moments between two steps: a stop on its way, a sale refused a minute ago, one coin for two kinds of money."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from apps.trading.models import Order, RiskPolicy
from apps.trading.services import submit
from tests.apps.trading.conftest import Trader
from tests.apps.trading.fake_venue import BTC, MARKET
from tradebot.contracts.errors import VenueRejected
from tradebot.contracts.ports import VenueOrder
from tradebot.contracts.values import OrderType, Pair

USDC = Pair("BTC", "USDC")


def test_a_sale_is_not_denied_because_its_balances_are_older_than_the_end_of_our_stop(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    trader.venue.on_balances = lambda: _cancel_stop(trader)
    outcome = trader.execute(trader.sell(100))
    assert (outcome.state, outcome.status, trader.held()) == ("DONE", "FILLED", Decimal(0))


def _cancel_stop(trader: Trader) -> None:
    """As the guards do between two rounds, after the balances were asked for."""
    trader.venue.on_balances = None
    stop = Order.objects.select_related("command").get(leg="protect", status="OPEN")
    submit.cancel(stop, venue=trader.venue, now=trader.clock)


def test_a_standing_stop_is_not_given_up_for_a_sale_that_was_refused_a_moment_ago(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    trader.venue.faults.append(_refused)
    for bid in (28400, 30000):
        trader.venue.book = (Decimal(bid), Decimal(30000))
        _pass(trader, 20)
    assert not trader.venue.faults
    assert Order.objects.filter(type="market", leg="protect", status="REJECTED").count() == 1
    trader.venue.book = (Decimal(28400), Decimal(30000))
    _pass(trader, 5)
    assert [order.request.type for order in trader.venue.standing()] == [OrderType.STOP_LOSS]


def _refused(place: object) -> VenueOrder:
    raise VenueRejected("no market orders at this moment", "-2010")


def _pass(trader: Trader, seconds: float) -> None:
    trader.clock.forward(seconds)
    trader.reconcile()


@pytest.mark.parametrize("order_type", ["market", "limit"])
def test_a_coin_cools_down_whatever_it_was_bought_with(trader: Trader, order_type: str) -> None:
    trader.venue.listed[USDC] = replace(MARKET, pair=USDC)
    trader.venue.free["USDC"] = Decimal(10000)
    RiskPolicy.objects.create(user=trader.user, cooling_period=60)
    assert trader.buy(10, conditions={"order_type": order_type}).state in {"DONE", "ORDERED"}
    trader.clock.forward(1)
    assert trader.buy(10, pair=str(USDC)).code == "cooling_period"


@pytest.mark.parametrize("order_type", ["market", "limit"])
def test_a_coin_is_worth_no_more_than_its_limit_whatever_it_was_bought_with(trader: Trader, order_type: str) -> None:
    trader.venue.listed[USDC] = replace(MARKET, pair=USDC)
    trader.venue.free["USDC"] = Decimal(10000)
    RiskPolicy.objects.create(user=trader.user, position_limit=Decimal(2500))
    assert trader.buy(20, conditions={"order_type": order_type}).state in {"DONE", "ORDERED"}
    assert trader.buy(10, pair=str(USDC)).code == "position_limit"
    assert trader.buy(3, pair=str(USDC)).state == "DONE"


def test_only_its_own_coin_cools_down(trader: Trader) -> None:
    other = Pair("ETH", "USDT")
    trader.venue.listed[other] = replace(trader.venue.listed[BTC], pair=other)
    RiskPolicy.objects.create(user=trader.user, cooling_period=60)
    trader.buy(10)
    assert trader.buy(10, pair=str(other)).state == "DONE"
