"""One venue's prices against a server that says exactly what a test wants said."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from apps.exchanges.selectors import VenueInfo
from tests.unit.workers.streams.teller import Teller, rest_client, telling
from tests.unit.workers.streams.test_account_stream import until
from tradebot.contracts.ports import Ticker
from tradebot.contracts.values import Pair
from workers.streams import books, clients, prices
from workers.streams.backoff import Backoff
from workers.streams.prices import PriceStream
from workers.streams.threads import Threads

ANN, BOB = UUID(int=1), UUID(int=2)
BTC = frozenset({"BTC/USDT"})
Play = Callable[[Teller, PriceStream], Awaitable[None]]


class Told:
    """Notes what is passed on."""

    def __init__(self) -> None:
        self.snapshots: list[Ticker] = []
        self.guards: list[tuple[UUID, Decimal]] = []

    def put_prices(self, venue: str, tickers: list[Ticker]) -> None:
        self.snapshots += tickers

    def guarded(self, venue: str, pairs: list[str]) -> list[tuple[UUID, str]]:
        return [(ANN, pair) for pair in pairs]

    def on_price(self, credential_id: UUID, ticker: Ticker) -> None:
        self.guards.append((credential_id, ticker.bid))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    found = Told()
    for name in ("put_prices", "guarded", "on_price"):
        monkeypatch.setattr(books, name, getattr(found, name))
    monkeypatch.setattr(prices, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(prices, "GUARD_SECONDS", 0.05)
    return found


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Play], None]:
    async def scene(what: Play) -> None:
        async with telling() as teller, asyncio.timeout(20):
            info = VenueInfo(name="paper", dialect="binance", base_url=teller.url)
            monkeypatch.setattr(books, "public_client", lambda _: clients.listening(rest_client(), info))
            threads = Threads()
            stream = PriceStream("paper", threads)
            stream._backoff = Backoff(first=0.01)
            stream.want(BTC)
            task = asyncio.create_task(stream.run())
            await until(lambda: stream.up and teller.subscriptions)
            await what(teller, stream)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            threads.close()

    def run(what: Play) -> None:
        asyncio.run(scene(what))

    return run


def price(bid: str) -> dict[str, Any]:
    return {"b": bid, "a": str(Decimal(bid) + 1), "c": bid}


def test_the_best_prices_are_passed_on(play: Callable[[Play], None], told: Told) -> None:
    async def scene(teller: Teller, stream: PriceStream) -> None:
        await teller.tell_price(**price("30000.10"))
        await until(lambda: told.snapshots)
        ticker = told.snapshots[0]
        assert (str(ticker.pair), ticker.bid, ticker.ask) == ("BTC/USDT", Decimal("30000.10"), Decimal("30001.10"))
        assert teller.subscriptions[0]["params"] == ["btcusdt@ticker"]

    play(scene)


def test_guards_hear_the_newest_price(play: Callable[[Play], None], told: Told) -> None:
    async def scene(teller: Teller, stream: PriceStream) -> None:
        for bid in ("30000", "29000", "28000"):
            await teller.tell_price(**price(bid))
        await until(lambda: (ANN, Decimal(28000)) in told.guards)

    play(scene)


def test_a_price_that_does_not_change_is_passed_on_once(play: Callable[[Play], None], told: Told) -> None:
    async def scene(teller: Teller, stream: PriceStream) -> None:
        for bid in ("30000", "30000", "31000"):
            await teller.tell_price(**price(bid))
            await asyncio.sleep(0.05)
        await until(lambda: told.snapshots[-1].bid == 31000)
        assert [ticker.bid for ticker in told.snapshots] == [30000, 31000]

    play(scene)


def test_a_price_of_zero_is_no_price(play: Callable[[Play], None], told: Told) -> None:
    async def scene(teller: Teller, stream: PriceStream) -> None:
        await teller.tell_price(b="0", a="1", c="1")
        await teller.tell_price(**price("30000"))
        await until(lambda: told.snapshots)
        assert [ticker.bid for ticker in told.snapshots] == [30000]

    play(scene)


def test_other_pairs_are_subscribed_when_they_are_wanted(play: Callable[[Play], None], told: Told) -> None:
    async def scene(teller: Teller, stream: PriceStream) -> None:
        stream.want(frozenset())
        await until(lambda: not teller.sockets)
        before = len(teller.subscriptions)
        stream.want(BTC)
        await until(lambda: len(teller.subscriptions) > before)
        assert stream.reconnects == 0

    play(scene)


def test_a_cut_feed_comes_back(play: Callable[[Play], None], told: Told) -> None:
    async def scene(teller: Teller, stream: PriceStream) -> None:
        await teller.cut()
        await until(lambda: len(teller.subscriptions) == 2)
        await teller.tell_price(**price("30000"))
        await until(lambda: told.snapshots)
        assert stream.reconnects == 1

    play(scene)


def test_an_account_that_takes_its_time_holds_up_no_other(
    play: Callable[[Play], None], told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def on_price(credential_id: UUID, ticker: Ticker) -> None:
        if credential_id == ANN:
            answered.wait(20)
        told.on_price(credential_id, ticker)

    monkeypatch.setattr(books, "on_price", on_price)
    monkeypatch.setattr(books, "guarded", lambda venue, pairs: [(who, pair) for pair in pairs for who in (ANN, BOB)])

    async def scene(teller: Teller, stream: PriceStream) -> None:
        try:
            for bid in (30000, 31000):
                await teller.tell_price(**price(str(bid)))
                await until(lambda bid=bid: (BOB, Decimal(bid)) in told.guards)  # type: ignore[misc]
            assert ANN not in dict(told.guards)
        finally:
            answered.set()
        await until(lambda: (ANN, Decimal(31000)) in told.guards)

    play(scene)


def test_the_trouble_of_one_account_does_not_end_the_prices_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(credential_id: UUID) -> None:
        raise KeyError("an answer that nobody foresaw")

    monkeypatch.setattr(books, "_line", broken)
    ticker = Ticker(Pair("BTC", "USDT"), Decimal(1), Decimal(2), Decimal(1), datetime.now(UTC))
    with capture_logs() as logs:
        books.on_price(ANN, ticker)
    assert [entry["event"] for entry in logs] == ["watched_guard_put_off"]
