"""What the exchange tells of its changes, after they are committed: executions, balances, order lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from apps.exchanges.paper.trade import ZERO, Fill, Holding, Order, OrderList, Status


class Execution(StrEnum):
    NEW = "new"
    TRADE = "trade"
    CANCELED = "canceled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Executed:
    """One step of an order; `order` is as it was after it."""

    account: int
    order: Order
    what: Execution
    fill: Fill | None
    at: int


@dataclass(frozen=True, slots=True)
class Balances:
    """What an account has now of the assets that changed."""

    account: int
    holdings: Mapping[str, Holding]
    at: int


@dataclass(frozen=True, slots=True)
class Deposited:
    account: int
    asset: str
    amount: Decimal
    at: int


@dataclass(frozen=True, slots=True)
class Listed:
    """An order list began or is over; `legs` are its orders."""

    account: int
    list: OrderList
    legs: tuple[Order, ...]
    at: int


Event = Executed | Balances | Deposited | Listed


def steps(order: Order, fills: Iterable[Fill], at: int, *, entered: bool) -> list[Executed]:
    """An order's change told step by step: its entry, each trade with the sums so far, and its end without one."""
    fills = list(fills)
    filled = order.filled - sum((fill.qty for fill in fills), ZERO)
    quote = order.quote_filled - sum((fill.quote_qty for fill in fills), ZERO)
    told = []
    if entered:
        new = replace(order, filled=filled, quote_filled=quote, status=Status.NEW)
        told.append(Executed(order.account, new, Execution.NEW, None, at))
    for fill in fills:
        filled, quote = filled + fill.qty, quote + fill.quote_qty
        status = Status.FILLED if filled == order.qty else Status.PARTIALLY_FILLED
        part = replace(order, filled=filled, quote_filled=quote, status=status)
        told.append(Executed(order.account, part, Execution.TRADE, fill, at))
    if order.status in {Status.CANCELED, Status.EXPIRED}:
        told.append(Executed(order.account, replace(order), Execution(order.status), None, at))
    return told
