"""Two ways to every fact: what a stream tells and what is asked for are booked by the same code, once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from apps.trading import services
from apps.trading.models import Alert, AlertKind, Fill, Order
from tests.apps.trading import fake_venue as faults
from tests.apps.trading.conftest import Trader
from tests.apps.trading.fake_venue import BTC
from tradebot.contracts.ports import VenueOrder


def _silent_order(trader: Trader, **changes: object) -> VenueOrder:
    """An order that stands or filled at the venue, and of which this side heard nothing; the venue's own report."""

    def unheard(accept):  # type: ignore[no-untyped-def]
        accept()
        trader.venue.reads_fail = True
        return faults.lost_on_the_way(accept)

    trader.venue.faults.append(unheard)
    trader.buy(30, **changes)
    trader.venue.reads_fail = False
    found = trader.venue.find(BTC, Order.objects.get().client_id)
    assert found is not None
    return found


def _tell(trader: Trader, report: VenueOrder) -> services.Heard | None:
    return services.absorb_report(trader.credential.pk, report, trader.clock())


def test_a_report_ends_a_doubt(trader: Trader) -> None:
    report = _silent_order(trader)
    heard = _tell(trader, report)
    assert heard is not None
    assert (heard.changed, heard.guards_due, heard.pair) == (True, False, "BTC/USDT")
    assert (Order.objects.get().status, trader.held()) == ("FILLED", Decimal("0.1"))


def test_what_is_told_twice_and_asked_for_besides_is_booked_once(trader: Trader) -> None:
    report = _silent_order(trader)
    _tell(trader, report)
    again = _tell(trader, report)
    trader.clock.forward(20)
    trader.reconcile()
    assert again is not None
    assert not again.changed
    assert (Fill.objects.count(), trader.held()) == (1, Decimal("0.1"))


def test_a_report_without_its_fills_waits_for_them(trader: Trader) -> None:
    report = _silent_order(trader)
    _tell(trader, replace(report, fills=()))
    assert (Order.objects.get().status, trader.held()) == ("OPEN", 0)
    trader.clock.forward(20)
    trader.reconcile()
    assert (Order.objects.get().status, trader.held()) == ("FILLED", Decimal("0.1"))


def test_fills_that_come_alone_add_up(trader: Trader) -> None:
    trader.buy(30, conditions={"order_type": "limit", "limit_price": 29000})
    (standing,) = trader.venue.standing()
    trader.venue.fill(standing, "0.04")
    trader.venue.fill(standing, str(standing.request.amount - Decimal("0.04")))
    for fill in [*reversed(standing.fills), *standing.fills]:
        services.absorb_fill(trader.credential.pk, fill, trader.clock())
    order = Order.objects.get()
    assert (order.status, order.filled, trader.held()) == ("FILLED", order.amount, order.amount)
    assert (Fill.objects.count(), order.command.state) == (2, "DONE")


def test_a_fill_before_the_answer_is_found_by_its_client_id(trader: Trader) -> None:
    report = _silent_order(trader)
    client_id = Order.objects.get().client_id
    assert services.absorb_fill(trader.credential.pk, report.fills[0], trader.clock()) is None
    assert services.absorb_fill(trader.credential.pk, report.fills[0], trader.clock(), client_id) is not None
    assert (trader.held(), Alert.objects.count()) == (Decimal("0.1"), 0)


def test_a_fill_of_a_guarded_entry_says_that_a_guard_is_due(trader: Trader) -> None:
    heard = _tell(trader, _silent_order(trader, conditions={"stop_loss": 5}))
    assert heard is not None
    assert heard.guards_due
    services.keep_guards(venue=trader.venue, credential_id=trader.credential.pk, pair=heard.pair, now=trader.clock)
    assert [order.request.stop_price for order in trader.venue.standing()] == [Decimal(28500)]


def test_an_order_without_a_row_is_noted_once_and_its_fills_ignored(trader: Trader) -> None:
    report = _silent_order(trader)
    strange = replace(report, client_id="web_1", venue_order_id="V-strange")
    assert _tell(trader, strange) is None
    assert _tell(trader, strange) is None
    stray = replace(report.fills[0], venue_order_id="V-strange")
    assert services.absorb_fill(trader.credential.pk, stray, trader.clock()) is None
    assert (Alert.objects.get().kind, Fill.objects.count()) == (AlertKind.ORPHAN, 0)


@pytest.mark.parametrize("status", ["open", "partially_filled", "canceled", "expired", "rejected"])
def test_nothing_a_stream_says_late_reopens_an_order(trader: Trader, status: str) -> None:
    report = _silent_order(trader)
    _tell(trader, report)
    _tell(trader, replace(report, status=status, filled=Decimal(0), fills=()))
    assert (Order.objects.get().status, trader.held()) == ("FILLED", Decimal("0.1"))
