"""One account's stream against a server that says exactly what a test wants said: ccxt.pro is the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from apps.exchanges.selectors import VenueInfo
from tests.unit.workers.streams.teller import Teller, execution, rest_client, telling, trade
from tradebot.contracts.ports import VenueOrder
from workers.streams import account, books, clients
from workers.streams.account import AccountStream
from workers.streams.backoff import Backoff
from workers.streams.books import Booked
from workers.streams.threads import Threads
from workers.streams.wanted import Account

ANN = Account(UUID(int=1), "paper", None)


class Ledger:
    """Stands for our rows: notes what it is told."""

    def __init__(self) -> None:
        self.reports: list[VenueOrder] = []
        self.asked = 0
        self.answers: list[Booked] = []

    def book(self, credential_id: UUID, reports: tuple[VenueOrder, ...]) -> Booked:
        self.reports += reports
        return self.answers.pop(0) if self.answers else Booked()

    def reconcile(self, credential_id: UUID) -> None:
        self.asked += 1

    @property
    def last(self) -> VenueOrder:
        return self.reports[-1]


Play = Callable[[Teller, AccountStream, Ledger], Awaitable[None]]


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    found = Ledger()
    monkeypatch.setattr(books, "book", found.book)
    monkeypatch.setattr(books, "reconcile", found.reconcile)
    monkeypatch.setattr(account, "ASK_SECONDS", 0.01)
    return found


@pytest.fixture
def play(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Callable[[Play], None]:
    def run(what: Play) -> None:
        async def scene() -> None:
            async with telling() as teller, asyncio.timeout(20):
                info = VenueInfo(name="paper", dialect="binance", base_url=teller.url)
                monkeypatch.setattr(books, "account_client", lambda _: clients.listening(rest_client(), info))
                async with listening() as stream:
                    await what(teller, stream, ledger)

        asyncio.run(scene())

    return run


@asynccontextmanager
async def listening() -> AsyncIterator[AccountStream]:
    threads = Threads()
    stream = AccountStream(ANN, threads)
    stream._backoff = Backoff(first=0.01)
    task = asyncio.create_task(stream.run())
    try:
        await until(lambda: stream.up)
        yield stream
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        threads.close()


async def until(what: Callable[[], Any]) -> None:
    while not what():  # noqa: ASYNC110 - whatever it is that a test waits for
        await asyncio.sleep(0.005)


def test_it_asks_once_when_it_has_subscribed(play: Callable[[Play], None]) -> None:
    async def scene(teller: Teller, stream: AccountStream, ledger: Ledger) -> None:
        await until(lambda: ledger.asked)
        assert [asked["method"] for asked in teller.subscriptions] == ["userDataStream.subscribe.signature"]

    play(scene)


def test_an_order_and_its_trades_become_one_report(play: Callable[[Play], None]) -> None:
    async def scene(teller: Teller, stream: AccountStream, ledger: Ledger) -> None:
        await teller.tell(execution(), trade(7, "1.00000000"), trade(8, "2.00000000", status="FILLED"))
        await until(lambda: ledger.reports and ledger.last.status == "filled")
        assert (ledger.last.client_id, ledger.last.filled) == ("client-1", 2)
        assert [one.trade_id for one in ledger.last.fills] == ["7", "8"]
        assert {one.fee for one in ledger.last.fills} == {Decimal("0.001")}
        assert {one.fee_currency for one in ledger.last.fills} == {"BTC"}

    play(scene)


def test_repeated_and_late_events_are_told_to_nobody(play: Callable[[Play], None]) -> None:
    async def scene(teller: Teller, stream: AccountStream, ledger: Ledger) -> None:
        last = trade(8, "2.00000000", status="FILLED")
        await teller.tell(last, trade(7, "1.00000000"), execution())
        await until(lambda: ledger.reports and len(ledger.last.fills) == 2)
        told = len(ledger.reports)
        await teller.tell(last, execution(), trade(7, "1.00000000"), execution(c="other", i=2))
        await until(lambda: ledger.last.client_id == "other")
        assert len(ledger.reports) == told + 1

    play(scene)


def test_a_cancel_is_known_by_the_orders_own_id(play: Callable[[Play], None]) -> None:
    async def scene(teller: Teller, stream: AccountStream, ledger: Ledger) -> None:
        await teller.tell(execution(x="CANCELED", X="CANCELED", c="the-cancels-id", C="client-1"))
        await until(lambda: ledger.reports)
        assert (ledger.last.client_id, ledger.last.status) == ("client-1", "canceled")

    play(scene)


def test_after_a_cut_it_comes_back_and_asks_what_it_missed(play: Callable[[Play], None]) -> None:
    async def scene(teller: Teller, stream: AccountStream, ledger: Ledger) -> None:
        await until(lambda: ledger.asked == 1)
        await teller.cut()
        await until(lambda: ledger.asked == 2)
        assert stream.reconnects >= 1
        await teller.tell(execution())
        await until(lambda: ledger.reports)

    play(scene)


def test_an_event_that_can_not_be_read_is_asked_about(play: Callable[[Play], None]) -> None:
    async def scene(teller: Teller, stream: AccountStream, ledger: Ledger) -> None:
        await until(lambda: ledger.asked == 1)
        await teller.tell(execution(x="TRADE", X="FILLED", n="not a number"))
        await until(lambda: ledger.asked == 2 and len(teller.sockets) == 1)
        await teller.tell(execution())
        await until(lambda: ledger.reports)

    play(scene)


def test_a_balance_that_nothing_explains_is_asked_about(
    play: Callable[[Play], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "EXPLAIN_SECONDS", 0.05)

    async def scene(teller: Teller, stream: AccountStream, ledger: Ledger) -> None:
        await until(lambda: ledger.asked == 1)
        position = {"e": "outboundAccountPosition", "E": 1, "u": 1, "B": [{"a": "BTC", "f": "1", "l": "0"}]}
        await teller.tell(position)
        await until(lambda: ledger.asked == 2)

    play(scene)


def test_an_order_that_is_just_being_sent_is_booked_later(
    play: Callable[[Play], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "SENDING_SECONDS", 0.01)

    async def scene(teller: Teller, stream: AccountStream, ledger: Ledger) -> None:
        class Later(Booked):
            pass

        sending = ledger.book

        def first_time(credential_id: UUID, reports: tuple[VenueOrder, ...]) -> Booked:
            monkeypatch.setattr(books, "book", sending)
            return Later(later=list(reports))

        monkeypatch.setattr(books, "book", first_time)
        await teller.tell(execution())
        await until(lambda: ledger.reports)
        assert ledger.last.client_id == "client-1"

    play(scene)


def test_fills_that_nobody_told_are_asked_about(play: Callable[[Play], None]) -> None:
    async def scene(teller: Teller, stream: AccountStream, ledger: Ledger) -> None:
        await until(lambda: ledger.asked == 1)
        ledger.answers = [Booked(incomplete=True)]
        await teller.tell(execution(X="FILLED", z="2.00000000"))
        await until(lambda: ledger.asked == 2)

    play(scene)
