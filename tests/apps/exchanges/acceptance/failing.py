"""What every adapter must make of requests that go wrong, and of keys that must not be used."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.apps.exchanges.acceptance.cases import BTC, LIMIT_BUY, MARKET_BUY, STOP, A
from tests.apps.exchanges.acceptance.worlds import World, on_paper
from tradebot.contracts.errors import VenueError, VenueRejected, VenueUnavailable, VenueUnknown
from tradebot.contracts.values import Pair


def misfits(world: World) -> None:
    """What the market can't take is refused before anything leaves."""
    bad = (
        replace(MARKET_BUY, amount=Decimal("NaN")),
        replace(MARKET_BUY, amount=Decimal(-1)),
        replace(MARKET_BUY, amount=Decimal("0.0000000001")),
        replace(MARKET_BUY, price=Decimal(30000)),
        replace(LIMIT_BUY, price=Decimal("25000.00000001")),
        replace(LIMIT_BUY, price=Decimal(0)),
        replace(STOP, stop_price=None),
        replace(MARKET_BUY, pair=Pair("NOPE", "USDT")),
    )
    for request in bad:
        with pytest.raises(VenueRejected):
            world.venue.place(request)
    assert world.nothing_sent()


def answer_never_comes(world: World) -> None:
    _fails(world, "hang", VenueUnknown)


def answer_is_cut(world: World) -> None:
    _fails(world, "cut", VenueUnknown)


def lost_answer(world: World) -> None:
    """The exchange took the order, the answer was lost: it is found by its client id, and is there once."""
    answer_is_cut(world)
    world.heal()
    world.play("find")
    found = world.venue.find(BTC, A)
    assert found is not None
    assert (found.status, found.filled) == ("filled", MARKET_BUY.amount)
    world.play("orders_since")
    listed = world.venue.orders_since(BTC, datetime.now(UTC) - timedelta(hours=1))
    assert [order.venue_order_id for order in listed if order.client_id == A] == [found.venue_order_id]


def server_error(world: World) -> None:
    for status in (500, 502, 503, 504) if world.recorded else (503,):
        _fails(world, status, VenueUnknown)
        world.heal()


def senseless_answer(world: World) -> None:
    _fails(world, 200, VenueUnknown)


def rate_limited(world: World) -> None:
    told = _fails(world, 429, VenueUnavailable)
    assert "7 s" in told.reason or not world.recorded


def nobody_listens(world: World) -> None:
    """The order certainly did not leave."""
    world.venue.market(BTC)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        world.venue.client.urls = dict(world.venue.client.urls)
        world.venue.client.move_to(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(VenueUnavailable):
            world.venue.place(MARKET_BUY)


def clock_off(world: World) -> None:
    """Refused for the moment it carries: nothing was placed."""
    world.play("clock_off")
    request = replace(MARKET_BUY, submitted_at=datetime.now(UTC) - timedelta(seconds=0 if world.recorded else 30))
    with pytest.raises((VenueRejected, VenueUnavailable)) as refused:
        world.venue.place(request)
    assert refused.value.code


def wrong_secret(world: World) -> None:
    world.play("wrong_secret")
    if not world.recorded:
        world.venue.client.secret = "another-secret"
    with pytest.raises(VenueRejected) as refused:
        world.venue.balances()
    assert refused.value.code
    assert "secret" not in str(refused.value).lower()


def trade_only_key(world: World) -> None:
    world.play("trade_only_key")
    assert world.venue.may_withdraw() is False


def withdraw_key(world: World) -> None:
    world.play("withdraw_key")
    free = world if world.paper is None else on_paper(world.name, world.paper, withdraw=True)
    assert free.venue.may_withdraw() is True


def _fails(world: World, fault: str | int, kind: type[VenueError]) -> VenueError:
    world.fail(fault)
    with pytest.raises(kind) as failed:
        world.venue.place(MARKET_BUY)
    assert type(failed.value) is kind
    return failed.value
