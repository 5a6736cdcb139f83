"""The streams process: looks every second which streams there should be, and keeps exactly those it has a lease on."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import redis
import structlog
from django.db import DatabaseError

from tradebot import heartbeat
from workers.streams import lease as leases
from workers.streams import metrics
from workers.streams.account import AccountStream
from workers.streams.backoff import Backoff
from workers.streams.choices import Choices, choices
from workers.streams.lease import Lease, LeaseLost
from workers.streams.listeners import Listeners
from workers.streams.prices import PriceStream
from workers.streams.stream import Stream
from workers.streams.threads import Threads
from workers.streams.wanted import SCAN, SCAN_PARAMS, Account, Lingering, Wanted, wanted

SCAN_SECONDS = 1.0
CHOICE_SECONDS = 10.0
LINGER_SECONDS = 30.0
BEAT_SECONDS = 3.0
LOOK_SECONDS = 0.25
STOP_SECONDS = 3.0
MOST_ACCOUNTS = 500
"""Three tasks each. Accounts above it are left to the reconciler, and the heartbeat says how many."""

KIND = "streams"
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Running:
    """A stream, the task that runs it, and what it was started for."""

    stream: Stream
    task: asyncio.Task[None]
    account: Account | None


class Streams:
    """One process's streams. Several processes may run: each account and each venue's prices belong to one of them."""

    def __init__(self, most_accounts: int = MOST_ACCOUNTS) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._most = most_accounts
        self._threads = Threads()
        self._lingering = Lingering(LINGER_SECONDS)
        self._running: dict[str, Running] = {}
        self._left_out = 0
        self._choices = Choices()
        self._choose_at = 0.0
        self._listeners = Listeners()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Without its database it listens to nothing and waits for it."""
        self._listeners.start()
        beating = asyncio.create_task(self._beating())
        serving = asyncio.create_task(self._serving())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({beating, serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
            for task in (beating, serving):
                if task.done():
                    task.result()
        finally:
            await _end([beating, serving, stopped])
            await asyncio.to_thread(self._listeners.stop)
            await self._said_goodbye()
            self._threads.close()

    # --- which streams there are -------------------------------------------------------------------------------------

    async def _serving(self) -> None:
        backoff = Backoff(most=5.0)
        while True:
            began = asyncio.get_running_loop().time()
            try:
                async with leases.opened() as lease:
                    await self._serve(lease)
            except LeaseLost as error:
                seconds = backoff.failed(asyncio.get_running_loop().time() - began)
                log.warning("streams_without_database", error=str(error), again_in=round(seconds, 1))
                await asyncio.sleep(seconds)

    async def _serve(self, lease: Lease) -> None:
        try:
            while True:
                rows = await lease.fetch(SCAN, SCAN_PARAMS)
                await self._choose()
                await self._adjust(lease, self._lingering.add(wanted(rows).and_pairs(self._choices.prices)))
                await asyncio.sleep(SCAN_SECONDS)
        finally:
            # Without the lease nobody here may listen: somebody else may have it already.
            await self._stop(list(self._running))

    async def _choose(self) -> None:
        """See every CHOICE_SECONDS what strategies may order next."""
        now = asyncio.get_running_loop().time()
        if now >= self._choose_at:
            self._choose_at = now + CHOICE_SECONDS
            try:
                self._choices = await self._threads.run("", choices)
            except DatabaseError as error:
                log.warning("choices_not_read", error=type(error).__name__)

    async def _adjust(self, lease: Lease, now_wanted: Wanted) -> None:
        accounts = {f"account {account.credential_id}": account for account in now_wanted.accounts}
        feeds = {f"prices {venue}": venue for venue in now_wanted.pairs}
        await self._stop([name for name in self._running if name not in feeds and self._is_over(name, accounts)])
        await lease.give_back(lease.held - self._running.keys())
        for name in await lease.take([*self._new(accounts), *(feeds.keys() - self._running.keys())]):
            self._start(name, accounts.get(name), feeds.get(name, ""))
        self._direct(feeds, now_wanted)

    def _is_over(self, name: str, accounts: Mapping[str, Account]) -> bool:
        """No longer wanted, ended by itself, or its keys were replaced."""
        one = self._running[name]
        return one.task.done() or one.account is None or accounts.get(name) != one.account

    def _new(self, accounts: Mapping[str, Account]) -> list[str]:
        """Accounts without a stream, as many as there is room for."""
        new = [name for name in accounts if name not in self._running]
        room = self._most - sum(one.account is not None for one in self._running.values())
        self._left_out = max(len(new) - room, 0)
        return new[: max(room, 0)]

    def _start(self, name: str, account: Account | None, venue: str) -> None:
        stream: Stream = AccountStream(account, self._threads) if account else PriceStream(venue, self._threads)
        self._running[name] = Running(stream, asyncio.create_task(stream.run(), name=name), account)

    def _direct(self, feeds: dict[str, str], now_wanted: Wanted) -> None:
        for name, venue in feeds.items():
            one = self._running.get(name)
            if one is not None and isinstance(one.stream, PriceStream):
                one.stream.want(now_wanted.pairs[venue], self._choices.books.get(venue, frozenset()))

    async def _stop(self, names: Iterable[str]) -> None:
        ended = [self._running.pop(name) for name in names]
        await _end([one.task for one in ended])

    # --- signs of life -----------------------------------------------------------------------------------------------

    async def _beating(self) -> None:
        """Every BEAT_SECONDS, and soon after something has changed."""
        said, said_at, loop = None, 0.0, asyncio.get_running_loop()
        while True:
            facts = self.facts()
            if facts != said or loop.time() - said_at >= BEAT_SECONDS:
                said, said_at = facts, loop.time()
                await self._beat(facts)
            await asyncio.sleep(LOOK_SECONDS)

    async def _beat(self, facts: dict[str, Any]) -> None:
        metrics.note_connected((one.stream.venue, one.stream.kind, one.stream.up) for one in self._running.values())
        try:
            await asyncio.to_thread(heartbeat.beat, KIND, self.name, facts)
        except redis.RedisError as error:
            log.info("heartbeat_not_sent", error=type(error).__name__)

    def facts(self) -> dict[str, Any]:
        """What operators see of this process: how many of each kind there are, and how many are up."""
        streams = [one.stream for one in self._running.values()]
        accounts = [stream for stream in streams if isinstance(stream, AccountStream)]
        return {
            "accounts": len(accounts),
            "connected": sum(stream.up for stream in accounts),
            "price_feeds": len(streams) - len(accounts),
            "price_feeds_connected": sum(stream.up for stream in streams if isinstance(stream, PriceStream)),
            "reconnects": sum(stream.reconnects for stream in streams),
            "left_to_rest": self._left_out,
            **self._listeners.facts(),
        }

    async def _said_goodbye(self) -> None:
        try:
            await asyncio.to_thread(heartbeat.end, KIND, self.name)
        except redis.RedisError as error:
            log.info("heartbeat_not_ended", error=type(error).__name__)


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel, and wait STOP_SECONDS at most for each to clean up."""
    going = [task for task in tasks if not task.done()]
    for task in going:
        task.cancel()
    if going:
        await asyncio.wait(going, timeout=STOP_SECONDS)
