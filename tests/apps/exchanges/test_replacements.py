"""Binance's cancelReplace as the adapter tells it: what certainly became of the new order, and what of the old one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apps.exchanges.adapters import connect
from apps.exchanges.adapters.ccxt_venue import CcxtVenue
from apps.exchanges.selectors import VenueInfo
from tests.apps.exchanges.paper_process import PaperProcess
from tradebot.contracts.errors import VenueError, VenueRejected, VenueUnavailable, VenueUnknown
from tradebot.contracts.ports import OrderRequest
from tradebot.contracts.values import Action, OrderType, Pair

BTC = Pair("BTC", "USDT")
OLD, NEW = "a" * 32, "b" * 32
CANCELED = {"symbol": "BTCUSDT", "origClientOrderId": OLD, "status": "CANCELED"}
REPLACE = {"method": "POST", "path": "/api/v3/order/cancelReplace"}


def _stop(client_id: str, price: str) -> OrderRequest:
    return OrderRequest(client_id, BTC, Action.SELL, OrderType.STOP_LOSS, Decimal(1), stop_price=Decimal(price))


@pytest.fixture
def venue(paper: PaperProcess) -> CcxtVenue:
    """An account with a stop at 28000."""
    keys = paper.account({"USDT": "100000", "BTC": "2"})
    found = connect(VenueInfo(f"paper-{keys[0]}", "binance", paper.url), *keys)
    found.place(_stop(OLD, "28000"))
    return found


def _open(venue: CcxtVenue) -> list[str]:
    return [order.client_id for order in venue.open_orders(BTC)]


def _refused(venue: CcxtVenue, price: str = "28500") -> VenueError:
    with pytest.raises(VenueError) as caught:
        venue.replace(BTC, OLD, _stop(NEW, price))
    return caught.value


def _answer(cancel: str, cancelled: Any, new: str, placed: Any) -> dict[str, Any]:
    data = {"cancelResult": cancel, "newOrderResult": new, "cancelResponse": cancelled, "newOrderResponse": placed}
    code, words = (-2021, "Order cancel-replace partially failed.")
    return {"code": code, "msg": words, "data": data}


def _half(code: int, words: str) -> dict[str, Any]:
    return _answer("SUCCESS", CANCELED, "FAILURE", {"code": code, "msg": words})


def test_a_new_stop_that_is_refused_after_the_old_one_went_is_a_definite_no(venue: CcxtVenue) -> None:
    error = _refused(venue, "31000")
    assert (type(error), error.code) == (VenueRejected, "-2010")
    assert error.reason == "the old order is cancelled, the new one was refused: Stop price would trigger immediately."
    assert (_open(venue), venue.find(BTC, NEW)) == ([], None)


def test_nothing_is_cancelled_and_nothing_placed_where_the_old_order_is_unknown(venue: CcxtVenue) -> None:
    venue.cancel(BTC, OLD)
    error = _refused(venue)
    assert (type(error), error.code, _open(venue)) == (VenueRejected, "-2011", [])
    assert "nothing was placed" in error.reason


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-2010, "Stop price would trigger immediately."),
        (-2010, "Account has insufficient balance for requested action."),
        (-1013, "Filter failure: NOTIONAL"),
        (-1111, "Precision is over the maximum defined for this asset."),
        (-1021, "Timestamp for this request is outside of the recvWindow."),
    ],
)
def test_what_refuses_an_order_for_certain_refuses_a_replacement(
    venue: CcxtVenue, paper: PaperProcess, code: int, words: str
) -> None:
    paper.fault("answer", **REPLACE, account=venue.client.apiKey, status=409, body=_half(code, words))
    error = _refused(venue)
    assert (type(error), error.code) == (VenueRejected, str(code))
    assert "the old order is cancelled" in error.reason


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-1007, "Timeout waiting for response from backend server."),
        (-1006, "An unexpected response was received from the message bus."),
        (-1001, "Internal error; unable to process your request."),
        (-2010, "Duplicate order sent."),
        (-9999, "A code nobody has heard of."),
    ],
)
def test_what_may_have_placed_an_order_stays_unknown(
    venue: CcxtVenue, paper: PaperProcess, code: int, words: str
) -> None:
    paper.fault("answer", **REPLACE, account=venue.client.apiKey, status=409, body=_half(code, words))
    assert type(_refused(venue)) is VenueUnknown


@pytest.mark.parametrize(("code", "words"), [(-1015, "Too many new orders."), (-1003, "Too many requests.")])
def test_a_limit_that_struck_the_new_order_alone_passes(
    venue: CcxtVenue, paper: PaperProcess, code: int, words: str
) -> None:
    paper.fault("answer", **REPLACE, account=venue.client.apiKey, status=409, body=_half(code, words))
    error = _refused(venue)
    assert type(error) is VenueUnavailable
    assert "the old order is cancelled" in error.reason


@pytest.mark.parametrize(
    "body",
    [
        {"code": -2021, "msg": "Order cancel-replace partially failed."},
        {"code": -2021, "msg": "Order cancel-replace partially failed.", "data": "?"},
        _answer("SUCCESS", CANCELED, "SUCCESS", {"symbol": "BTCUSDT", "clientOrderId": NEW}),
        _answer("FAILURE", {"code": -2011, "msg": "Unknown order sent."}, "SUCCESS", {"clientOrderId": NEW}),
        _answer("SUCCESS", CANCELED, "FAILURE", None),
    ],
    ids=["no parts", "parts of no shape", "both done", "placed alone", "refused without a code"],
)
def test_an_answer_that_says_too_little_is_unknown(venue: CcxtVenue, paper: PaperProcess, body: Any) -> None:
    paper.fault("answer", **REPLACE, account=venue.client.apiKey, status=409, body=body)
    assert type(_refused(venue)) is VenueUnknown


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "error_after", "timeout_after"])
def test_a_lost_answer_is_unknown(venue: CcxtVenue, paper: PaperProcess, kind: str) -> None:
    paper.fault(kind, **REPLACE, account=venue.client.apiKey)
    assert type(_refused(venue)) is VenueUnknown
    assert _open(venue) == ([OLD] if kind == "drop_before" else [NEW])
