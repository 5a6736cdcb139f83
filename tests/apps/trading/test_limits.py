"""How often, how much of the book, and how far from the signal's price: each limit on real rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apps.trading.models import Command, Order, RiskPolicy
from tests.apps.trading.conftest import Trader, make_trader
from tradebot.contracts.errors import VenueUnavailable

pytestmark = pytest.mark.django_db


def numbers(name: str) -> dict[str, Any]:
    """What the last decision says of that check."""
    decision = Command.objects.order_by("-created_at", "-decided_at").first()
    assert decision is not None
    told: dict[str, Any] = next(check["numbers"] for check in decision.decision["checks"] if check["name"] == name)
    return told


def test_so_many_orders_a_minute_and_then_one_waits(trader: Trader) -> None:
    RiskPolicy.objects.create(user=trader.user, max_order_rate=2)
    trader.buy(10, conditions={"stop_loss": 5})
    trader.clock.forward(1)
    assert trader.buy(10).state == "DONE"
    trader.clock.forward(1)
    assert trader.buy(10).code == "max_order_rate"
    assert numbers("max_order_rate") == {"scope": "user", "last_minute": "2", "limit": "2"}
    trader.clock.forward(59)
    assert trader.buy(10).state == "DONE"


def test_each_account_has_a_rate_of_its_own_also_under_the_platforms_limit(trader: Trader) -> None:
    RiskPolicy.objects.create(user=None, max_order_rate=1)
    assert trader.buy(10).state == "DONE"
    assert trader.buy(10).code == "max_order_rate"
    assert make_trader("other").buy(10).state == "DONE"


def test_a_sale_obeys_no_rate_and_no_price_and_no_depth(trader: Trader) -> None:
    trader.buy(30)
    RiskPolicy.objects.create(
        user=trader.user, max_order_rate=1, max_depth_share=Decimal("0.01"), max_price_move=Decimal("0.01")
    )
    trader.venue.calls.clear()
    assert trader.execute(trader.sell(50)).state == "DONE"
    assert trader.execute(trader.sell(100)).state == "DONE"
    assert "depth" not in trader.venue.calls


def test_an_entry_takes_no_more_than_its_share_of_the_book(trader: Trader) -> None:
    RiskPolicy.objects.create(user=trader.user, max_depth_share=Decimal(10))
    trader.venue.liquidity = Decimal(1)
    assert trader.buy(10, conditions={"max_amount": 3000}).state == "DONE"
    assert numbers("max_depth_share")["visible"] == "30000"
    assert trader.buy(40).code == "max_depth_share"


@pytest.mark.parametrize("book", [(Decimal(30001), Decimal(30000)), (Decimal(0), Decimal(0))])
def test_a_book_that_makes_no_sense_lets_nothing_through(trader: Trader, book: tuple[Decimal, Decimal]) -> None:
    RiskPolicy.objects.create(user=None, max_depth_share=Decimal(100))
    trader.venue.book = book
    assert trader.buy(10).state == "DENIED"
    assert not Order.objects.exists()


def test_the_book_is_not_looked_at_where_nobody_asks(trader: Trader) -> None:
    trader.buy(10)
    assert "depth" not in trader.venue.calls


def test_a_book_that_cannot_be_had_puts_the_command_off(trader: Trader) -> None:
    RiskPolicy.objects.create(user=trader.user, max_depth_share=Decimal(10))
    trader.venue.reads_fail = True
    with pytest.raises(VenueUnavailable):
        trader.buy(10)
    assert not Order.objects.exists()


@pytest.mark.parametrize(("then", "code"), [("29500", ""), ("29000", "max_price_move"), ("31000", "max_price_move")])
def test_a_price_that_ran_away_from_its_signal_is_not_bought(trader: Trader, then: str, code: str) -> None:
    RiskPolicy.objects.create(user=trader.user, max_price_move=Decimal(2))
    outcome = trader.buy(10, signal_price=Decimal(then))
    assert (outcome.state, outcome.code) == (("DENIED", code) if code else ("DONE", "filled"))
    assert Command.objects.get().decision["signal_price"] == then
    assert numbers("max_price_move")["at_signal"] == then


def test_without_the_price_at_the_signal_nothing_is_bought_under_that_limit(trader: Trader) -> None:
    RiskPolicy.objects.create(user=None, max_price_move=Decimal(2))
    assert trader.buy(10).code == "max_price_move"
    assert "not known" in Command.objects.get().reason
