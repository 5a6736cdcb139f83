"""The exchange's rules for an order's numbers: tick, step, bounds and smallest notional (Binance's filter names)."""

from __future__ import annotations

from decimal import Decimal

from apps.exchanges.paper.trade import Kind, Listing, NewOrder, Reason, Refused

MULTIPLIER_UP = Decimal(5)
MULTIPLIER_DOWN = Decimal("0.2")
SMALLEST_TRAIL, LARGEST_TRAIL = 10, 2_000
"""Basis points."""


def check(new: NewOrder, listing: Listing, last: Decimal) -> None:
    """Raises Refused(FILTER, name of the first filter that fails)."""
    for name, fine in (
        ("PRICE_FILTER", _price(new.price, listing) and _price(new.stop_price, listing)),
        ("PERCENT_PRICE_BY_SIDE", new.price is None or last * MULTIPLIER_DOWN <= new.price <= last * MULTIPLIER_UP),
        ("LOT_SIZE", new.qty is None or _quantity(new.qty, listing)),
        ("TRAILING_DELTA", not new.trail or SMALLEST_TRAIL <= new.trail <= LARGEST_TRAIL),
        ("NOTIONAL", _notional(new, last) >= listing.min_notional),
    ):
        if not fine:
            raise Refused(Reason.FILTER, name)


def _price(price: Decimal | None, listing: Listing) -> bool:
    return price is None or (listing.tick <= price <= listing.max_price and price % listing.tick == 0)


def _quantity(qty: Decimal, listing: Listing) -> bool:
    return listing.step <= qty <= listing.max_qty and qty % listing.step == 0


def _notional(new: NewOrder, last: Decimal) -> Decimal:
    if new.quote_qty is not None:
        return new.quote_qty
    price = last if new.kind is Kind.MARKET else new.price or new.stop_price or last
    return price * (new.qty or Decimal(0))
