"""Order lists and cancel-replace: what is read from the request and what is answered (docs: trading-endpoints)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from apps.exchanges.paper.binance import shapes
from apps.exchanges.paper.binance.errors import ApiError, refusal, unexpected
from apps.exchanges.paper.binance.orders import client_id, read_order
from apps.exchanges.paper.binance.params import CLIENT_ID, Params
from apps.exchanges.paper.binance.requests import Signed, window
from apps.exchanges.paper.trade import Kind, NewOrder, OrderList, Refused, Side

SUCCESS, FAILURE = "SUCCESS", "FAILURE"
PAGE, LONGEST_PAGE = 500, 1000
_LEG = {"Type": "type", "Price": "price", "StopPrice": "stopPrice", "TimeInForce": "timeInForce"} | {
    "TrailingDelta": "trailingDelta",
    "ClientOrderId": "newClientOrderId",
}
_ABOVE = {Kind.LIMIT_MAKER, Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT}
_NO_SUCH = "Order list does not exist."


def new_oco(request: Signed) -> Any:
    """POST /api/v3/orderList/oco."""
    params = request.params
    pair = (_leg(params, "above"), _leg(params, "below"))
    _check_pair(pair)
    name = params.matching("listClientOrderId", CLIENT_ID) if "listClientOrderId" in params else secrets.token_hex(11)
    orders, legs = request.exchange.place_pair(request.account.id, name, pair)
    reports = [shapes.result(leg) for leg in legs]
    return shapes.order_list(orders, legs) | {"orderReports": reports}


def cancel_list(request: Signed) -> Any:
    """DELETE /api/v3/orderList."""
    found = _found(request)
    if found.done:
        raise ApiError(-2011, "Unknown order list sent.")
    legs = request.exchange.ledger.legs(found.id)
    standing = next(leg for leg in legs if leg.open)
    request.exchange.cancel(request.account.id, standing.symbol, order_id=standing.id)
    found.done, legs = True, request.exchange.ledger.legs(found.id)
    asked = client_id(request.params)
    return shapes.order_list(found, legs) | {"orderReports": [shapes.canceled(leg, asked) for leg in legs]}


def get_list(request: Signed) -> Any:
    """GET /api/v3/orderList."""
    found = _found(request, "origClientOrderId")
    return shapes.order_list(found, request.exchange.ledger.legs(found.id))


def open_lists(request: Signed) -> Any:
    """GET /api/v3/openOrderList."""
    return _told(request, request.exchange.ledger.lists(request.account.id, open_only=True))


def all_lists(request: Signed) -> Any:
    """GET /api/v3/allOrderList: by fromId, or startTime and endTime."""
    limits, most = window(request.params, from_id="fromId"), request.params.limit(PAGE, LONGEST_PAGE)
    found = [
        one
        for one in request.exchange.ledger.lists(request.account.id)
        if one.id >= limits.get("from_id", 0) and limits.get("since", 0) <= one.at <= limits.get("until", one.at)
    ]
    return _told(request, found[:most])


def cancel_replace(request: Signed) -> Any:
    """POST /api/v3/order/cancelReplace. Raises ApiError -2022 when nothing happened, -2021 when half of it did."""
    params, exchange, account = request.params, request.exchange, request.account.id
    mode = params.text("cancelReplaceMode")
    if mode not in {"STOP_ON_FAILURE", "ALLOW_FAILURE"}:
        raise ApiError(-1145, "Invalid cancelReplaceMode.")
    symbol, new, old = request.symbol, read_order(params), _to_cancel(params)
    name = params.optional("cancelNewClientOrderId") or secrets.token_hex(11)
    gone, first = _attempt(lambda: shapes.canceled(exchange.cancel(account, symbol, **old), name))
    if not gone and mode == "STOP_ON_FAILURE":
        raise _failed(FAILURE, "NOT_ATTEMPTED", first, None)
    stands, second = _attempt(lambda: shapes.full(*exchange.place(account, new)))
    results = (SUCCESS if gone else FAILURE, SUCCESS if stands else FAILURE)
    if not (gone and stands):
        raise _failed(*results, first, second)
    return _replaced(*results, first, second)


def _attempt(act: Callable[[], Any]) -> tuple[bool, Any]:
    """Whether it was done, and its answer or the error's."""
    try:
        return True, act()
    except Refused as refused:
        return False, _why(refused)


def _replaced(canceled: str, new: str, first: Any, second: Any) -> dict[str, Any]:
    return {"cancelResult": canceled, "newOrderResult": new, "cancelResponse": first, "newOrderResponse": second}


def _failed(canceled: str, new: str, first: Any, second: Any) -> ApiError:
    data = {"data": _replaced(canceled, new, first, second)}
    if SUCCESS in {canceled, new}:
        return ApiError(-2021, "Order cancel-replace partially failed.", 409, data)
    return ApiError(-2022, "Order cancel-replace failed.", 400, data)


def _why(refused: Refused) -> Any:
    error = refusal(refused)
    return {"code": error.code, "msg": error.msg}


def _to_cancel(params: Params) -> dict[str, Any]:
    if "cancelOrderId" in params:
        return {"order_id": params.integer("cancelOrderId")}
    if "cancelOrigClientOrderId" in params:
        return {"client_id": params.text("cancelOrigClientOrderId")}
    raise ApiError(-1102, "Param 'cancelOrigClientOrderId' or 'cancelOrderId' must be sent, but both were empty/null!")


def _leg(params: Params, where: str) -> NewOrder:
    shared = {name: params.text(name) for name in ("symbol", "side", "quantity")}
    own = {to: params.given[where + name] for name, to in _LEG.items() if where + name in params}
    return read_order(Params(shared | own))


def _check_pair(pair: tuple[NewOrder, NewOrder]) -> None:
    """Above and below of a sale: LIMIT_MAKER or TAKE_PROFIT*, and STOP_LOSS*; of a purchase the other way round."""
    above, below = pair
    for leg in pair:
        if leg.kind not in _ABOVE:
            raise ApiError(-1158, "Order list leg type is not supported.")
    stop, target = (below, above) if above.side is Side.SELL else (above, below)
    if stop.kind not in {Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT}:
        raise unexpected("belowType" if stop is below else "aboveType")
    if target.kind in {Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT}:
        raise unexpected("aboveType" if target is above else "belowType")
    low, high = below.stop_price or below.price, above.stop_price or above.price
    if low and high and low >= high:
        raise ApiError(-1165, "The relationship of the prices for the orders is not correct.")


def _found(request: Signed, name: str = "listClientOrderId") -> OrderList:
    params, ledger = request.params, request.exchange.ledger
    if "orderListId" in params:
        found = ledger.find_list(request.account.id, list_id=params.integer("orderListId"))
    elif name in params:
        found = ledger.find_list(request.account.id, client_id=params.text(name))
    else:
        raise ApiError(-1102, f"Param '{name}' or 'orderListId' must be sent, but both were empty/null!")
    if found is None:
        raise ApiError(-2018 if name == "origClientOrderId" else -2011, _NO_SUCH)
    return found


def _told(request: Signed, lists: list[OrderList]) -> Any:
    return [shapes.order_list(one, request.exchange.ledger.legs(one.id)) for one in lists]
