"""What every adapter must do. Each case plays one scene in a world and says what has to come out of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.apps.exchanges.acceptance.worlds import World
from tradebot.contracts.errors import VenueRejected, VenueUnknown
from tradebot.contracts.ports import OrderRequest, VenueFill, VenueOrder
from tradebot.contracts.values import Action, OrderType, Pair

BTC = Pair("BTC", "USDT")
A, B, C, D = (letter * 32 for letter in "abcd")
MARKET_BUY = OrderRequest(A, BTC, Action.BUY, OrderType.MARKET, Decimal("0.5"))
LIMIT_BUY = OrderRequest(B, BTC, Action.BUY, OrderType.LIMIT, Decimal(1), Decimal("25000.5"))
STOP = OrderRequest(C, BTC, Action.SELL, OrderType.STOP_LOSS, Decimal(1), stop_price=Decimal(29000))
TARGET = replace(STOP, type=OrderType.TAKE_PROFIT, stop_price=Decimal(31000))
TRAILING = replace(STOP, type=OrderType.TRAILING_STOP, stop_price=None, trail=Decimal("2.5"))


def markets(world: World) -> None:
    market = world.venue.market(BTC)
    assert market is not None
    assert market.active
    assert str(BTC) in world.venue.pairs()
    steps = (market.tick, market.step)
    assert all(isinstance(step, Decimal) and step > 0 and step == step.normalize() for step in steps), steps
    assert market.min_amount > 0
    assert world.venue.market(Pair("NOPE", "USDT")) is None


def ticker(world: World) -> None:
    told = world.venue.ticker(BTC)
    assert 0 < told.bid < told.ask
    assert told.at.tzinfo is not None
    if world.recorded:
        assert (told.bid, told.ask, told.last) == (Decimal("29999.5"), Decimal("30000.5"), Decimal(30000))


def depth(world: World) -> None:
    told = world.venue.depth(BTC)
    assert [level.price for level in told.bids] == sorted((level.price for level in told.bids), reverse=True)
    assert [level.price for level in told.asks] == sorted(level.price for level in told.asks)
    assert told.bids[0].price < told.asks[0].price
    if world.recorded:
        assert (told.bids[0].amount, told.asks[1].amount) == (Decimal("0.4"), Decimal(2))


def shared_book(world: World) -> None:
    """A second account of this process asks nothing while the first one's answer is young enough."""
    first = world.venue.depth(BTC)
    asked = len(world.wire)
    assert world.venue.depth(BTC, max_age=60) is first
    assert len(world.wire) == asked


def fees(world: World) -> None:
    told = world.venue.fees(BTC)
    assert 0 <= told.maker <= told.taker < Decimal("0.01")
    if world.recorded:
        assert (told.maker, told.taker) == (Decimal("0.0008"), Decimal("0.001"))


def balances(world: World) -> None:
    assert world.venue.balances() == world.balances


def market_order(world: World) -> None:
    world.play("market_order")
    placed = world.venue.place(MARKET_BUY)
    _is_filled_buy(placed)
    _add_up(placed.fills)


def market_order_wire(world: World) -> None:
    world.play("market_order")
    world.venue.place(MARKET_BUY)
    sent = world.order_sent()
    assert (sent.client_id, sent.amount, sent.price, sent.stop_price) == (A, "0.5", None, None)


def limit_order(world: World) -> None:
    world.play("limit_order")
    placed = world.venue.place(LIMIT_BUY)
    assert (placed.client_id, placed.status, placed.type) == (B, "open", "limit")
    assert (placed.amount, placed.filled, placed.fills) == (Decimal(1), Decimal(0), ())


def limit_order_wire(world: World) -> None:
    world.play("limit_order")
    world.venue.place(LIMIT_BUY)
    sent = world.order_sent()
    assert (sent.client_id, sent.amount, sent.price, sent.stop_price) == (B, "1", "25000.5", None)


def order_carries_its_moment(world: World) -> None:
    """So that the exchange itself refuses what leaves too late; where it can't, an old order does not leave."""
    world.play("market_order")
    at = datetime.now(UTC) - timedelta(seconds=3)
    world.venue.place(replace(MARKET_BUY, submitted_at=at))
    sent = world.order_sent().moment
    if sent is not None:
        milliseconds = int(at.timestamp() * 1000)
        deadline = (at + timedelta(seconds=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert sent in (str(milliseconds), str(milliseconds + 10_000), deadline)
        return
    world.wire.clear()
    with pytest.raises(VenueRejected, match="not sent"):
        world.venue.place(replace(MARKET_BUY, submitted_at=at - timedelta(seconds=10)))
    assert world.nothing_sent()


def stop_loss(world: World) -> None:
    world.play("stop_loss")
    placed = world.venue.place(STOP)
    assert (placed.client_id, placed.status, placed.type) == (C, "open", "stop_loss")
    sent = world.order_sent()
    assert (sent.client_id, sent.amount, sent.stop_price) == (C, "1", "29000")


def take_profit(world: World) -> None:
    world.play("take_profit")
    placed = world.venue.place(TARGET)
    assert (placed.client_id, placed.status, placed.type) == (C, "open", "take_profit")
    assert world.order_sent().stop_price == "31000"


def trailing_stop(world: World) -> None:
    if not world.venue.features.trailing_stop:
        _is_refused_unsent(world, lambda: world.venue.place(TRAILING))
        return
    world.play("trailing_stop")
    placed = world.venue.place(TRAILING)
    assert (placed.client_id, placed.status, placed.type) == (C, "open", "trailing_stop")
    assert world.order_sent().client_id in (C, None)


def oco(world: World) -> None:
    profit = replace(TARGET, client_id=D)
    if not world.venue.features.oco:
        _is_refused_unsent(world, lambda: world.venue.place_oco(STOP, profit))
        return
    world.play("oco")
    stop, target = world.venue.place_oco(STOP, profit)
    assert [(order.client_id, order.type, order.status) for order in (stop, target)] == [
        (C, "stop_loss", "open"),
        (D, "take_profit", "open"),
    ]


def replace_order(world: World) -> None:
    if not world.venue.features.replace:
        _is_refused_unsent(world, lambda: world.venue.replace(BTC, B, STOP))
        return
    _placed_on_paper(world, replace(STOP, client_id=B, stop_price=Decimal(28000)))
    world.play("replace")
    placed = world.venue.replace(BTC, B, STOP)
    assert (placed.client_id, placed.status, placed.type) == (C, "open", "stop_loss")


def replace_of_nothing(world: World) -> None:
    """Nothing is placed when there is nothing to cancel."""
    if not world.venue.features.replace:
        _is_refused_unsent(world, lambda: world.venue.replace(BTC, B, STOP))
        return
    world.play("replace_refused")
    with pytest.raises(VenueRejected, match="not cancelled"):
        world.venue.replace(BTC, B, STOP)


def half_replaced(world: World) -> None:
    """The old order gone, the new one refused for certain: both are told, so that another may follow at once."""
    if not world.venue.features.replace:
        _is_refused_unsent(world, lambda: world.venue.replace(BTC, B, STOP))
        return
    _placed_on_paper(world, replace(STOP, client_id=B))
    world.play("replace_half")
    with pytest.raises(VenueRejected, match="the old order is cancelled"):
        world.venue.replace(BTC, B, replace(STOP, stop_price=Decimal(31000)))


def find(world: World) -> None:
    _placed_on_paper(world, MARKET_BUY)
    world.play("find")
    found = world.venue.find(BTC, A)
    assert found is not None
    _is_filled_buy(found)
    _add_up(found.fills)


def find_nothing(world: World) -> None:
    world.play("find_nothing")
    assert world.venue.find(BTC, A) is None


def cancel(world: World) -> None:
    _placed_on_paper(world, LIMIT_BUY)
    world.play("cancel")
    gone = world.venue.cancel(BTC, B)
    assert gone is not None
    assert (gone.client_id, gone.status) == (B, "canceled")


def cancel_filled(world: World) -> None:
    _placed_on_paper(world, MARKET_BUY)
    world.play("cancel_filled")
    told = world.venue.cancel(BTC, A)
    assert told is not None
    _is_filled_buy(told)


def open_orders(world: World) -> None:
    _placed_on_paper(world, LIMIT_BUY)
    world.play("open_orders")
    assert [(order.client_id, order.status) for order in world.venue.open_orders(BTC)] == [(B, "open")]


def orders_since(world: World) -> None:
    _placed_on_paper(world, MARKET_BUY, LIMIT_BUY)
    world.play("orders_since")
    listed = world.venue.orders_since(BTC, _an_hour_ago())
    assert {(order.client_id, order.status) for order in listed} == {(A, "filled"), (B, "open")}
    assert len(listed) == 2


def fills_since(world: World) -> None:
    _placed_on_paper(world, MARKET_BUY)
    world.play("fills_since")
    fills = world.venue.fills_since(BTC, _an_hour_ago())
    _add_up(fills)
    assert len({fill.venue_order_id for fill in fills}) == 1
    assert len({fill.trade_id for fill in fills}) == len(fills)


def duplicate(world: World) -> None:
    """The client id exists: never a second order, and never a refusal that would be taken for 'nothing placed'."""
    _placed_on_paper(world, LIMIT_BUY)
    world.play("duplicate")
    request = MARKET_BUY if world.recorded else LIMIT_BUY
    with suppress(VenueUnknown):
        assert world.venue.place(request).client_id == request.client_id
        assert world.name == "coinbase", "only Coinbase answers with the order that is there"


def no_funds(world: World) -> None:
    world.play("no_funds")
    request = MARKET_BUY if world.recorded else replace(MARKET_BUY, amount=Decimal(99))
    with pytest.raises(VenueRejected, match=r"(?i)balance|funds") as refused:
        world.venue.place(request)
    assert refused.value.code


def _is_filled_buy(order: VenueOrder) -> None:
    assert (order.client_id, order.side, order.status) == (A, Action.BUY, "filled")
    assert (order.amount, order.filled) == (Decimal("0.5"), Decimal("0.5"))
    assert order.average is not None
    assert 29_000 < order.average < 31_000


def _add_up(fills: tuple[VenueFill, ...] | list[VenueFill] | object) -> None:
    assert isinstance(fills, (tuple, list))
    assert sum(fill.amount for fill in fills) == Decimal("0.5")
    assert all(fill.fee > 0 and fill.fee_currency in ("BTC", "USDT") and fill.trade_id for fill in fills)
    assert all(fill.side is Action.BUY and fill.pair == BTC and fill.at.tzinfo for fill in fills)


def _is_refused_unsent(world: World, ask: Callable[[], object]) -> None:
    with pytest.raises(VenueRejected):
        ask()
    assert world.nothing_sent()


def _placed_on_paper(world: World, *requests: OrderRequest) -> None:
    if not world.recorded:
        for request in requests:
            world.venue.place(request)
        world.wire.clear()


def _an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)
