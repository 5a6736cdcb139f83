"""What one trade does to an order and its account's two balances."""

from __future__ import annotations

from decimal import Decimal

from apps.exchanges.paper.book import Level
from apps.exchanges.paper.trade import UNIT, ZERO, Fill, Holding, Listing, NewOrder, Order, Side

FEE = Decimal("0.001")
"""Of the received asset, maker and taker alike."""


def accepted(account: int, new: NewOrder, now: int, list_id: int = 0) -> Order:
    """The order as it stands before it has an id or met the book."""
    return Order(
        id=0,
        account=account,
        symbol=new.symbol,
        client_id=new.client_id,
        side=new.side,
        kind=new.kind,
        tif=new.tif,
        price=new.price or ZERO,
        qty=new.qty or ZERO,
        quote_qty=new.quote_qty or ZERO,
        stop_price=new.stop_price or ZERO,
        created_at=now,
        updated_at=now,
        trail=new.trail,
        list_id=list_id,
    )


def settled(
    order: Order, listing: Listing, take: Level, base: Holding, quote: Holding, *, maker: bool, at: int
) -> Fill:
    """Move both balances for one trade; the fee comes off what is received."""
    cost = take.price * take.qty
    received, paid = (base, quote) if order.side is Side.BUY else (quote, base)
    got, gave = (take.qty, cost) if order.side is Side.BUY else (cost, take.qty)
    fee = (got * FEE).quantize(UNIT)
    received.free += got - fee
    paid.free -= gave
    order.filled += take.qty
    order.quote_filled += cost
    fee_asset = listing.base if order.side is Side.BUY else listing.quote
    return Fill(0, order.id, order.symbol, order.side, take.price, take.qty, fee, fee_asset, maker, at)
