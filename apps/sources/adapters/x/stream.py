"""The filtered stream: connect, read lines, reconnect as X's documentation asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import aiohttp
import structlog
from django.conf import settings

from apps.sources.adapters.checked_async import guarded_session
from apps.sources.adapters.x import api, rules
from apps.sources.adapters.x.accounts import Accounts
from apps.sources.adapters.x.api import Api
from apps.sources.adapters.x.config import XConfig
from apps.sources.adapters.x.pauses import Pauses
from apps.sources.adapters.x.posts import FIELDS, messages, read_page
from tradebot.contracts.errors import PermanentError, Throttled, TransientError
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import Emit

KEEP_ALIVE_SECONDS = 21.0
"""X writes an empty line every 20 s; in practice a little later."""
_CONNECT_SECONDS = 10.0
_LONGEST_LINE = 1_000_000
_BATCH = 100
_WAITING = 10_000
"""Posts that may wait for the broker before the connection is read no further."""
_DISCONNECTED = "operational-disconnect"

_log = structlog.get_logger(__name__)


async def listen(
    config: XConfig, asked: Api, *, label: str, accounts: Accounts, emit: Emit, learnt: Callable[[], None]
) -> None:
    """Until cancelled. `learnt` is called when something is known of the accounts that was not known before. Raises
    PermanentError when X refuses the token or the request, and whatever `emit` raises.

    What is posted while there is no connection is left to the polls, which go on beside this.
    """
    ready: asyncio.Queue[CrawlerMessage] = asyncio.Queue(_WAITING)
    listener = _Listener(config, asked, label=label, accounts=accounts, learnt=learnt, ready=ready)
    tasks = [asyncio.create_task(listener.run()), asyncio.create_task(_hand_on(ready, emit))]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ended.pop().result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _hand_on(ready: asyncio.Queue[CrawlerMessage], emit: Emit) -> None:
    while True:
        batch = [await ready.get()]
        while len(batch) < _BATCH and not ready.empty():
            batch.append(ready.get_nowait())
        await emit(batch, [])


class _Listener:
    def __init__(
        self,
        config: XConfig,
        asked: Api,
        *,
        label: str,
        accounts: Accounts,
        learnt: Callable[[], None],
        ready: asyncio.Queue[CrawlerMessage],
    ) -> None:
        self._config = config
        self._api = asked
        self._label = label
        self._accounts = accounts
        self._learnt = learnt
        self._ready = ready
        self._tag = ""

    async def run(self) -> None:
        pauses = Pauses()
        while True:
            try:
                if not self._tag:
                    self._tag = await asyncio.to_thread(self._sync)
                await self._connected(pauses)
            except Throttled as error:
                pause = pauses.limited((error.until - datetime.now(UTC)).total_seconds())
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError, _Over) as error:
                _log.info("x stream lost", source=self._label, reason=type(error).__name__)
                pause = pauses.network()
            except TransientError as error:
                _log.info("x stream refused", source=self._label, reason=str(error))
                pause = pauses.http()
            await _wait(pause)

    def _sync(self) -> str:
        # Rules name ids: whoever takes over the name of a watched account is not that account.
        self._accounts.learn(self._api, datetime.now(UTC))
        self._learnt()
        synced = rules.sync(self._api, rules.wanted_rules(self._config, self._accounts.ids), self._label)
        if synced.refused:
            _log.warning("x refused stream rules", source=self._label, reasons=list(synced.refused)[:5])
        return synced.tag

    async def _connected(self, pauses: Pauses) -> None:
        await asyncio.to_thread(self._api.limits.ask, api.STREAM)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=KEEP_ALIVE_SECONDS)
        async with (
            guarded_session(allow=settings.GUARDED_ALLOW, timeout=timeout) as session,
            session.get(
                f"{self._config.api_base.rstrip('/')}/2/tweets/search/stream",
                params=FIELDS,
                headers=self._api.headers,
            ) as answer,
        ):
            if answer.status != 200:
                raise await self._refusal(answer)
            self._api.note(api.STREAM, _headers(answer))
            async for line in _lines(answer):
                pauses.connected()
                await self._take(line)
        raise _Over("X closed the stream")

    async def _refusal(self, answer: aiohttp.ClientResponse) -> Exception:
        body = await answer.content.read(_LONGEST_LINE)
        limits = self._api.limits
        return await asyncio.to_thread(api.refusal, api.STREAM, answer.status, _headers(answer), body, limits)

    async def _take(self, line: bytes) -> None:
        try:
            body = api.decoded(line) if line.strip() else {}
        except TransientError:
            _log.warning("x stream wrote a line that is no JSON", source=self._label, size=len(line))
            return
        told = api.problems(body)
        if told and not body.get("data"):
            raise _Over(str(told[0].get("detail") or told[0].get("title") or _DISCONNECTED))
        if rules.is_ours(body, self._tag):
            for message in messages(read_page(body).posts, seen_at=datetime.now(UTC)):
                await self._ready.put(message)


async def _wait(seconds: float) -> None:
    await asyncio.sleep(seconds)


class _Over(Exception):
    """The connection is over: X said so or closed it."""


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Lines, the empty ones too: they say that the connection lives."""
    rest = b""
    async for piece in answer.content.iter_any():
        *whole, rest = (rest + piece).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise PermanentError(f"a line of X's stream is longer than {_LONGEST_LINE} bytes")
        for line in whole:
            yield line
