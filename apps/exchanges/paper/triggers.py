"""When a waiting order is due: its stop price is reached, or the price turned back by its trailing delta."""

from __future__ import annotations

from decimal import Decimal

from apps.exchanges.paper.trade import ZERO, Kind, Order, Side

BIPS = Decimal(10_000)


def reached(kind: Kind, side: Side, stop: Decimal, price: Decimal) -> bool:
    """A stop-loss sale waits below the price, a take-profit sale above it; purchases the other way round."""
    below = (side is Side.SELL) == (kind in {Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT})
    return price <= stop if below else price >= stop


def due(order: Order, price: Decimal) -> bool:
    """Whether it goes into the book at this price. A trailing order's `extreme` follows the price."""
    if not order.trail:
        return reached(order.kind, order.side, order.stop_price, price)
    if order.extreme == ZERO and not activated(order, price):
        return False
    falls = order.side is Side.SELL
    order.extreme = (
        price if order.extreme == ZERO else max(order.extreme, price) if falls else min(order.extreme, price)
    )
    turn = order.trail / BIPS
    return price <= order.extreme * (1 - turn) if falls else price >= order.extreme * (1 + turn)


def activated(order: Order, price: Decimal) -> bool:
    """Whether a trailing order begins to follow: at once, or when its stop price is reached
    (https://developers.binance.com/docs/binance-spot-api-docs/faqs/trailing-stop-faq)."""
    return order.stop_price == ZERO or reached(order.kind, order.side, order.stop_price, price)
