"""Long lists are read whole, or not at all: half a list would prove absences that are none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from apps.exchanges.adapters import paging
from tradebot.contracts.errors import VenueUnavailable

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
START = int(SINCE.timestamp() * 1000)
ROWS = [{"id": str(number), "timestamp": START + number} for number in range(25)]


def oldest_first(start: int, size: int) -> list[dict[str, Any]]:
    return [row for row in ROWS if row["timestamp"] >= start][:size]  # type: ignore[operator]


def newest(start: int, until: int) -> list[dict[str, Any]]:
    return [row for row in ROWS if start <= row["timestamp"] <= until][-10:]  # type: ignore[operator]


def test_forward_reads_every_page() -> None:
    assert paging.forward(oldest_first, SINCE, 10) == ROWS


def test_backward_reads_every_page() -> None:
    told = paging.backward(newest, START, START + 1000, 10)
    assert sorted(row["timestamp"] for row in told) == [row["timestamp"] for row in ROWS]


def test_by_offset_reads_every_page() -> None:
    every = {str(row["id"]): row for row in ROWS}
    names = list(every)
    assert paging.by_offset(lambda at: {name: every[name] for name in names[at : at + 10]}, SINCE, 10) == every


def test_two_orders_that_share_a_trade_are_two_rows() -> None:
    page = [{"id": "1", "order": order, "timestamp": START} for order in ("a", "b")]
    assert len(paging.forward(lambda start, size: page, SINCE, 10)) == 2


def test_more_rows_of_one_moment_than_a_page_holds_are_said_not_to_be_readable() -> None:
    page = [{"id": str(number), "timestamp": START} for number in range(10)]
    with pytest.raises(VenueUnavailable, match="shorter time"):
        paging.forward(lambda start, size: page, SINCE, 10)
    with pytest.raises(VenueUnavailable, match="shorter time"):
        paging.backward(lambda start, until: page, START, START, 10)


def test_endless_list_is_given_up() -> None:
    def ask(start: int, size: int) -> list[dict[str, Any]]:
        return [{"id": str(start + number), "timestamp": start + number} for number in range(size)]

    with pytest.raises(VenueUnavailable, match="too many rows"):
        paging.forward(ask, SINCE, 10)


def test_a_full_page_of_open_orders_is_not_taken_for_all_of_them() -> None:
    assert paging.whole(ROWS, 26) == ROWS
    with pytest.raises(VenueUnavailable, match="cancel some"):
        paging.whole(ROWS, 25)


def test_time_is_sliced_without_gap_or_overlap() -> None:
    slices = paging.sliced(SINCE, START + 25, 10)
    assert slices == [(START, START + 10), (START + 10, START + 20), (START + 20, START + 25)]
