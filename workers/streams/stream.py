"""What every stream does: connect, listen, and connect again when it is cut off, until it is cancelled."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from workers.streams import metrics
from workers.streams.backoff import Backoff
from workers.streams.threads import Threads

SUBSCRIBE_SECONDS = 20.0
CLOSE_SECONDS = 2.0
ACKNOWLEDGE_SECONDS = 1.0
"""For venues whose subscriptions ccxt does not wait for: longer than their acknowledgement takes."""

log = structlog.get_logger(__name__)


class Stream:
    """`up`: subscribed, and nothing said since that it is not. `reconnects`: how often it was cut off."""

    kind = ""

    def __init__(self, venue: str, threads: Threads, **about: str) -> None:
        self.venue = venue
        self.up = False
        self.reconnects = 0
        self._threads = threads
        self._backoff = Backoff()
        self._up_at = 0.0
        self._log = log.bind(venue=venue, kind=self.kind, **about)

    async def run(self) -> None:
        """Until cancelled; whatever ends a connection, another one follows."""
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - one account's trouble must not end the others
                await self._wait(error)
            finally:
                self.up = False

    async def _listen(self) -> None:
        """One connection, until it breaks."""
        raise NotImplementedError

    def _arrived(self) -> None:
        """Everything is subscribed."""
        self.up, self._up_at = True, asyncio.get_running_loop().time()
        self._log.info("stream_up")

    async def _wait(self, error: BaseException) -> None:
        lasted = asyncio.get_running_loop().time() - self._up_at if self.up else 0.0
        self.up = False
        self.reconnects += 1
        metrics.RECONNECTS.labels(self.venue).inc()
        seconds = self._backoff.failed(lasted)
        cause = _cause(error)
        self._log.warning("stream_lost", error=type(cause).__name__, at=_place(cause), again_in=round(seconds, 1))
        await asyncio.sleep(seconds)

    async def _run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await self._threads.run(self.venue, work, *arguments)


@asynccontextmanager
async def closing(client: Any) -> AsyncIterator[Any]:
    """A ccxt.pro client that is closed at the end, whatever state it is in."""
    try:
        yield client
    finally:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.close()
        except Exception as error:  # noqa: BLE001 - it is given up anyway
            log.info("stream_not_closed", error=type(error).__name__)


async def subscribed(client: Any) -> None:
    """Returns once the client's private streams are acknowledged. TimeoutError after SUBSCRIBE_SECONDS."""
    async with asyncio.timeout(SUBSCRIBE_SECONDS):
        if client.id == "binance":
            await client.authenticate()
            return
        await dialled(client)
        await asyncio.sleep(ACKNOWLEDGE_SECONDS)


async def dialled(client: Any) -> None:
    """Returns once every socket of the client is open."""
    while not client.clients:  # noqa: ASYNC110 - ccxt tells nobody that it dials
        await asyncio.sleep(0.05)
    for socket in list(client.clients.values()):
        await asyncio.shield(socket.connected)


def _cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _place(error: BaseException) -> str:
    """The line that raised it. What an error says is left out: it may hold what was sent."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
