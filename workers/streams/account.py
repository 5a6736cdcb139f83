"""One account's own stream: orders, trades and balances in, rows out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any

from tradebot.contracts.errors import InvalidField
from tradebot.contracts.ports import VenueFill, VenueOrder
from tradebot.contracts.values import Pair
from workers.streams import books, metrics
from workers.streams.hints import Hints
from workers.streams.stream import Stream, closing, subscribed
from workers.streams.threads import Threads
from workers.streams.wanted import Account

GATHER_SECONDS = 0.02
"""A trade and the order that it belongs to come as two events."""

SENDING_SECONDS = 1.0
"""When to try again what another process was about to book."""

EXPLAIN_SECONDS = 1.0
"""A balance that changed while nothing was said of an order means that something was not heard."""

ASK_SECONDS = 0.2
"""Between an event that does not say all and the question: of several quick ones only the last is asked about."""

SETTLED_SECONDS = 6.0
"""The reconciler leaves an order alone for five seconds after its last change."""

COMPLETE_FILLS = frozenset({"binance"})
"""Dialects whose trade events tell all of a fill: its id, its own amount, price and fee. Others are asked by REST."""


class AccountStream(Stream):
    """What it hears goes through the same booking as REST answers; what it does not say is asked."""

    kind = "account"

    def __init__(self, account: Account, threads: Threads) -> None:
        super().__init__(account.venue, threads, credential=str(account.credential_id))
        self.account = account
        self._hints = Hints()
        self._news = asyncio.Event()
        self._ask = asyncio.Event()
        self._order_at = 0.0

    async def _listen(self) -> None:
        client = await self._run(books.account_client, self.account.credential_id)
        async with closing(client), asyncio.TaskGroup() as group:
            for watch in self._watches(client):
                group.create_task(watch)
            group.create_task(self._booking())
            group.create_task(self._asking())
            await subscribed(client)
            self._arrived()
            # What happened while nobody listened is not told again.
            self._wonder()

    def _watches(self, client: Any) -> Iterator[Any]:
        yield _heard(client.watch_orders, self._orders)
        if client.has.get("watchMyTrades"):
            yield _heard(client.watch_my_trades, partial(self._trades, client.id in COMPLETE_FILLS))
        if client.has.get("watchBalance"):
            yield _heard(client.watch_balance, self._balance)

    # --- hearing -----------------------------------------------------------------------------------------------------

    def _orders(self, told: Sequence[Any]) -> None:
        for one in told:
            metrics.note_event(self.venue, "order", one)
            if (order := _order(one)) is not None:
                self._hints.order(order)
        self._wake()

    def _trades(self, complete: bool, told: Sequence[Any]) -> None:
        for one in told:
            metrics.note_event(self.venue, "trade", one)
            if complete and (fill := _fill(one)) is not None:
                self._hints.fill(fill)
        self._wake()

    def _wake(self) -> None:
        self._order_at = asyncio.get_running_loop().time()
        if self._hints:
            self._news.set()

    def _balance(self, told: Any) -> None:
        metrics.note_event(self.venue, "balance", told)
        loop = asyncio.get_running_loop()
        loop.call_later(EXPLAIN_SECONDS, self._explain, loop.time() - EXPLAIN_SECONDS)

    def _explain(self, since: float) -> None:
        if self._order_at < since:
            self._wonder()

    def _wonder(self) -> None:
        """Ask now, and once more when an order that was just touched may be asked about too."""
        self._ask.set()
        asyncio.get_running_loop().call_later(SETTLED_SECONDS, self._ask.set)

    # --- booking -----------------------------------------------------------------------------------------------------

    async def _booking(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._news.clear()
            await self._book()

    async def _book(self) -> None:
        taken = self._hints.take()
        booked = await self._run(books.book, self.account.credential_id, taken.reports)
        if booked.later:
            self._hints.again(booked.later)
            asyncio.get_running_loop().call_later(SENDING_SECONDS, self._news.set)
        if booked.guards:
            await self._run(books.keep_guards, self.account.credential_id, sorted(booked.guards))
        if booked.incomplete or taken.unexplained:
            self._wonder()

    async def _asking(self) -> None:
        while True:
            await self._ask.wait()
            await asyncio.sleep(ASK_SECONDS)
            self._ask.clear()
            await self._run(books.reconcile, self.account.credential_id)


async def _heard(ask: Callable[[], Awaitable[Any]], tell: Callable[[Any], None]) -> None:
    while True:
        tell(await ask())


def _order(told: Any) -> VenueOrder | None:
    """An order event without its trades, which come as events of their own; None for what is no spot pair."""
    from apps.exchanges.adapters import told as reading

    try:
        return reading.order({**told, "trades": None}, Pair.parse(told["symbol"]), str(told["type"]))
    except InvalidField:
        return None


def _fill(told: Any) -> VenueFill | None:
    """The fill, if the event tells all of it."""
    from apps.exchanges.adapters import told as reading

    if not (told["id"] and told["order"] and (told.get("fee") or {}).get("currency")):
        return None
    try:
        return reading.trade(told, Pair.parse(told["symbol"]))
    except InvalidField:
        return None
