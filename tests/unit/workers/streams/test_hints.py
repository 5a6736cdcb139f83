"""Order events and trades put together, whatever their order."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tradebot.contracts.ports import VenueFill, VenueOrder
from tradebot.contracts.values import Action, Pair
from workers.streams.hints import Hints

BTC = Pair("BTC", "USDT")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def order(status: str = "open", filled: str = "0", number: str = "1") -> VenueOrder:
    return VenueOrder(
        venue_order_id=number,
        client_id=f"client-{number}",
        pair=BTC,
        side=Action.BUY,
        type="limit",
        status=status,
        amount=Decimal(3),
        filled=Decimal(filled),
        average=None,
        at=NOON,
    )


def fill(trade: int, number: str = "1") -> VenueFill:
    at = NOON + timedelta(seconds=trade)
    return VenueFill(str(trade), number, BTC, Action.BUY, Decimal(1), Decimal(30_000), Decimal("0.001"), "BTC", at)


def test_an_order_is_taken_once() -> None:
    hints = Hints()
    hints.order(order())
    assert hints
    assert [report.client_id for report in hints.take().reports] == ["client-1"]
    assert not hints
    assert hints.take().reports == ()


def test_a_repeated_event_tells_nothing_new() -> None:
    hints = Hints()
    hints.order(order("partially_filled", "1"))
    hints.fill(fill(1))
    hints.take()
    hints.order(order("partially_filled", "1"))
    hints.fill(fill(1))
    assert not hints


def test_an_order_comes_with_all_its_trades() -> None:
    hints = Hints()
    hints.fill(fill(2))
    hints.order(order("partially_filled", "1"))
    hints.fill(fill(1))
    hints.order(order("partially_filled", "2"))
    (report,) = hints.take().reports
    assert [one.trade_id for one in report.fills] == ["1", "2"]
    assert report.filled == 2


def test_a_trade_after_the_orders_last_event_is_news_again() -> None:
    hints = Hints()
    hints.order(order("filled", "3"))
    assert hints.take().reports[0].fills == ()
    hints.fill(fill(1))
    (report,) = hints.take().reports
    assert (report.status, report.filled, len(report.fills)) == ("filled", 3, 1)


def test_trades_of_an_order_that_nobody_told_of_have_to_be_asked_about() -> None:
    hints = Hints()
    hints.fill(fill(1))
    taken = hints.take()
    assert taken.reports == ()
    assert taken.unexplained


def test_trades_count_even_before_the_order_event_says_so() -> None:
    hints = Hints()
    hints.order(order("open", "0"))
    hints.fill(fill(1))
    assert hints.take().reports[0].filled == 1


@pytest.mark.parametrize("late", [order("open"), order("partially_filled", "1"), order("partially_filled", "3")])
def test_an_older_event_takes_nothing_back(late: VenueOrder) -> None:
    hints = Hints()
    hints.order(order("filled", "3"))
    hints.take()
    hints.order(late)
    assert not hints
    hints.fill(fill(1))
    assert hints.take().reports[0].status == "filled"


def test_what_could_not_be_booked_comes_again_with_what_was_heard_since() -> None:
    hints = Hints()
    hints.order(order("open"))
    taken = hints.take()
    hints.again(taken.reports)
    hints.order(order("filled", "3"))
    (report,) = hints.take().reports
    assert report.status == "filled"


def test_any_order_of_events_and_repetitions_ends_the_same() -> None:
    told = [order("open"), order("partially_filled", "1"), order("partially_filled", "2"), order("filled", "3")]
    events = [*told, *(fill(number) for number in (1, 2, 3))] * 2
    for seed in range(50):
        random.Random(seed).shuffle(events)
        hints = Hints()
        for event in events:
            if isinstance(event, VenueOrder):
                hints.order(event)
            else:
                hints.fill(event)
        (report,) = hints.take().reports
        assert (report.status, report.filled) == ("filled", 3)
        assert [one.trade_id for one in report.fills] == ["1", "2", "3"]


def test_equal_numbers_of_two_pairs_are_two_orders() -> None:
    hints = Hints()
    hints.order(order())
    hints.order(replace(order(), pair=Pair("ETH", "USDT")))
    assert len(hints.take().reports) == 2


def test_memory_has_an_end() -> None:
    hints = Hints(most=2)
    for number in "123":
        hints.order(order(number=number))
    taken = hints.take()
    assert [report.venue_order_id for report in taken.reports] == ["2", "3"]
    assert taken.unexplained
