"""Decimal arithmetic of trading: exact enough for any coin, rounded to a venue's steps, written without exponents."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Context, Decimal, InvalidOperation, localcontext
from functools import wraps
from typing import ParamSpec, TypeVar

from tradebot.contracts.values import HUNDRED

P = ParamSpec("P")
T = TypeVar("T")

EXACT = Context(prec=80)
STORED = Decimal("1e-18")
"""The smallest amount that a row can hold."""


def exact(function: Callable[P, T]) -> Callable[P, T]:
    """Run `function` with 80 digits: a product of two stored numbers (38 digits each) loses nothing."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        with localcontext(EXACT):
            return function(*args, **kwargs)

    return run


def usable(number: Decimal | None) -> bool:
    """Whether it is a finite number above zero."""
    return number is not None and number.is_finite() and number > 0


@exact
def round_down(amount: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `amount` (both >= 0). A step of zero: no rounding."""
    return amount if step <= 0 else (amount / step).to_integral_value(ROUND_FLOOR) * step


@exact
def round_up(amount: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below `amount` (both >= 0)."""
    return amount if step <= 0 else (amount / step).to_integral_value(ROUND_CEILING) * step


@exact
def percent_of(amount: Decimal, percent: Decimal) -> Decimal:
    return amount * percent / HUNDRED


@exact
def stored(number: Decimal) -> Decimal:
    """`number` cut to what a row holds (18 places, towards zero)."""
    return number.quantize(STORED, rounding=ROUND_DOWN)


def plain(number: Decimal | None) -> str | None:
    """`1.500000000000000000` -> `1.5`: how numbers are written in JSON."""
    if number is None:
        return None
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") or "0" if "." in text else text


def read(text: str) -> Decimal | None:
    """A finite number from outside text, else None."""
    try:
        number = Decimal(text)
    except (InvalidOperation, ValueError, TypeError):
        return None
    return number if number.is_finite() else None
