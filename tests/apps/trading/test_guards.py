"""Sales and the stops around them: what is held stays protected, and a stop never stands in a sale's way."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apps.trading import services
from apps.trading.models import Command, Order, Position, RiskPolicy
from tests.apps.trading import fake_venue as faults
from tests.apps.trading.conftest import Trader
from tradebot.contracts.errors import VenueUnavailable
from tradebot.contracts.values import AmountType, OrderType


def _stops(trader: Trader) -> list[tuple[Decimal, Decimal | None]]:
    stops = [order for order in trader.venue.standing() if order.request.type == OrderType.STOP_LOSS]
    return sorted((order.request.amount, order.request.stop_price) for order in stops)


def test_nothing_held_is_denied_with_that_reason(trader: Trader) -> None:
    trader.venue.free["BTC"] = Decimal(3)
    outcome = trader.execute(trader.sell(50))
    assert (outcome.state, outcome.code) == ("DENIED", "nothing_held")
    assert "BTC" in outcome.reason


def test_a_sale_takes_its_share_of_what_the_bot_holds_only(trader: Trader) -> None:
    trader.venue.free["BTC"] = Decimal(3)
    trader.buy(30)
    trader.execute(trader.sell(50))
    assert trader.held() == Decimal("0.05")
    assert trader.venue.free["BTC"] == Decimal("3.05")


def test_a_bearish_sale_protects_what_remains(trader: Trader) -> None:
    trader.buy(30)
    trader.execute(trader.sell(50, conditions={"stop_loss": 10}))
    assert _stops(trader) == [(Decimal("0.05"), Decimal(27000))]
    guard = Command.objects.get(leg="protect")
    assert (guard.state, guard.decision["guard"]["stop"]) == ("ORDERED", "27000")


def test_an_entry_with_a_stop_is_protected_under_its_own_price(trader: Trader) -> None:
    trader.venue.fee_rate = Decimal("0.001")
    trader.buy(30, conditions={"stop_loss": 5})
    assert _stops(trader) == [(Decimal("0.0999"), Decimal(28500))]


def test_a_stop_that_triggered_is_booked_and_its_guard_is_done(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    trader.venue.move("28000")
    trader.clock.forward(20)
    trader.reconcile()
    assert trader.held() == 0
    assert Position.objects.get().realised_quote == Decimal(-200)
    assert Command.objects.get(leg="protect").code == "triggered"
    assert not Order.objects.exclude(reserved_base=0).exists()


def test_before_a_sale_the_stop_lets_go_and_after_it_guards_the_rest(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    assert trader.venue.free["BTC"] == 0
    outcome = trader.execute(trader.sell(50))
    assert trader.order(outcome.order_id).status == "FILLED"
    assert trader.held() == Decimal("0.05")
    assert _stops(trader) == [(Decimal("0.05"), Decimal(28500))]


def test_a_bearish_stop_takes_the_place_of_the_older_ones(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    trader.execute(trader.sell(50, conditions={"stop_loss": 10}))
    assert _stops(trader) == [(Decimal("0.05"), Decimal(27000))]
    assert sorted(Command.objects.filter(leg="protect").values_list("state", "code")) == [
        ("DONE", "superseded"),
        ("ORDERED", ""),
    ]


def test_selling_everything_leaves_no_stop(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    trader.execute(trader.sell(100))
    assert (trader.held(), _stops(trader)) == (Decimal(0), [])
    assert Command.objects.get(leg="protect").code == "nothing_held"


def test_two_guards_share_what_is_left(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    trader.buy(30, conditions={"stop_loss": 10})
    held = trader.held()
    trader.execute(trader.sell(50))
    stops = _stops(trader)
    assert len(stops) == 2
    assert 0 <= held / 2 - sum(amount for amount, _ in stops) < Decimal("0.00003")


def test_a_stop_that_vanished_is_put_back(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    gone = trader.venue.standing()[0]
    trader.venue.cancel(gone.request.pair, gone.request.client_id)
    trader.clock.forward(20)
    trader.reconcile()
    assert _stops(trader) == [(Decimal("0.1"), Decimal(28500))]
    assert list(Order.objects.filter(leg="protect").order_by("attempt").values_list("attempt", "status")) == [
        (1, "CANCELED"),
        (2, "OPEN"),
    ]


def test_a_crash_before_the_stop_is_sent_is_made_good(trader: Trader) -> None:
    trader.venue.faults.extend([lambda accept: accept(), faults.killed_before_sending])
    with pytest.raises(faults.Killed):
        trader.buy(30, conditions={"stop_loss": 5})
    for _ in range(5):
        trader.clock.forward(20)
        trader.reconcile()
    assert _stops(trader) == [(Decimal("0.1"), Decimal(28500))]


def test_a_crash_before_the_stop_is_even_planned_is_made_good(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> None:
    look, calls = trader.venue.ticker, []

    def killed_second(pair, max_age=0):  # type: ignore[no-untyped-def]
        calls.append(pair)
        if len(calls) == 2:
            raise faults.Killed
        return look(pair, max_age)

    monkeypatch.setattr(trader.venue, "ticker", killed_second)
    with pytest.raises(faults.Killed):
        trader.buy(30, conditions={"stop_loss": 5})
    assert Command.objects.get(leg="protect").state == "RECEIVED"
    trader.clock.forward(20)
    assert [account.credential_id for account in services.orders_to_reconcile(trader.clock())] == [trader.credential.pk]
    trader.reconcile()
    assert _stops(trader) == [(Decimal("0.1"), Decimal(28500))]


def test_halted_keeps_and_restores_protection(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    RiskPolicy.objects.create(user=None, kill_switch="halted")
    gone = trader.venue.standing()[0]
    trader.venue.cancel(gone.request.pair, gone.request.client_id)
    trader.clock.forward(20)
    trader.reconcile()
    assert len(_stops(trader)) == 1


def test_a_take_profit_alone_stands_at_the_exchange(trader: Trader) -> None:
    trader.buy(30, conditions={"take_profit": 10})
    (standing,) = trader.venue.standing()
    assert (standing.request.type, standing.request.stop_price) == (OrderType.TAKE_PROFIT, Decimal(33000))


def test_beside_a_stop_the_profit_is_watched_by_us(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5, "take_profit": 10})
    assert len(_stops(trader)) == 1
    trader.venue.move("33500")
    trader.clock.forward(20)
    trader.reconcile()
    assert (trader.held(), trader.venue.standing()) == (Decimal(0), [])
    assert Position.objects.get().realised_quote == Decimal(350)


def test_a_trailing_stop_rises_and_never_falls(trader: Trader) -> None:
    trader.buy(30, conditions={"trailing_stop": 10})
    for price, stop in (("30000", 27000), ("33000", 29700), ("31000", 29700)):
        trader.venue.move(price)
        trader.clock.forward(20)
        trader.reconcile()
        assert _stops(trader) == [(Decimal("0.1"), Decimal(stop))]


def test_a_price_already_under_the_stop_is_sold_at_once(trader: Trader) -> None:
    def crash(accept):  # type: ignore[no-untyped-def]
        report = accept()
        trader.venue.price = Decimal(20000)
        return report

    trader.venue.faults.append(crash)
    trader.buy(30, conditions={"stop_loss": 5})
    assert (trader.held(), trader.venue.standing()) == (Decimal(0), [])


def test_a_refused_stop_is_not_asked_for_again_at_every_round(trader: Trader) -> None:
    trader.venue.faults.extend([lambda accept: accept(), *[faults.rejected] * 9])
    trader.buy(30, conditions={"stop_loss": 5})
    for _ in range(3):
        trader.clock.forward(15)
        trader.reconcile()
    assert trader.venue.calls.count("place") == 2
    trader.venue.faults.clear()
    trader.clock.forward(60)
    trader.reconcile()
    assert len(_stops(trader)) == 1


def test_a_sale_whose_stop_cannot_be_cancelled_waits(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    command = trader.sell(50)
    cancel = trader.venue.cancel

    def failing(*_: object) -> None:
        raise VenueUnavailable("synthetic outage")

    trader.venue.cancel = failing  # type: ignore[method-assign]
    with pytest.raises(VenueUnavailable):
        trader.execute(command)
    assert Order.objects.get(leg="exit").status == "INTENT"
    trader.venue.cancel = cancel  # type: ignore[method-assign]
    assert trader.execute(command).state == "DONE"
    assert (trader.held(), len(_stops(trader))) == (Decimal("0.05"), 1)


def test_a_sale_that_waited_is_taken_up_by_the_reconciler(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    cancel, command = trader.venue.cancel, trader.sell(50)

    def killed(*_: object) -> None:
        raise faults.Killed

    trader.venue.cancel = killed  # type: ignore[method-assign]
    with pytest.raises(faults.Killed):
        trader.execute(command)
    trader.venue.cancel = cancel  # type: ignore[method-assign]
    trader.clock.forward(20)
    trader.reconcile()
    assert trader.held() == Decimal("0.05")
    assert Command.objects.get(leg="exit").state == "DONE"


def test_a_stop_that_fired_first_leaves_nothing_to_sell(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    look = trader.venue.balances

    def fire():  # type: ignore[no-untyped-def]
        seen = look()
        trader.venue.move("28000")
        return seen

    trader.venue.balances = fire  # type: ignore[method-assign]
    command = trader.sell(100)
    trader.execute(command)
    trader.venue.balances = look  # type: ignore[method-assign]
    outcome = trader.execute(command)
    assert trader.held() == 0
    assert outcome.code == "nothing_held"
    assert sum(order.filled for order in trader.venue.orders.values()) == Decimal("0.2")


def test_an_amount_in_coins_over_the_position_is_denied(trader: Trader) -> None:
    trader.buy(30)
    outcome = trader.execute(trader.sell("0.2", amount_type=AmountType.FIXED))
    assert (outcome.state, outcome.code) == ("DENIED", "insufficient_balance")


def test_a_rest_too_small_for_an_order_is_said_to_be_unguarded(trader: Trader) -> None:
    trader.buy(30)
    trader.execute(trader.sell("99.99", conditions={"stop_loss": 5}))
    assert Command.objects.get(leg="protect").code == "too_small"
