"""OKX's error codes and texts (docs-v5, error code), and which of them each refusal becomes."""

from __future__ import annotations

from apps.exchanges.paper.filters import MULTIPLIER_DOWN, MULTIPLIER_UP
from apps.exchanges.paper.trade import Kind, Listing, NewOrder, Reason, Refused, Side

UNAUTHORISED = 401
BAD_REQUEST = 400
TOO_MANY = 429


class ApiError(Exception):
    """The whole request fails: `{"code", "msg", "data": []}`."""

    def __init__(self, code: int, msg: str, status: int = 200) -> None:
        super().__init__(msg)
        self.code = str(code)
        self.msg = msg
        self.status = status


class RowError(Exception):
    """One row of a request fails: told as `sCode` and `sMsg` inside of a 200."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(msg)
        self.code = str(code)
        self.msg = msg


_TRIGGERS = {
    (True, Side.BUY): (51277, "TP trigger price can't be higher than the last price"),
    (False, Side.BUY): (51278, "SL trigger price can't be lower than the last price"),
    (True, Side.SELL): (51279, "TP trigger price can't be lower than the last price"),
    (False, Side.SELL): (51280, "SL trigger price can't be higher than the last price"),
}


def unknown_instrument() -> ApiError:
    return ApiError(51001, "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")


def unknown_order() -> ApiError:
    return ApiError(51603, "Order does not exist")


def missing(name: str) -> ApiError:
    return ApiError(50014, f"Parameter {name} can not be empty.", BAD_REQUEST)


def wrong(name: str) -> RowError:
    return RowError(51000, f"Parameter {name} error")


def refusal(refused: Refused, new: NewOrder, listing: Listing) -> RowError:
    """The row's answer for what the engine refused of a new order."""
    if refused.reason is Reason.FILTER:
        return _filtered(refused.detail, new, listing)
    if refused.reason is Reason.WOULD_TRIGGER:
        return RowError(*_TRIGGERS[new.kind in {Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT}, new.side])
    if refused.reason is Reason.INSUFFICIENT:
        asset = listing.quote if new.side is Side.BUY else listing.base
        return RowError(51008, f"Order failed. Insufficient {asset} balance in account.")
    if refused.reason is Reason.DUPLICATE:
        name = "algoClOrdId" if new.kind.waits else "Client order ID"
        return RowError(51065 if new.kind.waits else 51016, f"{name} already exists.")
    return RowError(51000, f"Parameter error: {refused.reason}")


def _filtered(name: str, new: NewOrder, listing: Listing) -> RowError:
    if name == "PERCENT_PRICE_BY_SIDE":
        bounds = f"max buy price: {MULTIPLIER_UP} x last, min sell price: {MULTIPLIER_DOWN} x last"
        return RowError(51006, f"Order price is not within the price limit ({bounds})")
    if name == "PRICE_FILTER":
        return wrong("px")
    if name == "TRAILING_DELTA":
        return wrong("callbackRatio")
    if name == "MAX_NUM_ORDERS":
        return RowError(51103, "The number of pending orders of this instrument exceeds the upper limit.")
    if name == "LOT_SIZE" and new.qty is not None and new.qty >= listing.step:
        return _bad_size(new, listing)
    return RowError(51020, "Your order should meet or exceed the minimum order amount.")


def _bad_size(new: NewOrder, listing: Listing) -> RowError:
    if new.qty is not None and new.qty > listing.max_qty:
        return RowError(51201 if new.kind is Kind.MARKET else 51101, "Order amount exceeds the maximum amount.")
    return RowError(51121, "Order quantity must be a multiple of the lot size.")
