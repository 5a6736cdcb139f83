"""What a request to a venue is for: when requests are scarce, the lanes decide whose goes first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum


class Lane(StrEnum):
    """In the order of their right of way: stops and cancels first, prices last."""

    PROTECT = "protect"
    EXIT = "exit"
    RECONCILE = "reconcile"
    ENTRY = "entry"
    MARKET = "market"


_current: ContextVar[Lane] = ContextVar("lane", default=Lane.MARKET)


def current() -> Lane:
    """The lane of what this thread or task does now."""
    return _current.get()


@contextmanager
def using(lane: Lane) -> Iterator[None]:
    """Requests made inside belong to `lane`."""
    before = _current.set(lane)
    try:
        yield
    finally:
        _current.reset(before)
