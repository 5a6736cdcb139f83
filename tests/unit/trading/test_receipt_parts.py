"""What a receipt reckons: how much worse than hoped, and where the time went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.trading.domain.slippage import slippage
from apps.trading.domain.timeline import timeline

SEEN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(milliseconds: int) -> datetime:
    return SEEN + timedelta(milliseconds=milliseconds)


def stage(start: int, end: int) -> list[str]:
    return [at(start).isoformat(), at(end).isoformat()]


@pytest.mark.parametrize(
    ("side", "average", "percent", "quote"),
    [("buy", "102", "2", "20"), ("buy", "99", "-1", "-10"), ("sell", "98", "2", "20"), ("sell", "101", "-1", "-10")],
)
def test_slippage_is_above_zero_when_it_cost_more_or_brought_less(
    side: str, average: str, percent: str, quote: str
) -> None:
    found = slippage("signal", Decimal(100), Decimal(average), Decimal(10), side)
    assert (found.percent, found.quote) == (Decimal(percent), Decimal(quote))


def test_what_was_not_filled_cost_nothing() -> None:
    assert slippage("signal", Decimal(100), Decimal(150), Decimal(0), "buy").quote == 0


def test_a_price_of_zero_is_no_measure() -> None:
    assert slippage("signal", Decimal(0), Decimal(1), Decimal(1), "buy").percent == 0


def test_waiting_and_working_fill_the_whole_way() -> None:
    stages = {"features": stage(8, 16), "clean": stage(3, 6)}
    times = {"received_at": at(20), "decided_at": at(25), "submitted_at": at(25), "acked_at": at(40)}
    spans = timeline(SEEN, stages, times)
    assert [(span.name, span.kind, span.start_ms, span.ms) for span in spans] == [
        ("clean", "wait", 0, 3),
        ("clean", "work", 3, 3),
        ("features", "wait", 6, 2),
        ("features", "work", 8, 8),
        ("decide", "wait", 16, 4),
        ("decide", "work", 20, 5),
        ("exchange", "work", 25, 15),
    ]
    assert sum(span.ms for span in spans) == 40


def test_stages_that_overlap_are_counted_once() -> None:
    spans = timeline(SEEN, {"one": stage(0, 10), "two": stage(5, 12)}, {})
    assert [(span.name, span.start_ms, span.ms) for span in spans] == [("one", 0, 10), ("two", 10, 2)]


def test_what_never_came_has_no_span() -> None:
    assert timeline(SEEN, {}, {"received_at": at(1), "decided_at": None}) == []
