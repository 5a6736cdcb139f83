"""OKX's JSON of an algo order, and of which of its kinds an order of the engine is."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from apps.exchanges.paper.ledger import Ledger
from apps.exchanges.paper.okx.shapes import inst, named, num
from apps.exchanges.paper.trade import Kind, Listing, Order, Side

CONDITIONAL, OCO, TRAILING = "conditional", "oco", "move_order_stop"
BIPS = Decimal(10_000)
_PROFITS = frozenset({Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT})
_FIELDS = ("TriggerPx", "OrdPx", "TriggerPxType")


def legs(ledger: Ledger, order: Order) -> list[Order]:
    """The orders that are one algo order: both of a pair of stops, else the one."""
    pair = ledger.legs(order.list_id) if order.list_id else []
    return pair if pair and all(leg.kind.waits for leg in pair) else [order]


def told(legs: Sequence[Order], listing: Listing) -> dict[str, Any]:
    """An algo order, named by its first leg. One that fired names the order it became: `ordId`, `ordIdList`."""
    head, fired = legs[0], next((leg for leg in legs if leg.working), None)
    became = str(fired.id) if fired else ""
    return {
        "instType": "SPOT",
        "instId": inst(listing),
        "algoId": str(head.id),
        "algoClOrdId": named(head),
        "clOrdId": "",
        "ordId": became,
        "ordIdList": [became] if became else [],
        "ordType": kind(legs),
        "side": str(head.side),
        "posSide": "net",
        "tdMode": "cash",
        "tgtCcy": "base_ccy",
        "sz": num(head.qty),
        "state": state(legs),
        "actualSz": num(fired.qty) if fired else "0",
        "actualSide": _leg(fired) if fired else "",
        "actualPx": num(fired.price) if fired and fired.kind.priced else "",
        "triggerTime": str(fired.working_at) if fired else "",
        "cTime": str(head.created_at),
        "uTime": str(max(leg.updated_at for leg in legs)),
        "tag": "",
        **_trail(head),
        **_prices(legs),
    }


def kind(legs: Sequence[Order]) -> str:
    if len(legs) > 1:
        return OCO
    return TRAILING if legs[0].trail else CONDITIONAL


def state(legs: Sequence[Order]) -> str:
    if any(leg.working for leg in legs):
        return "effective"
    return "live" if any(leg.open for leg in legs) else "canceled"


def _leg(order: Order) -> str:
    return "tp" if order.kind in _PROFITS else "sl"


def _trail(order: Order) -> dict[str, str]:
    if not order.trail:
        return dict.fromkeys(("callbackRatio", "callbackSpread", "activePx", "moveTriggerPx"), "")
    ratio = order.trail / BIPS
    turn = order.extreme * (1 - ratio if order.side is Side.SELL else 1 + ratio)
    return {
        "callbackRatio": num(ratio),
        "callbackSpread": "",
        "activePx": num(order.stop_price) if order.stop_price else "",
        "moveTriggerPx": num(turn) if turn else "",
    }


def _prices(legs: Sequence[Order]) -> dict[str, str]:
    fields = {f"{leg}{field}": "" for leg in ("sl", "tp") for field in _FIELDS}
    for order in legs:
        if not order.trail:
            leg, price = _leg(order), num(order.price) if order.kind.priced else "-1"
            fields |= {f"{leg}TriggerPx": num(order.stop_price), f"{leg}OrdPx": price, f"{leg}TriggerPxType": "last"}
    return fields
