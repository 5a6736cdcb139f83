"""The prices of one venue: one connection for all accounts, one snapshot for all processes."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from tradebot.contracts.errors import InvalidField, VenueUnavailable
from tradebot.contracts.ports import Depth, Ticker
from tradebot.contracts.values import Pair
from workers.streams import books, metrics
from workers.streams.stream import Stream, closing, dialled
from workers.streams.threads import Threads

FLUSH_SECONDS = 0.25
"""A price is passed on this often at most, always the newest."""

GUARD_SECONDS = 1.0
"""How often guards that we watch ourselves look at it: two reads of the database for each account that has one."""

DEPTH_SECONDS = 1.0
"""A book is passed on this often while its connection lives, changed or not: a snapshot is good for two seconds."""

BOOK_LEVELS = {"binance": 100, "bybit": 50, "kraken": 100}
"""How many levels to ask for, by dialect; the others have one size."""

SHOWN_LEVELS = 50
SEPARATE_QUOTES = frozenset({"bybit"})
"""Dialects whose tickers come without bid and ask."""


Looking = tuple[UUID, str]
"""An account and the pair that it guards."""


class PriceStream(Stream):
    """The tickers of the pairs that it is asked for, and the books of some."""

    kind = "prices"

    def __init__(self, venue: str, threads: Threads) -> None:
        super().__init__(venue, threads)
        self.pairs: frozenset[str] = frozenset()
        self.books: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._passed: dict[str, Ticker] = {}
        self._unseen: dict[str, Ticker] = {}

    def want(self, pairs: frozenset[str], books: frozenset[str] = frozenset()) -> None:
        """Listen to the prices of these pairs from now on, and to these books."""
        if (pairs, books) != (self.pairs, self.books):
            self.pairs, self.books = pairs, books
            self._changed.set()

    async def _listen(self) -> None:
        self._changed.clear()
        client = await self._run(books.public_client, self.venue)
        pairs = sorted(self.pairs & set(client.markets))
        async with closing(client), asyncio.TaskGroup() as group:
            work = [self._told(client, pairs), self._flushing(client, pairs), self._guarding()]
            if client.id in SEPARATE_QUOTES:
                work.append(_quotes(client, pairs))
            if standing := sorted(self.books & set(client.markets)):
                work += [_books(client, standing), self._passing_books(client, standing)]
            tasks = [group.create_task(one) for one in work]
            if pairs:
                await dialled(client)
            self._arrived()
            await self._changed.wait()
            for task in tasks:
                task.cancel()

    async def _told(self, client: Any, pairs: list[str]) -> None:
        while pairs:
            for told in (await client.watch_tickers(pairs)).values():
                metrics.note_event(self.venue, "price", told)

    async def _flushing(self, client: Any, pairs: list[str]) -> None:
        """ccxt keeps the newest ticker of each pair: what came between two looks is of no interest."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            now = {pair: ticker for pair in pairs if (ticker := _ticker(client, pair)) is not None}
            news = {pair: ticker for pair, ticker in now.items() if self._passed.get(pair) != ticker}
            self._passed = now
            self._unseen |= news
            if news:
                await self._run(books.put_prices, self.venue, list(news.values()))

    async def _passing_books(self, client: Any, pairs: list[str]) -> None:
        while True:
            await asyncio.sleep(DEPTH_SECONDS)
            now = [depth for pair in pairs if (depth := _depth(client, pair)) is not None]
            if now:
                await self._run(books.put_depths, self.venue, now)

    async def _guarding(self) -> None:
        """Each account goes on by itself: one that is slow, or just being reconciled, holds up no other's guards."""
        busy: set[Looking] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(GUARD_SECONDS)
                news, self._unseen = self._unseen, {}
                if news:
                    due = set(await self._run(books.guarded, self.venue, list(news)))
                    # What they miss meanwhile is looked at afterwards, unless a newer price came.
                    self._unseen = {pair: news[pair] for _, pair in due & busy} | self._unseen
                    for account, pair in due - busy:
                        group.create_task(self._look(busy, (account, pair), news[pair]))

    async def _look(self, busy: set[Looking], who: Looking, ticker: Ticker) -> None:
        busy.add(who)
        try:
            await self._run(books.on_price, who[0], ticker)
        finally:
            busy.discard(who)


async def _quotes(client: Any, pairs: list[str]) -> None:
    while pairs:
        await client.watch_bids_asks(pairs)


async def _books(client: Any, pairs: list[str]) -> None:
    limit = BOOK_LEVELS.get(client.id)
    while True:
        await client.watch_order_book_for_symbols(pairs, limit)


def _depth(client: Any, pair: str) -> Depth | None:
    """The book as it stands; None until its first snapshot is there."""
    from apps.exchanges.adapters import told as reading

    book = client.orderbooks.get(pair)
    if book is None or not (book["bids"] or book["asks"]):
        return None
    best = {side: list(book[side][:SHOWN_LEVELS]) for side in ("bids", "asks")}
    try:
        return reading.depth({**best, "timestamp": book["timestamp"] or client.milliseconds()}, Pair.parse(pair))
    except (VenueUnavailable, InvalidField, ArithmeticError):
        return None


def _ticker(client: Any, pair: str) -> Ticker | None:
    """What is known of a pair; None until bid, ask and last are."""
    from apps.exchanges.adapters import told as reading

    told, quote = client.tickers.get(pair), (client.bidsasks or {}).get(pair)
    if told is None:
        return None
    try:
        return reading.ticker({**told, **_sides(quote)}, Pair.parse(pair), client.id)
    except (VenueUnavailable, InvalidField):
        return None


def _sides(quote: Any) -> dict[str, Any]:
    return {side: quote[side] for side in ("bid", "ask")} if quote else {}
