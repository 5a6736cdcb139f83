"""The life of commands and orders: which state may follow which, and how a venue's report is merged into a row."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tradebot.contracts.values import ZERO


class CommandState(StrEnum):
    """RECEIVED -> DENIED (ours, nothing was sent) | SHADOWED (decided, not placed) | ORDERED -> DONE."""

    RECEIVED = "RECEIVED"
    DENIED = "DENIED"
    SHADOWED = "SHADOWED"
    ORDERED = "ORDERED"
    DONE = "DONE"


class OrderStatus(StrEnum):
    """UNKNOWN: its answer was lost, so it is only ever asked about. NOT_PLACED: proven absent at the venue."""

    INTENT = "INTENT"
    SUBMITTING = "SUBMITTING"
    OPEN = "OPEN"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    NOT_PLACED = "NOT_PLACED"


WORKING = frozenset({CommandState.RECEIVED, CommandState.ORDERED})
"""Command states in which something is still to come."""

IN_DOUBT = frozenset({OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})
"""The venue may hold it or not."""

AT_VENUE = frozenset({OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED})
LIVE = IN_DOUBT | AT_VENUE | {OrderStatus.INTENT}
"""Order states that keep their reservation."""

TERMINAL = frozenset(OrderStatus) - LIVE

_REPORTED = AT_VENUE | {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED}
_WORDS = {status.value.lower(): status for status in _REPORTED}
_ALLOWED: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.INTENT: frozenset({OrderStatus.SUBMITTING, OrderStatus.NOT_PLACED}),
    OrderStatus.SUBMITTING: _REPORTED | {OrderStatus.UNKNOWN, OrderStatus.NOT_PLACED},
    OrderStatus.UNKNOWN: _REPORTED | {OrderStatus.NOT_PLACED},
    OrderStatus.OPEN: _REPORTED,
    OrderStatus.PARTIALLY_FILLED: _REPORTED - {OrderStatus.OPEN},
    # Absence is inferred by us; an order that the venue shows after all is a fact and wins.
    OrderStatus.NOT_PLACED: _REPORTED,
}


def may_follow(old: OrderStatus, new: OrderStatus) -> bool:
    """Whether a row in `old` may become `new` (staying as it is always may)."""
    return old == new or new in _ALLOWED.get(old, frozenset())


def is_terminal(status: str) -> bool:
    return status in TERMINAL


class Absence(StrEnum):
    """What it means that a venue does not know an order."""

    WAIT = "wait"
    PROVEN = "proven"
    UNDECIDABLE = "undecidable"


def absence(*, misses: int, needed: int, overdue: bool, proves: bool, explained: bool) -> Absence:
    """After `misses` in a row, this one over every list the venue has: open orders, all orders, trades.

    `overdue`: its deadline is over, so it can't arrive any more. `proves`: the venue's lists are complete and the keys
    are still those it was sent with. `explained`: every trade there belongs to an order we can name. Where that fails,
    only a person can say.
    """
    if not overdue or misses < needed:
        return Absence.WAIT
    return Absence.PROVEN if proves and explained else Absence.UNDECIDABLE


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an order is: its status, and how much of it was ever filled."""

    status: OrderStatus
    filled: Decimal = ZERO


def merge(known: Progress, status: str, filled: Decimal, amount: Decimal) -> Progress:
    """`known` after a venue reported `status` (its own lower-case word) and the cumulative `filled` of `amount`.

    Reports may arrive late, twice or out of order, so nothing ever goes back: filled never falls, a terminal order
    never reopens, and an order whose whole amount is filled is FILLED whatever the report calls it; one of which
    nothing is filled is not. A word that is no status leaves the status as it is.
    """
    most = max(known.filled, min(filled, amount))
    new = _read(status, most, amount)
    if new is not None and may_follow(known.status, new):
        return Progress(new, most)
    return Progress(known.status, most)


def _read(status: str, filled: Decimal, amount: Decimal) -> OrderStatus | None:
    if filled >= amount > 0:
        return OrderStatus.FILLED
    new = _WORDS.get(status)
    if new in AT_VENUE or (new == OrderStatus.FILLED and filled <= 0):
        return OrderStatus.PARTIALLY_FILLED if filled > 0 else OrderStatus.OPEN
    return new
