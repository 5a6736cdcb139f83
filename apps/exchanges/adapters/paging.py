"""Reading a venue's long lists whole, page by page, or saying that this was not possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from apps.exchanges.adapters.told import milliseconds, moment
from tradebot.contracts.errors import VenueUnavailable

PAGES = 50
"""Most pages of one list: whoever asks for more asked too far back. Half a list would prove absences that are none."""


def forward(ask: Callable[[int, int], Sequence[Any]], since: datetime, size: int) -> list[Any]:
    """Rows from `since` on, where `ask(start_ms, size)` answers the oldest first. Raises VenueUnavailable when they
    are too many."""
    rows: dict[tuple[str, str], Any] = {}
    start = milliseconds(since)
    for _ in range(PAGES):
        page = ask(start, size)
        new = _added(rows, page)
        if len(page) < size:
            return list(rows.values())
        if not new:
            break
        start = max(row["timestamp"] for row in page)
    raise _too_many(since)


def backward(ask: Callable[[int, int], Sequence[Any]], start: int, until: int, size: int) -> list[Any]:
    """Rows between two moments (ms), where `ask(start, until)` answers the newest `size` of them; as forward."""
    rows: dict[tuple[str, str], Any] = {}
    for _ in range(PAGES):
        page = ask(start, until)
        new = _added(rows, page)
        if len(page) < size:
            return list(rows.values())
        if not new:
            break
        until = min(row["timestamp"] for row in page)
    raise _too_many(moment(start))


def whole(page: Sequence[Any], size: int) -> list[Any]:
    """What stands open at one time, if it fits into one page; as forward."""
    if len(page) >= size:
        raise VenueUnavailable(f"{size} or more open orders of one pair are not read; cancel some at the exchange")
    return list(page)


def sliced(since: datetime, until: int, span: int) -> list[tuple[int, int]]:
    """The time from `since` to `until` (ms) in slices of at most `span` ms, for venues that answer no longer ones."""
    start = milliseconds(since)
    return [(at, min(at + span, until)) for at in range(start, until, span)]


def by_offset(ask: Callable[[int], Mapping[str, Any]], since: datetime, size: int) -> dict[str, Any]:
    """Rows by id, where `ask(offset)` answers at most `size` of them; as forward."""
    rows: dict[str, Any] = {}
    for page in range(PAGES):
        told = ask(page * size)
        rows.update(told)
        if len(told) < size:
            return rows
    raise _too_many(since)


def _added(rows: dict[tuple[str, str], Any], page: Iterable[Any]) -> int:
    before = len(rows)
    rows.update({(row["id"], row.get("order") or ""): row for row in page})
    return len(rows) - before


def _too_many(since: datetime) -> VenueUnavailable:
    return VenueUnavailable(f"too many rows since {since:%Y-%m-%d %H:%M} to read them all; ask for a shorter time")
