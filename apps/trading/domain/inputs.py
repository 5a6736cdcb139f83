"""What a command says in numbers and times, checked before anything is reckoned with it or stored."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from apps.trading.domain.numbers import read, usable
from apps.trading.domain.sizing import Denial
from tradebot.contracts.values import ZERO

DIGITS = 20
"""Of a whole number that a row can hold."""
PLACES = 18
LONGEST = 60
"""Characters of a number: Decimal would read a million."""


def unfit(amount: Decimal) -> Denial | None:
    """Why `amount`, as it stands in a message, can be no order's, if so."""
    if not usable(amount):
        return Denial("bad_amount", f"the amount {amount} is no number above zero")
    if amount.adjusted() >= DIGITS:
        return Denial("bad_amount", f"the amount {amount} is more than any account holds")
    return None


def storable(amount: Decimal) -> Decimal:
    """`amount`, or zero in place of one that no row can hold."""
    return amount if amount.is_finite() and amount.adjusted() < DIGITS else ZERO


def number(text: str) -> Decimal | None:
    """A number that a row can hold, from a command's text, else None."""
    found = read(text) if len(text) <= LONGEST else None
    return found if found is not None and found.adjusted() in range(-PLACES, DIGITS) else None


def moment(text: str) -> datetime | None:
    """A moment in ISO 8601 with its zone, else None."""
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        return None
    return told if told.tzinfo is not None else None
