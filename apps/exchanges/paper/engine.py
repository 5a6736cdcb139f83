"""The exchange itself: accepts, matches, triggers, cancels and settles orders, one ledger transaction each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

from apps.exchanges.paper import triggers
from apps.exchanges.paper.book import Book, Level, Take, around, crosses, take_qty, take_quote
from apps.exchanges.paper.clock import wall_clock
from apps.exchanges.paper.depth import GivenBook
from apps.exchanges.paper.events import Balances, Deposited, Event, Listed, steps
from apps.exchanges.paper.filters import check
from apps.exchanges.paper.ledger import Ledger
from apps.exchanges.paper.settlement import FEE, accepted, settled
from apps.exchanges.paper.tape import Tape
from apps.exchanges.paper.trade import (
    ZERO,
    Fill,
    Kind,
    Listing,
    NewOrder,
    Order,
    OrderList,
    Reason,
    Refused,
    Side,
    Status,
    Tif,
)

__all__ = ["FEE", "Exchange", "wall_clock"]


class Exchange:
    """All markets, prices and accounts. Not thread-safe: one event loop owns it.

    `watchers` are told of every change after its commit, `price_watchers` of every moved market (its symbol).
    """

    def __init__(self, ledger: Ledger, listings: Mapping[str, Listing], now: Callable[[], int] = wall_clock) -> None:
        self.ledger = ledger
        self.listings = dict(listings)
        self.now = now
        self.tape = Tape()
        self.watchers: list[Callable[[Event], None]] = []
        self.price_watchers: list[Callable[[str], None]] = []
        self._news: list[Event] = []
        self._books: dict[str, GivenBook] = {}
        self._holding = False
        self._held: set[int] = set()
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
        """The given book, or one made from the price."""
        given = self._books.get(symbol)
        return given.now if given else around(self.listing(symbol), self._prices[symbol])

    def set_book(self, symbol: str, book: Book | None) -> list[Order]:
        """Trade against this book, used up by trades and moved with the price; None: one made from the price again.
        Returns the orders that acted."""
        price = self.price(symbol)
        if book is None:
            self._books.pop(symbol, None)
        else:
            self._books[symbol] = GivenBook(book, price, book)
        return self._moved(symbol)

    def set_price(self, symbol: str, price: Decimal) -> list[Order]:
        """Move a market (to the nearest tick, at least one) and let waiting orders act. Returns those that did."""
        listing = self.listing(symbol)
        moved = max(listing.tick, (price / listing.tick).to_integral_value() * listing.tick)
        now = self.now()
        self.ledger.save_price(symbol, moved, now)
        self._prices[symbol] = moved
        self.tape.price(symbol, moved, now)
        if given := self._books.get(symbol):
            given.move(moved)
        return self._moved(symbol)

    def deposit(self, account: int, amounts: Mapping[str, Decimal]) -> None:
        """Add to an account's free balances."""
        with self._change():
            for asset, amount in amounts.items():
                self.ledger.deposit(account, asset, amount, self.now())
                self._news.append(Deposited(account, asset, amount, self.now()))

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
        with self._change():
            self.check(account, new)
            order = accepted(account, new, self.now())
            self.ledger.add_order(order)
            fills = self._enter(order, new)
            self.ledger.save_order(order)
            self._report(order, fills, entered=True)
        return order, fills

    def place_pair(
        self, account: int, client_id: str, pair: tuple[NewOrder, NewOrder]
    ) -> tuple[OrderList, list[Order]]:
        """Accept two resting orders of which one ends the other; together they lock what the greater needs. Raises
        Refused with nothing changed."""
        with self._change():
            for new in pair:
                self.check(account, new)
            if pair[0].client_id == pair[1].client_id:
                raise Refused(Reason.DUPLICATE)
            orders = OrderList(0, account, pair[0].symbol, client_id, self.now())
            self.ledger.add_list(orders)
            listing = self.listings[orders.symbol]
            greater = max(pair, key=lambda new: self._needed(new, listing))
            legs = [self._leg(orders, new, lock=new is greater) for new in pair]
            self._news.append(Listed(account, replace(orders), tuple(legs), orders.at))
            for leg in legs:
                self._report(leg, [], entered=True)
        return orders, legs

    def cancel(self, account: int, symbol: str, *, order_id: int | None = None, client_id: str | None = None) -> Order:
        """Take an open order off, and with it the other leg of its list. Raises Refused(UNKNOWN_ORDER) when it is not
        open."""
        with self._change():
            order = self.ledger.order(account, symbol, order_id=order_id, client_id=client_id)
            if order is None or not order.open:
                raise Refused(Reason.UNKNOWN_ORDER)
            self._close(order, Status.CANCELED)
            self._end_list(order, Status.CANCELED)
        return order

    @contextmanager
    def fills_held(self) -> Iterator[list[int]]:
        """Orders placed inside are only acknowledged: their ids are in the list, and they wait for `release`. After a
        restart they are matched at once."""
        known = set(self._held)
        ids: list[int] = []
        self._holding = True
        try:
            yield ids
        finally:
            self._holding = False
            ids.extend(sorted(self._held - known))

    def release(self, ids: Iterable[int] | None = None) -> list[Order]:
        """Let held orders (these, or all) meet the book. Returns those that did."""
        freed = self._held & set(ids) if ids is not None else set(self._held)
        self._held -= freed
        symbols = {order.symbol for order in self.ledger.open_orders() if order.id in freed}
        return [order for symbol in sorted(symbols) for order in self._wake(symbol)]

    @contextmanager
    def _change(self) -> Iterator[None]:
        """One ledger transaction; its news are told once it is committed."""
        try:
            with self.ledger.transaction():
                yield
        except BaseException:
            self._news.clear()
            raise
        news, self._news = self._news, []
        for event in news:
            for watcher in self.watchers:
                watcher(event)

    def _report(self, order: Order, fills: Iterable[Fill], *, entered: bool = False) -> None:
        if not self.watchers:
            return
        now, listing = self.now(), self.listings[order.symbol]
        self._news += steps(order, fills, now, entered=entered)
        held = {asset: self.ledger.holding(order.account, asset) for asset in (listing.base, listing.quote)}
        self._news.append(Balances(order.account, held, now))

    def _enter(self, order: Order, new: NewOrder) -> list[Fill]:
        """Send a new order into the book, or let it wait for its trigger or its release."""
        if self._holding and not new.kind.waits:
            self._held.add(order.id)
            self._shift(order, self.listings[new.symbol], self._needed(new, self.listings[new.symbol]))
            return []
        if order.trail and triggers.activated(order, self._prices[order.symbol]):
            order.extreme = self._prices[order.symbol]
        fills = [] if new.kind.waits else self._match(order, self.listings[new.symbol])
        self._rest(order)
        return fills

    def _leg(self, orders: OrderList, new: NewOrder, *, lock: bool) -> Order:
        order = accepted(orders.account, new, orders.at, orders.id)
        order.working_at = 0 if new.kind.waits else orders.at
        if order.trail and triggers.activated(order, self._prices[order.symbol]):
            order.extreme = self._prices[order.symbol]
        self.ledger.add_order(order)
        if lock:
            self._lock(order)
        self.ledger.save_order(order)
        return order

    def _end_list(self, order: Order, status: Status) -> None:
        """Close the other legs of an order's list."""
        if not order.list_id:
            return
        legs = self.ledger.legs(order.list_id)
        for leg in legs:
            if leg.open and leg.id != order.id:
                self._close(leg, status)
        self.ledger.end_list(order.list_id)
        found = self.ledger.find_list(order.account, list_id=order.list_id)
        if found:
            self._news.append(Listed(order.account, found, tuple(legs), self.now()))

    def _check_trigger(self, new: NewOrder) -> None:
        at_once = not new.trail and triggers.reached(
            new.kind, new.side, new.stop_price or ZERO, self._prices[new.symbol]
        )
        if new.kind.waits and at_once:
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
            at = new.price or new.stop_price or self._prices[new.symbol]
            return qty * at if new.side is Side.BUY else qty
        facing = self.book(new.symbol).facing(new.side)
        if new.quote_qty is not None:
            return new.quote_qty if new.side is Side.BUY else take_quote(facing, new.quote_qty, listing.step).qty
        return take_qty(facing, qty, new.side).cost if new.side is Side.BUY else qty

    def _moved(self, symbol: str) -> list[Order]:
        acted = self._wake(symbol)
        for watcher in self.price_watchers:
            watcher(symbol)
        return acted

    def _wake(self, symbol: str) -> list[Order]:
        """Let a market's open orders meet its price: after each move, and at start for a move that was cut short."""
        acted = []
        for known in self.ledger.open_orders(symbol=symbol):
            with self._change():
                order = self._still_open(known)
                if order and self._act(order, self.listings[symbol]):
                    acted.append(order)
        return acted

    def _still_open(self, order: Order) -> Order | None:
        """A leg as it is now: the other leg may have ended it a moment ago."""
        if not order.list_id:
            return order
        now = self.ledger.order(order.account, order.symbol, order_id=order.id)
        return now if now and now.open else None

    def _act(self, order: Order, listing: Listing) -> bool:
        """Let a resting order meet the new price: trigger it, fill it at its own limit, or leave it."""
        waited = not order.working
        if waited and not self._due(order):
            return False
        taken = Take(()) if waited else self._offered(order)
        if not waited and not taken.qty:
            return False
        self._end_list(order, Status.EXPIRED)
        self._unlock(order, listing)
        if waited:
            fills = self._match(order, listing)
        else:
            fills = self._settle(order, listing, [Level(order.price, taken.qty)], maker=True)
        self._rest(order)
        self.ledger.save_order(order)
        self._report(order, fills, entered=waited and order.kind.priced)
        return True

    def _due(self, order: Order) -> bool:
        """Whether an order that has not reached the book goes there now."""
        if not order.kind.waits:
            return order.id not in self._held
        seen = order.extreme
        due = triggers.due(order, self._prices[order.symbol])
        if order.extreme != seen:
            self.ledger.save_order(order)
        return due

    def _offered(self, order: Order) -> Take:
        """What the book offers a resting order within its limit."""
        return take_qty(self.book(order.symbol).facing(order.side), order.remaining, order.side, order.price)

    def _match(self, order: Order, listing: Listing) -> list[Fill]:
        """Send an order into the book: fill what it may take now."""
        order.working_at = order.updated_at = self.now()
        taken = self._taken(order, listing)
        if order.tif is Tif.FOK and taken.qty < order.qty:
            return []
        return self._settle(order, listing, taken.takes, maker=False)

    def _taken(self, order: Order, listing: Listing) -> Take:
        facing = self.book(order.symbol).facing(order.side)
        free = self.ledger.holding(order.account, listing.quote).free if order.side is Side.BUY else None
        if order.quote_qty:
            budget = order.quote_qty if free is None else min(free, order.quote_qty)
            return take_quote(facing, budget, listing.step)
        if not order.kind.priced and free is not None:
            return take_quote(facing, free, listing.step, most=order.remaining)
        return take_qty(facing, order.remaining, order.side, order.price if order.kind.priced else None)

    def _settle(self, order: Order, listing: Listing, takes: Iterable[Level], *, maker: bool) -> list[Fill]:
        base = self.ledger.holding(order.account, listing.base)
        quote = self.ledger.holding(order.account, listing.quote)
        now = self.now()
        fills = [
            self.ledger.add_fill(order.account, settled(order, listing, take, base, quote, maker=maker, at=now))
            for take in takes
        ]
        if fills:
            self.ledger.save_holding(order.account, listing.base, base)
            self.ledger.save_holding(order.account, listing.quote, quote)
            self.tape.trades(order.symbol, fills)
            if given := self._books.get(order.symbol):
                given.take(order.side, sum((fill.qty for fill in fills), ZERO))
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
        at = order.price or order.stop_price or self._prices[order.symbol]
        self._shift(order, listing, order.remaining * at if order.side is Side.BUY else order.remaining)

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
        self._held.discard(order.id)
        order.status = status
        order.updated_at = self.now()
        self.ledger.save_order(order)
        self._report(order, [])
