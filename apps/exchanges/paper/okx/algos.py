"""Algo endpoints: stops, trailing stops and pairs of stops that wait outside of the book until a price is reached.

Unlike OKX, whose stops lock nothing, the engine keeps back what a waiting stop will sell or spend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.exchanges.paper.okx import shapes, stops
from apps.exchanges.paper.okx.errors import RowError, missing, refusal, unknown_order, wrong
from apps.exchanges.paper.okx.orders import page, read_side, rows, unnamed
from apps.exchanges.paper.okx.params import Params
from apps.exchanges.paper.okx.request import Signed
from apps.exchanges.paper.trade import Kind, Listing, NewOrder, Order, Reason, Refused, Side

AT_MARKET = "-1"
_MODES = frozenset({"cash", "cross"})
"""ccxt says cross for every stop."""
_UNSUPPORTED = ("callbackSpread", "closeFraction", "triggerPx", "tpOrdKind", "cxlOnClosePos")
_KINDS = {
    ("sl", True): Kind.STOP_LOSS,
    ("sl", False): Kind.STOP_LOSS_LIMIT,
    ("tp", True): Kind.TAKE_PROFIT,
    ("tp", False): Kind.TAKE_PROFIT_LIMIT,
}


def place(request: Signed) -> Any:
    """One algo order. Raises RowError, ApiError."""
    params, listing = request.params, request.listing
    if params.text("tdMode") not in _MODES:
        raise wrong("tdMode")
    read = _READERS.get(params.text("ordType"))
    unknown = next((name for name in _UNSUPPORTED if name in params), "" if read else "ordType")
    if unknown or read is None:
        raise wrong(unknown)
    return shapes.row(_placed(request, listing, read(request, listing)), algo=True)


def cancel(request: Signed) -> Any:
    """One that waits, by `algoId` or `algoClOrdId`. Raises RowError 51400, ApiError."""
    order = _find(request, request.listing.symbol)
    try:
        if order is None or stops.state(_legs(request, order)) != "live":
            raise Refused(Reason.UNKNOWN_ORDER)
        gone = request.exchange.cancel(request.account.id, order.symbol, order_id=order.id)
    except Refused:
        said = "Cancellation failed as the order has been filled, canceled or does not exist."
        raise RowError(51400, said) from None
    return shapes.row(gone, algo=True)


def get(request: Signed) -> Any:
    """`instId` may be left out."""
    symbols = [listing.symbol for listing in request.listings]
    order = next((found for symbol in symbols if (found := _find(request, symbol))), None)
    if order is None:
        raise unknown_order()
    return [_told(request, order)]


def pending(request: Signed) -> Any:
    symbol = request.listing.symbol if "instId" in request.params else None
    orders = request.exchange.ledger.open_orders(account=request.account.id, symbol=symbol)
    return _listed(request, orders, {"live"})


def history(request: Signed) -> Any:
    """Those that fired (`state` effective) or were cancelled, newest first."""
    state = request.params.optional("state")
    if not state and "algoId" not in request.params:
        raise missing("state")
    every = (order for listing in request.listings for order in rows(request, listing))
    return _listed(request, every, {state} if state else {"effective", "canceled"})


def _placed(request: Signed, listing: Listing, legs: Sequence[NewOrder]) -> Order:
    exchange, account = request.exchange, request.account.id
    for new in legs:
        try:
            exchange.check(account, new)
        except Refused as refused:
            raise refusal(refused, new, listing) from None
    if len(legs) == 1:
        return exchange.place(account, legs[0])[0]
    return exchange.place_pair(account, legs[0].client_id, (legs[0], legs[1]))[1][0]


def _conditional(request: Signed, listing: Listing) -> list[NewOrder]:
    given = [leg for leg in ("sl", "tp") if f"{leg}TriggerPx" in request.params]
    if len(given) != 1:
        raise wrong("slTriggerPx" if given else "tpTriggerPx")
    return [_leg(request.params, listing, given[0], _client_id(request.params))]


def _oco(request: Signed, listing: Listing) -> list[NewOrder]:
    """The stop-loss bears the id of both."""
    return [
        _leg(request.params, listing, "sl", _client_id(request.params)),
        _leg(request.params, listing, "tp", unnamed()),
    ]


def _trailing(request: Signed, listing: Listing) -> list[NewOrder]:
    """Follows at once, or from `activePx` on, whichever side of the price that is."""
    params = request.params
    side, ratio = read_side(params), params.amount("callbackRatio") * stops.BIPS
    start = params.amount("activePx") if "activePx" in params else None
    if ratio != int(ratio):
        raise wrong("callbackRatio")
    above = start is not None and start > request.exchange.price(listing.symbol)
    profit = start is not None and above == (side is Side.SELL)
    return [
        NewOrder(
            symbol=listing.symbol,
            client_id=_client_id(params),
            side=side,
            kind=Kind.TAKE_PROFIT if profit else Kind.STOP_LOSS,
            qty=params.amount("sz"),
            stop_price=start,
            trail=int(ratio),
        )
    ]


_READERS: Mapping[str, Callable[[Signed, Listing], list[NewOrder]]] = {
    stops.CONDITIONAL: _conditional,
    stops.OCO: _oco,
    stops.TRAILING: _trailing,
}


def _leg(params: Params, listing: Listing, leg: str, client_id: str) -> NewOrder:
    price = _price(params, f"{leg}OrdPx")
    return NewOrder(
        symbol=listing.symbol,
        client_id=client_id,
        side=read_side(params),
        kind=_KINDS[leg, price is None],
        qty=params.amount("sz"),
        price=price,
        stop_price=params.amount(f"{leg}TriggerPx"),
    )


def _client_id(params: Params) -> str:
    return params.client_id("algoClOrdId") or unnamed()


def _price(params: Params, name: str) -> Decimal | None:
    """-1 sells or buys at the market."""
    return None if params.text(name) == AT_MARKET else params.amount(name)


def _find(request: Signed, symbol: str) -> Order | None:
    params = request.params
    number, client_id = params.integer("algoId"), params.client_id("algoClOrdId")
    if number is None and not client_id:
        raise RowError(51003, "Either algoId or algoClOrdId is required.")
    which: dict[str, Any] = {"client_id": client_id} if number is None else {"order_id": number}
    order = request.exchange.ledger.order(request.account.id, symbol, **which)
    return order if order is not None and order.kind.waits and _heads(request, order) else None


def _legs(request: Signed, order: Order) -> list[Order]:
    return stops.legs(request.exchange.ledger, order)


def _heads(request: Signed, order: Order) -> bool:
    """Whether an algo order bears this order's id: of a pair the first leg does."""
    return _legs(request, order)[0].id == order.id


def _listed(request: Signed, orders: Iterable[Order], states: set[str]) -> list[Any]:
    kinds, number = request.params.text("ordType").split(","), request.params.integer("algoId")
    waiting = (one for one in orders if one.kind.waits and (number is None or one.id == number))
    told = (_told(request, order) for order in page(request.params, waiting) if _heads(request, order))
    return [one for one in told if one["ordType"] in kinds and one["state"] in states]


def _told(request: Signed, order: Order) -> Any:
    return stops.told(_legs(request, order), request.exchange.listings[order.symbol])
