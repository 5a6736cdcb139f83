"""The exchange itself: accepts, matches, triggers, cancels and settles orders, one ledger transaction each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from apps.exchanges.paper.book import Book, Level, Take, around, crosses, take_qty, take_quote
from apps.exchanges.paper.filters import check
from apps.exchanges.paper.ledger import Holding, Ledger
from apps.exchanges.paper.tape import Tape
from apps.exchanges.paper.trade import (
    UNIT,
    ZERO,
    Fill,
    Kind,
    Listing,
    NewOrder,
    Order,
    Reason,
    Refused,
    Side,
    Status,
    Tif,
)

FEE = Decimal("0.001")
"""Of the received asset, maker and taker alike."""


def wall_clock() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Exchange:
    """All markets, prices and accounts. Not thread-safe: one event loop owns it."""

    def __init__(self, ledger: Ledger, listings: Mapping[str, Listing], now: Callable[[], int] = wall_clock) -> None:
        self.ledger = ledger
        self.listings = dict(listings)
        self.now = now
        self.tape = Tape()
        known = ledger.prices()
        self._prices = {symbol: known.get(symbol, listing.price) for symbol, listing in self.listings.items()}
        for symbol, price in self._prices.items():
            self.tape.price(symbol, price, now())
            self._wake(symbol)

    def listing(self, symbol: str) -> Listing:
        """Raises Refused(UNKNOWN_SYMBOL)."""
        try:
            return self.listings[symbol]
        except KeyError:
            raise Refused(Reason.UNKNOWN_SYMBOL, symbol) from None

    def price(self, symbol: str) -> Decimal:
        """The last price."""
        return self._prices[self.listing(symbol).symbol]

    def book(self, symbol: str) -> Book:
        return around(self.listing(symbol), self._prices[symbol])

    def set_price(self, symbol: str, price: Decimal) -> list[Order]:
        """Move a market (to the nearest tick, at least one) and let waiting orders act. Returns those that did."""
        listing = self.listing(symbol)
        moved = max(listing.tick, (price / listing.tick).to_integral_value() * listing.tick)
        now = self.now()
        self.ledger.save_price(symbol, moved, now)
        self._prices[symbol] = moved
        self.tape.price(symbol, moved, now)
        return self._wake(symbol)

    def check(self, account: int, new: NewOrder) -> None:
        """Everything that may refuse an order before it is matched. Raises Refused."""
        listing = self.listing(new.symbol)
        check(new, listing, self._prices[new.symbol])
        if self.ledger.has_open(account, new.symbol, new.client_id):
            raise Refused(Reason.DUPLICATE)
        if self.ledger.count_open(account, new.symbol) >= listing.max_orders:
            raise Refused(Reason.FILTER, "MAX_NUM_ORDERS")
        self._check_trigger(new)
        self._check_maker(new)
        self._check_funds(account, new, listing)

    def place(self, account: int, new: NewOrder) -> tuple[Order, list[Fill]]:
        """Accept an order and match it at once, or raise Refused with nothing changed."""
        with self.ledger.transaction():
            self.check(account, new)
            order = _accepted(account, new, self.now())
            self.ledger.add_order(order)
            fills = [] if new.kind.waits else self._match(order, self.listings[new.symbol])
            self._rest(order)
            self.ledger.save_order(order)
        return order, fills

    def cancel(self, account: int, symbol: str, *, order_id: int | None = None, client_id: str | None = None) -> Order:
        """Take an open order off. Raises Refused(UNKNOWN_ORDER) when it is not open."""
        with self.ledger.transaction():
            order = self.ledger.order(account, symbol, order_id=order_id, client_id=client_id)
            if order is None or not order.open:
                raise Refused(Reason.UNKNOWN_ORDER)
            self._close(order, Status.CANCELED)
        return order

    def _check_trigger(self, new: NewOrder) -> None:
        if new.kind.waits and _triggered(new.kind, new.side, new.stop_price or ZERO, self._prices[new.symbol]):
            raise Refused(Reason.WOULD_TRIGGER)

    def _check_maker(self, new: NewOrder) -> None:
        facing = self.book(new.symbol).facing(new.side)
        if new.kind is Kind.LIMIT_MAKER and facing and crosses(new.side, new.price or ZERO, facing[0].price):
            raise Refused(Reason.WOULD_TAKE)
        if new.kind is Kind.MARKET and not facing:
            raise Refused(Reason.NO_LIQUIDITY)

    def _check_funds(self, account: int, new: NewOrder, listing: Listing) -> None:
        asset = listing.quote if new.side is Side.BUY else listing.base
        if self._needed(new, listing) > self.ledger.holding(account, asset).free:
            raise Refused(Reason.INSUFFICIENT)

    def _needed(self, new: NewOrder, listing: Listing) -> Decimal:
        """What the order takes of the account's free balance when it is accepted."""
        qty = new.qty or ZERO
        if new.kind is not Kind.MARKET:
            return qty * (new.price or new.stop_price or ZERO) if new.side is Side.BUY else qty
        facing = self.book(new.symbol).facing(new.side)
        if new.quote_qty is not None:
            return new.quote_qty if new.side is Side.BUY else take_quote(facing, new.quote_qty, listing.step).qty
        return take_qty(facing, qty, new.side).cost if new.side is Side.BUY else qty

    def _wake(self, symbol: str) -> list[Order]:
        """Let a market's open orders meet its price: after each move, and at start for a move that was cut short."""
        acted = []
        for order in self.ledger.open_orders(symbol=symbol):
            with self.ledger.transaction():
                if self._act(order, self.listings[symbol]):
                    acted.append(order)
        return acted

    def _act(self, order: Order, listing: Listing) -> bool:
        """Let a resting order meet the new price: trigger it, fill it at its own limit, or leave it."""
        if not order.working:
            if not _triggered(order.kind, order.side, order.stop_price, self._prices[order.symbol]):
                return False
            self._unlock(order, listing)
            self._match(order, listing)
        else:
            facing = self.book(order.symbol).facing(order.side)
            if not facing or not crosses(order.side, order.price, facing[0].price):
                return False
            self._unlock(order, listing)
            self._settle(order, listing, [Level(order.price, order.remaining)], maker=True)
        self._rest(order)
        self.ledger.save_order(order)
        return True

    def _match(self, order: Order, listing: Listing) -> list[Fill]:
        """Send an order into the book: fill what it may take now."""
        order.working_at = order.updated_at = self.now()
        taken = self._taken(order, listing)
        if order.tif is Tif.FOK and taken.qty < order.qty:
            return []
        return self._settle(order, listing, taken.takes, maker=False)

    def _taken(self, order: Order, listing: Listing) -> Take:
        facing = self.book(order.symbol).facing(order.side)
        if order.quote_qty:
            return take_quote(facing, order.quote_qty, listing.step)
        if order.kind in {Kind.STOP_LOSS, Kind.TAKE_PROFIT} and order.side is Side.BUY:
            free = self.ledger.holding(order.account, listing.quote).free
            return take_quote(facing, free, listing.step, most=order.remaining)
        return take_qty(facing, order.remaining, order.side, order.price if order.kind.priced else None)

    def _settle(self, order: Order, listing: Listing, takes: Iterable[Level], *, maker: bool) -> list[Fill]:
        base = self.ledger.holding(order.account, listing.base)
        quote = self.ledger.holding(order.account, listing.quote)
        now = self.now()
        fills = [
            self.ledger.add_fill(order.account, _settled(order, listing, take, base, quote, maker=maker, at=now))
            for take in takes
        ]
        if fills:
            self.ledger.save_holding(order.account, listing.base, base)
            self.ledger.save_holding(order.account, listing.quote, quote)
            self.tape.trades(order.symbol, fills)
        order.updated_at = now
        return fills

    def _rest(self, order: Order) -> None:
        """Decide what remains of an order: nothing, a place in the book with its funds locked, or its end."""
        if order.quote_qty and order.filled:
            order.qty = order.filled
        if order.filled and order.filled == order.qty:
            order.status = Status.FILLED
        elif order.working and (order.tif is not Tif.GTC or not order.kind.priced):
            order.status = Status.EXPIRED
        else:
            order.status = Status.PARTIALLY_FILLED if order.filled else Status.NEW
            self._lock(order)

    def _lock(self, order: Order) -> None:
        listing = self.listings[order.symbol]
        needed = order.remaining * (order.price or order.stop_price) if order.side is Side.BUY else order.remaining
        self._shift(order, listing, needed)

    def _unlock(self, order: Order, listing: Listing) -> None:
        self._shift(order, listing, -order.locked)

    def _shift(self, order: Order, listing: Listing, amount: Decimal) -> None:
        asset = listing.quote if order.side is Side.BUY else listing.base
        holding = self.ledger.holding(order.account, asset)
        holding.free -= amount
        holding.locked += amount
        order.locked += amount
        self.ledger.save_holding(order.account, asset, holding)

    def _close(self, order: Order, status: Status) -> None:
        self._unlock(order, self.listings[order.symbol])
        order.status = status
        order.updated_at = self.now()
        self.ledger.save_order(order)


def _accepted(account: int, new: NewOrder, now: int) -> Order:
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
    )


def _triggered(kind: Kind, side: Side, stop: Decimal, price: Decimal) -> bool:
    """A stop-loss sale waits below the price, a take-profit sale above it; purchases the other way round."""
    below = (side is Side.SELL) == (kind in {Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT})
    return price <= stop if below else price >= stop


def _settled(
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
