"""Trade endpoints: place, cancel, find and list orders and fills."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from apps.exchanges.paper.okx import shapes, stops
from apps.exchanges.paper.okx.errors import RowError, refusal, unknown_order, wrong
from apps.exchanges.paper.okx.params import Params
from apps.exchanges.paper.okx.request import Public, Signed
from apps.exchanges.paper.trade import ZERO, Fill, Kind, Listing, NewOrder, Order, Reason, Refused, Side, Status, Tif

PAGE = 100
EVERYTHING = 1_000_000
FORGOTTEN_MS = 2 * 3_600_000
"""An order that ended without a fill is known for two hours."""

_TYPES = {
    "market": (Kind.MARKET, Tif.GTC),
    "limit": (Kind.LIMIT, Tif.GTC),
    "post_only": (Kind.LIMIT_MAKER, Tif.GTC),
    "ioc": (Kind.LIMIT, Tif.IOC),
    "fok": (Kind.LIMIT, Tif.FOK),
}
_CANCELED_AT_ONCE = {Reason.WOULD_TAKE, Reason.NO_LIQUIDITY}
_UNSUPPORTED = ("attachAlgoOrds", "banAmend", "pxUsd", "pxVol", "slTriggerPx", "tpTriggerPx")
"""Sent, they would change what the order means, so they are refused rather than ignored."""


def place(request: Signed) -> Any:
    """One order. Raises RowError, ApiError."""
    if request.params.text("tdMode") != "cash":
        raise wrong("tdMode")
    new, listing = read_order(request), request.listing
    try:
        order, _ = request.exchange.place(request.account.id, new)
    except Refused as refused:
        if refused.reason not in _CANCELED_AT_ONCE:
            raise refusal(refused, new, listing) from None
        order = _canceled_at_once(request, new)
    return shapes.row(order)


def cancel(request: Signed) -> Any:
    """One order, by `ordId` or `clOrdId`. Raises RowError 51400, ApiError."""
    order = _find(request)
    try:
        if order is None:
            raise Refused(Reason.UNKNOWN_ORDER)
        gone = request.exchange.cancel(request.account.id, request.listing.symbol, order_id=order.id)
    except Refused:
        said = "Cancellation failed as the order has been filled, canceled or does not exist."
        raise RowError(51400, said) from None
    return shapes.row(gone)


def get(request: Signed) -> Any:
    order = _find(request)
    if order is None or _forgotten(order, request.exchange.now()):
        raise unknown_order()
    return [_told(request, order)]


def pending(request: Signed) -> Any:
    symbol = request.listing.symbol if "instId" in request.params else None
    orders = request.exchange.ledger.open_orders(account=request.account.id, symbol=symbol)
    return _listed(request, (order for order in orders if in_book(order)))


def history(request: Signed) -> Any:
    """Orders that ended, newest first."""
    now = request.exchange.now()
    every = (order for listing in request.listings for order in rows(request, listing))
    return _listed(request, (one for one in every if in_book(one) and not one.open and not _forgotten(one, now)))


def fills(request: Signed) -> Any:
    """Newest first; of one order with `ordId`."""
    ledger, params, account = request.exchange.ledger, request.params, request.account.id
    where = window(params) | ({"order": number} if (number := params.integer("ordId")) else {})
    found = [fill for one in request.listings for fill in ledger.fills(account, one.symbol, where, EVERYTHING)]
    return [_fill(request, fill) for fill in page(params, found, "billId")]


def read_order(request: Signed) -> NewOrder:
    """Raises ApiError, RowError: missing or malformed fields."""
    params, symbol = request.params, request.listing.symbol
    for name in _UNSUPPORTED:
        if params.given.get(name):
            raise wrong(name)
    if params.text("ordType") not in _TYPES:
        raise wrong("ordType")
    kind, tif = _TYPES[params.text("ordType")]
    side, size = read_side(params), params.amount("sz")
    by_quote = kind is Kind.MARKET and _by_quote(params, side)
    return NewOrder(
        symbol=symbol,
        client_id=params.client_id("clOrdId") or unnamed(),
        side=side,
        kind=kind,
        tif=tif,
        qty=None if by_quote else size,
        quote_qty=size if by_quote else None,
        price=params.amount("px") if kind.priced else None,
    )


def read_side(params: Params) -> Side:
    try:
        return Side(params.text("side"))
    except ValueError:
        raise wrong("side") from None


def unnamed() -> str:
    """An id for an order whose sender gave none."""
    return shapes.UNNAMED + secrets.token_hex(11)


def in_book(order: Order) -> bool:
    """Whether it is an order of this list: a stop belongs to the algo orders until it fires."""
    return not order.kind.waits or order.working


def rows(request: Signed, listing: Listing) -> Sequence[Order]:
    """Every order of a market in the window that is asked for."""
    return request.exchange.ledger.orders(request.account.id, listing.symbol, window(request.params), EVERYTHING)


def window(params: Params) -> dict[str, int]:
    wanted = {"since": params.integer("begin"), "until": params.integer("end")}
    return {name: value for name, value in wanted.items() if value is not None}


def page(params: Params, found: Iterable[Any], name: str = "ordId") -> list[Any]:
    """Newest first; `after`: older than this id, `before`: newer."""
    after, before = params.integer("after"), params.integer("before")
    chosen = [one for one in found if (after is None or one.id < after) and (before is None or one.id > before)]
    return sorted(chosen, key=lambda one: -one.id)[: params.limit(PAGE, PAGE)]


def _by_quote(params: Params, side: Side) -> bool:
    """A market purchase is sized in quote unless it says otherwise, a sale in base."""
    target = params.optional("tgtCcy", "quote_ccy" if side is Side.BUY else "base_ccy")
    if target not in {"quote_ccy", "base_ccy"}:
        raise wrong("tgtCcy")
    return target == "quote_ccy"


def _canceled_at_once(request: Signed, new: NewOrder) -> Order:
    """OKX accepts a post-only order that would take, and a market order without a market, and cancels it."""
    now = request.exchange.now()
    order = Order(
        id=0,
        account=request.account.id,
        symbol=new.symbol,
        client_id=new.client_id,
        side=new.side,
        kind=new.kind,
        tif=new.tif,
        price=new.price or ZERO,
        qty=new.qty or ZERO,
        quote_qty=new.quote_qty or ZERO,
        stop_price=ZERO,
        created_at=now,
        updated_at=now,
        status=Status.CANCELED,
    )
    with request.exchange.ledger.transaction():
        request.exchange.ledger.add_order(order)
    return order


def _find(request: Signed) -> Order | None:
    params, symbol = request.params, request.listing.symbol
    number, client_id = params.integer("ordId"), params.client_id("clOrdId")
    if number is None and not client_id:
        raise RowError(51003, "Either client order ID or order ID is required.")
    which: dict[str, Any] = {"client_id": client_id} if number is None else {"order_id": number}
    order = request.exchange.ledger.order(request.account.id, symbol, **which)
    if order is None or not in_book(order):
        return None
    return None if number is None and order.kind.waits else order


def _forgotten(order: Order, now: int) -> bool:
    return not order.open and not order.filled and order.updated_at < now - FORGOTTEN_MS


def _listed(request: Signed, orders: Iterable[Order]) -> list[Any]:
    wanted = {name: request.params.optional(name) for name in ("ordType", "state")}
    told = (_told(request, order) for order in page(request.params, orders))
    return [one for one in told if all(not text or one[name] in text.split(",") for name, text in wanted.items())]


def _told(request: Public, order: Order) -> Any:
    ledger = request.exchange.ledger
    algo = stops.legs(ledger, order)[0] if order.kind.waits else None
    return shapes.order(order, request.exchange.listings[order.symbol], ledger.order_fills(order.id), algo)


def _fill(request: Signed, fill: Fill) -> Any:
    order = request.exchange.ledger.order(request.account.id, fill.symbol, order_id=fill.order)
    named = "" if order is None or order.kind.waits else shapes.named(order)
    return shapes.fill(fill, request.exchange.listings[fill.symbol], named)
