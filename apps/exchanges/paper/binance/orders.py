"""Reading an order from its parameters, by order type (docs: rest-api/trading-endpoints)."""

from __future__ import annotations

import secrets
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from apps.exchanges.paper.binance.errors import ApiError, unexpected
from apps.exchanges.paper.binance.params import CLIENT_ID, Params
from apps.exchanges.paper.trade import Kind, NewOrder, Side, Tif

E = TypeVar("E", bound=StrEnum)

_UNSUPPORTED = ("icebergQty", "pegPriceType", "pegOffsetValue")
"""Sent, they would change what the order means, so they are refused rather than ignored."""


def read_order(params: Params) -> NewOrder:
    """Raises ApiError: missing, unexpected or malformed parameters."""
    symbol = params.text("symbol")
    side = _choice(params, "side", Side, ApiError(-1117, "Invalid side."))
    kind = _choice(params, "type", Kind, ApiError(-1116, "Invalid orderType."))
    for name in _UNSUPPORTED:
        if name in params:
            raise unexpected(name)
    quote_qty = params.amount("quoteOrderQty") if _by_quote(params, kind) else None
    return NewOrder(
        symbol=symbol,
        client_id=client_id(params),
        side=side,
        kind=kind,
        tif=_tif(params, kind),
        qty=None if quote_qty else params.amount("quantity"),
        quote_qty=quote_qty,
        price=params.amount("price") if _takes(params, "price", kind.priced) else None,
        stop_price=_stop_price(params, kind),
        trail=params.integer("trailingDelta") if _takes_trail(params, kind) else 0,
    )


def client_id(params: Params, name: str = "newClientOrderId") -> str:
    """The sender's id, or one of ours."""
    return params.matching(name, CLIENT_ID) if name in params else secrets.token_hex(11)


def _by_quote(params: Params, kind: Kind) -> bool:
    if "quoteOrderQty" not in params:
        return False
    if kind is not Kind.MARKET:
        raise unexpected("quoteOrderQty")
    if "quantity" in params:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    return True


def _stop_price(params: Params, kind: Kind) -> Decimal | None:
    """A trailing order may do without: it then follows the price at once."""
    if not _takes(params, "stopPrice", kind.waits) or ("trailingDelta" in params and "stopPrice" not in params):
        return None
    return params.amount("stopPrice")


def _takes_trail(params: Params, kind: Kind) -> bool:
    return _takes(params, "trailingDelta", kind.waits) and "trailingDelta" in params


def _tif(params: Params, kind: Kind) -> Tif:
    if not _takes(params, "timeInForce", kind.priced and kind is not Kind.LIMIT_MAKER):
        return Tif.GTC
    return _choice(params, "timeInForce", Tif, ApiError(-1115, "Invalid timeInForce."))


def _takes(params: Params, name: str, wanted: bool) -> bool:
    if name in params and not wanted:
        raise unexpected(name)
    return wanted


def _choice(params: Params, name: str, kind: type[E], error: ApiError) -> E:
    text = params.text(name)
    try:
        chosen = kind(text.lower())
    except ValueError:
        raise error from None
    if text != text.upper():
        raise error
    return chosen
