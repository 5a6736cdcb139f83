"""Reading ccxt's unified answers: its text becomes Decimal, its milliseconds become aware UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tradebot.contracts.errors import VenueUnavailable
from tradebot.contracts.ports import Candle, Depth, Level, Ticker, VenueFill, VenueOrder
from tradebot.contracts.values import ZERO, Action, Pair

_STATUS = {
    "closed": "filled",
    "canceled": "canceled",
    "canceling": "open",
    "expired": "expired",
    "rejected": "rejected",
    "open": "open",
}


def ticker(told: Any, pair: Pair, venue: str) -> Ticker:
    """The best prices; VenueUnavailable unless all three are positive. A venue that tells no time means now."""
    found = prices(told, pair)
    if not (found.bid > 0 and found.ask > 0 and found.last > 0):
        raise VenueUnavailable(f"{venue} has no price for {pair}")
    return found


def prices(told: Any, pair: Pair) -> Ticker:
    """The best prices as the venue tells them, those of an empty or crossed book too: judging them is the reader's
    part. Zero stands for one that it does not tell, or that is no number."""
    bid, ask, last = (_price(told[side]) for side in ("bid", "ask", "last"))
    return Ticker(pair=pair, bid=bid, ask=ask, last=last, at=moment(told["timestamp"]))


def _price(said: Any) -> Decimal:
    try:
        price = decimal(said)
    except ArithmeticError:
        return ZERO
    return price if price.is_finite() else ZERO


def candle(told: Sequence[Any]) -> Candle:
    """One row of ccxt's fetch_ohlcv."""
    at, first, high, low, last = told[:5]
    return Candle(moment(at), *(decimal(price) for price in (first, high, low, last)))


def depth(told: Any, pair: Pair) -> Depth:
    """The book as the venue tells it, empty or crossed ones too: judging it is the reader's part."""
    return Depth(pair, _levels(told["bids"]), _levels(told["asks"]), moment(told["timestamp"]))


def order(told: Any, pair: Pair, kind: str) -> VenueOrder:
    """An order with the fills that came along with it; `kind` is its type in our words."""
    side, filled = Action(told["side"]), decimal(told["filled"])
    status = _STATUS.get(told["status"] or "open", "open")
    at = moment(told["lastUpdateTimestamp"] or told["timestamp"])
    return VenueOrder(
        venue_order_id=told["id"],
        client_id=told["clientOrderId"] or "",
        pair=pair,
        side=side,
        type=kind,
        status="partially_filled" if status == "open" and filled else status,
        amount=decimal(told["amount"]),
        filled=filled,
        average=decimal(told["average"]) if told["average"] else None,
        at=at,
        fills=tuple(fill(trade, pair, side, told["id"], at) for trade in told["trades"] or ()),
    )


def fill(trade: Any, pair: Pair, side: Action, venue_order_id: str, at: datetime) -> VenueFill:
    fee = trade["fee"] or {}
    return VenueFill(
        trade_id=trade["id"],
        venue_order_id=venue_order_id,
        pair=pair,
        side=side,
        amount=decimal(trade["amount"]),
        price=decimal(trade["price"]),
        fee=decimal(fee.get("cost")),
        fee_currency=fee.get("currency") or "",
        at=at,
    )


def trade(told: Any, pair: Pair) -> VenueFill:
    """A fill of the account's own list, which names its side, order and moment itself."""
    return fill(told, pair, Action(told["side"]), told["order"], moment(told["timestamp"]))


def decimal(number: Any) -> Decimal:
    return ZERO if number is None else Decimal(number)


def text(number: Decimal | None) -> str:
    """Plain digits: Decimal's own text may be 1E-8, which ccxt's precision code does not read."""
    return f"{number:f}"


def moment(milliseconds: int | None) -> datetime:
    return datetime.now(UTC) if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _levels(side: Sequence[Sequence[Any]]) -> tuple[Level, ...]:
    return tuple(Level(decimal(price), decimal(amount)) for price, amount, *_ in side)
