"""A limit that a venue tells of inside an HTTP 200 stops every worker at once, as a 429 does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.exchanges.adapters import shared
from tests.apps.exchanges.acceptance.cases import MARKET_BUY, C
from tests.apps.exchanges.acceptance.replay import Replay
from tests.apps.exchanges.acceptance.worlds import recorded
from tradebot.contracts.errors import VenueError, VenueUnavailable

OKX, BYBIT, KRAKEN = "POST /api/v5/trade/order", "POST /v5/order/create", "POST /0/private/AddOrder"


def okx(code: str) -> dict[str, Any]:
    return {"code": "1", "msg": "", "data": [{"clOrdId": "", "ordId": "", "sCode": code, "sMsg": "as the test says"}]}


def bybit(code: int) -> dict[str, Any]:
    return {"retCode": code, "retMsg": "as the test says", "result": {}}


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replay]:
    monkeypatch.setattr(shared, "_known", {})
    with Replay().running() as running:
        yield running


@pytest.mark.parametrize(
    ("venue", "route", "body"),
    [
        ("okx", OKX, {"code": "50011", "msg": "Rate limit reached.", "data": []}),
        ("okx", OKX, okx("50061")),
        ("bybit", BYBIT, bybit(10006)),
        ("bybit", BYBIT, bybit(10018)),
        ("kraken", KRAKEN, {"error": ["EAPI:Rate limit exceeded"]}),
        ("kraken", KRAKEN, {"error": ["EGeneral:Too many requests"]}),
    ],
    ids=["okx 50011", "okx 50061", "bybit 10006", "bybit 10018", "kraken key", "kraken address"],
)
def test_everybody_waits(replay: Replay, venue: str, route: str, body: Any) -> None:
    first, other = recorded(venue, replay), recorded(venue, replay)
    replay.play({route: body})
    with pytest.raises(VenueUnavailable):
        first.venue.place(MARKET_BUY)
    replay.asked.clear()
    with pytest.raises(VenueUnavailable, match="asked us to wait"):
        other.venue.place(replace(MARKET_BUY, client_id=C))
    assert replay.asked == []


@pytest.mark.parametrize(
    ("venue", "route", "body"),
    [
        ("okx", OKX, okx("51008")),
        ("bybit", BYBIT, bybit(170131)),
        ("kraken", KRAKEN, {"error": ["EOrder:Insufficient funds"]}),
        ("kraken", KRAKEN, {"error": ["EOrder:Rate limit exceeded"]}),
    ],
    ids=["okx funds", "bybit funds", "kraken funds", "one account's orders"],
)
def test_what_concerns_one_account_stops_nobody_else(replay: Replay, venue: str, route: str, body: Any) -> None:
    first, other = recorded(venue, replay), recorded(venue, replay)
    replay.play({route: body})
    for world in (first, other):
        replay.asked.clear()
        with pytest.raises(VenueError):
            world.venue.place(MARKET_BUY)
        assert route in replay.asked
