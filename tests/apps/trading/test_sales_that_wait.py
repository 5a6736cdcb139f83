"""A sale waits for our own stops, and not for ever."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apps.trading.models import Command, Order
from apps.trading.services.outcomes import EXIT_GRACE
from tests.apps.trading import fake_venue as faults
from tests.apps.trading.conftest import Trader
from tradebot.contracts.errors import VenueUnavailable, VenueUnknown
from tradebot.contracts.messages import TradeCommand
from tradebot.contracts.ports import VenueOrder
from tradebot.contracts.values import OrderType


@pytest.fixture
def in_doubt(trader: Trader) -> Trader:
    """0.1 BTC, and a stop that stands at the exchange although its answer and every read after it were lost."""

    def stands_but_nobody_says(accept):  # type: ignore[no-untyped-def]
        accept()
        trader.venue.reads_fail = True
        raise VenueUnknown("synthetic time-out")

    trader.venue.faults.extend([lambda accept: accept(), stands_but_nobody_says])
    trader.buy(30, conditions={"stop_loss": 5})
    trader.venue.reads_fail = False
    assert Order.objects.get(leg="protect").status == "UNKNOWN"
    return trader


def _blocked_sale(trader: Trader) -> TradeCommand:
    """A sale that was decided, but whose stop can't be cancelled."""
    trader.buy(30, conditions={"stop_loss": 5})
    cancel, command = trader.venue.cancel, trader.sell(100)

    def down(*_: object) -> VenueOrder | None:
        raise VenueUnavailable("synthetic outage")

    trader.venue.cancel = down  # type: ignore[method-assign]
    with pytest.raises(VenueUnavailable):
        trader.execute(command)
    trader.venue.cancel = cancel  # type: ignore[method-assign]
    return command


def _until_expired(trader: Trader, command: TradeCommand, more: float) -> None:
    trader.clock.forward((command.expires_at - trader.clock()).total_seconds() + more)
    trader.reconcile()


def test_a_sale_waits_while_a_stop_of_ours_may_hold_its_coins(in_doubt: Trader) -> None:
    places = in_doubt.venue.calls.count("place")
    with pytest.raises(VenueUnavailable):
        in_doubt.execute(in_doubt.sell(100))
    assert Order.objects.get(leg="exit").status == "INTENT"
    assert in_doubt.venue.calls.count("place") == places


def test_the_sale_happens_once_the_stop_is_known_again(in_doubt: Trader) -> None:
    with pytest.raises(VenueUnavailable):
        in_doubt.execute(in_doubt.sell(100))
    for _ in range(2):
        in_doubt.clock.forward(20)
        in_doubt.reconcile()
    assert (in_doubt.held(), in_doubt.venue.standing()) == (Decimal(0), [])
    assert Command.objects.get(leg="exit").code == "filled"


def test_a_sale_blocked_by_a_short_outage_still_happens_after_its_signal_expired(trader: Trader) -> None:
    command = _blocked_sale(trader)
    _until_expired(trader, command, EXIT_GRACE.total_seconds() - 60)
    assert trader.held() == 0


def test_a_sale_blocked_for_too_long_is_given_up_and_its_coins_are_guarded_again(trader: Trader) -> None:
    command = _blocked_sale(trader)
    _until_expired(trader, command, EXIT_GRACE.total_seconds() + 60)
    order, row = Order.objects.get(leg="exit"), Command.objects.get(leg="exit")
    assert (order.status, row.state, row.code) == ("NOT_PLACED", "DONE", "not_placed")
    assert "expired" in order.reason
    (stop,) = trader.venue.standing()
    assert (stop.request.type, stop.request.amount, trader.held()) == (
        OrderType.STOP_LOSS,
        Decimal("0.1"),
        Decimal("0.1"),
    )


def test_a_sale_refused_beside_our_own_stop_is_tried_again(trader: Trader) -> None:
    trader.buy(30, conditions={"stop_loss": 5})
    sale = trader.sell(50)
    trader.venue.faults.extend([lambda accept: accept(), faults.rejected])  # the smaller stop, then the sale
    refused = trader.execute(sale)
    assert (refused.status, refused.retry) == ("NOT_PLACED", True)
    again = trader.execute(sale)
    assert (again.status, trader.held()) == ("FILLED", Decimal("0.05"))
    assert [order.status for order in Order.objects.filter(leg="exit").order_by("attempt")] == ["NOT_PLACED", "FILLED"]


def test_a_sale_refused_without_a_stop_ends_there(trader: Trader) -> None:
    trader.buy(30)
    trader.venue.faults.append(faults.rejected)
    refused = trader.execute(trader.sell(50))
    assert (refused.status, refused.retry) == ("REJECTED", False)
