"""A bullish signal becomes one bought position, or a denial that says why."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from apps.trading.domain.states import CommandState
from apps.trading.models import Command, ExecutionReport, Fill, Order, Position, RiskPolicy
from tests.apps.trading.conftest import Trader
from tests.apps.trading.fake_venue import BTC, MARKET
from tradebot.contracts.values import Action, AmountType, Leg, Mode, OrderType


def test_a_percentage_of_the_free_balance_is_bought(trader: Trader) -> None:
    outcome = trader.buy(30)
    order = trader.order(outcome.order_id)
    assert (outcome.state, order.status) == ("DONE", "FILLED")
    assert order.amount == order.filled == Decimal("0.1")
    assert trader.held() == Decimal("0.1")
    assert trader.venue.free["USDT"] == Decimal(7000)


def test_max_amount_caps_the_entry(trader: Trader) -> None:
    order = trader.order(trader.buy(30, conditions={"max_amount": 600}).order_id)
    assert order.amount == Decimal("0.02")


def test_the_row_is_committed_before_the_exchange_is_called(trader: Trader) -> None:
    seen: list[tuple[str, Decimal]] = []

    def spy(accept):  # type: ignore[no-untyped-def]
        row = Order.objects.get()
        seen.append((row.status, row.reserved_quote))
        return accept()

    trader.venue.faults.append(spy)
    trader.buy(30)
    assert seen == [("SUBMITTING", Decimal("3015"))]
    assert Order.objects.get().reserved_quote == 0


def test_a_fee_in_the_coin_makes_the_position_smaller(trader: Trader) -> None:
    trader.venue.fee_rate = Decimal("0.001")
    order = trader.order(trader.buy(30).order_id)
    assert order.fee == {"BTC": "0.0001"}
    assert trader.held() == Decimal("0.0999") == trader.venue.free["BTC"]


def test_fills_that_the_answer_left_out_are_fetched(trader: Trader) -> None:
    trader.venue.tells_fills = False
    trader.buy(30)
    assert trader.held() == Decimal("0.1")
    assert Fill.objects.count() == 1


def test_a_market_order_that_found_too_little_keeps_what_it_got(trader: Trader) -> None:
    trader.venue.liquidity = Decimal("0.04")
    outcome = trader.buy(30)
    order = trader.order(outcome.order_id)
    assert (order.status, order.filled, outcome.state) == ("EXPIRED", Decimal("0.04"), "DONE")
    assert (trader.held(), order.reserved_quote) == (Decimal("0.04"), 0)


def test_a_limit_order_stands_and_fills_part_by_part(trader: Trader) -> None:
    outcome = trader.buy(30, conditions={"order_type": "limit", "limit_price": 29000})
    order = trader.order(outcome.order_id)
    assert (order.status, order.price, outcome.state) == ("OPEN", Decimal(29000), "ORDERED")
    trader.venue.fill(trader.venue.standing()[0], "0.03")
    trader.clock.forward(30)
    trader.reconcile()
    order.refresh_from_db()
    assert (order.status, trader.held()) == ("PARTIALLY_FILLED", Decimal("0.03"))
    assert order.reserved_quote == (order.amount - Decimal("0.03")) * 29000
    trader.venue.move("28900")
    trader.clock.forward(30)
    trader.reconcile()
    order.refresh_from_db()
    assert (order.status, trader.held(), order.reserved_quote) == ("FILLED", order.amount, 0)
    assert Command.objects.get().state == CommandState.DONE


def test_every_check_is_stored_with_its_numbers(trader: Trader) -> None:
    RiskPolicy.objects.create(user=trader.user, position_limit=Decimal(5000), max_daily_loss=Decimal(100))
    RiskPolicy.objects.create(user=None, blacklist=["DOGE"])
    trader.buy(30)
    decision = Command.objects.get().decision
    names = {(check["name"], check["numbers"].get("scope")) for check in decision["checks"]}
    assert ("position_limit", "user") in names
    assert ("blacklist", "platform") in names
    limit = next(check for check in decision["checks"] if check["name"] == "position_limit")
    assert limit["numbers"] == {"scope": "user", "held": "0", "order": "3015", "limit": "5000"}
    assert all(check["ok"] for check in decision["checks"])
    assert ExecutionReport.objects.get().kind == "FILLED"


def test_shadow_decides_and_places_nothing(trader: Trader) -> None:
    outcome = trader.buy(30, mode=Mode.SHADOW)
    assert outcome.state == "SHADOWED"
    assert Command.objects.get().decision["order"]["amount"] == "0.1"
    assert "place" not in trader.venue.calls


DENIALS = {
    "bad_amount": {"amount": Decimal(0)},
    "stale": {"expires_in": -1},
    "unknown_pair": {"pair": "NOPE/USDT"},
    "below_min_notional": {"amount_type": AmountType.FIXED, "amount": Decimal(4)},
    "insufficient_balance": {"amount_type": AmountType.FIXED, "amount": Decimal(10001)},
    "wrong_action": {"action": Action.SELL},
    "bad_condition": {"conditions": {"stop_loss": "NaN"}},
}


@pytest.mark.parametrize("code", DENIALS)
def test_what_cannot_be_done_is_denied_with_its_reason(trader: Trader, code: str) -> None:
    changes = dict(DENIALS[code])
    if "expires_in" in changes:
        changes["expires_at"] = trader.clock() + timedelta(seconds=changes.pop("expires_in"))
    outcome = trader.execute(trader.command(**changes))
    assert (outcome.state, outcome.code) == ("DENIED", code)
    assert outcome.reason
    assert not Order.objects.exists()
    assert "place" not in trader.venue.calls


@pytest.mark.parametrize("amount", ["NaN", "-5", "101", "Infinity"])
def test_strange_amounts_are_denied(trader: Trader, amount: str) -> None:
    assert trader.buy(amount).code == "bad_amount"


def test_a_crossed_book_is_denied(trader: Trader) -> None:
    trader.venue.book = (Decimal(30001), Decimal(30000))
    assert trader.buy().code == "crossed_book"


@pytest.mark.parametrize("bid", ["0", "NaN"])
def test_an_empty_book_is_denied(trader: Trader, bid: str) -> None:
    trader.venue.book = (Decimal(bid), Decimal(30000))
    assert trader.buy().code == "empty_book"


def test_a_delisted_pair_is_denied(trader: Trader) -> None:
    trader.venue.listed[BTC] = replace(MARKET, active=False)
    assert trader.buy().code == "unknown_pair"


def test_the_exchange_saying_no_is_rejected_and_never_retried(trader: Trader) -> None:
    trader.venue.free["USDT"] = Decimal(10000)
    trader.venue.listed[BTC] = replace(MARKET, min_notional=Decimal(0))
    command = trader.command()
    from tests.apps.trading.fake_venue import rejected

    trader.venue.faults.append(rejected)
    outcome = trader.execute(command)
    order = trader.order(outcome.order_id)
    assert (order.status, order.reason) == ("REJECTED", "-1013 Filter failure: NOTIONAL")
    assert (outcome.state, outcome.code, outcome.retry) == ("DONE", "rejected", False)
    assert order.reserved_quote == 0
    trader.execute(command)
    assert trader.venue.calls.count("place") == 1


def test_halted_buys_nothing_and_still_sells(trader: Trader) -> None:
    trader.buy(30)
    RiskPolicy.objects.create(user=None, kill_switch="halted")
    assert trader.buy(30).code == "kill_switch"
    assert trader.execute(trader.sell(50)).state == "DONE"
    assert trader.held() == Decimal("0.05")


def test_the_position_limit_counts_what_is_held(trader: Trader) -> None:
    RiskPolicy.objects.create(user=trader.user, position_limit=Decimal(4000))
    assert trader.buy(30).state == "DONE"
    denied = trader.buy(30)
    assert (denied.state, denied.code) == ("DENIED", "position_limit")


def test_the_cooling_period_is_per_coin(trader: Trader) -> None:
    RiskPolicy.objects.create(user=trader.user, cooling_period=30)
    trader.buy(10)
    assert trader.buy(10).code == "cooling_period"
    trader.clock.forward(31 * 60)
    assert trader.buy(10).state == "DONE"


def test_a_daily_loss_stops_entries_until_midnight(trader: Trader) -> None:
    RiskPolicy.objects.create(user=trader.user, max_daily_loss=Decimal(50))
    trader.buy(30)
    trader.venue.move("29000")
    trader.execute(trader.sell(100))
    assert Position.objects.get().realised_quote == Decimal(-100)
    assert trader.buy(10).code == "max_daily_loss"
    trader.clock.forward(24 * 3600)
    assert trader.buy(10).state == "DONE"


def test_leg_and_order_say_what_they_are(trader: Trader) -> None:
    order = trader.order(trader.buy(10).order_id)
    assert (order.leg, order.type, order.side) == (Leg.ENTRY, OrderType.MARKET, Action.BUY)
    assert order.client_id == order.pk.hex
