"""One connection for all channels that one process listens to with one session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from telethon import TelegramClient

from apps.sources.adapters.telegram.client import HELD_MS, Login, connected, hold_address
from apps.sources.adapters.telegram.config import TelegramConfig
from tradebot.contracts.errors import TradebotError

_Key = tuple[int, str, str]


@dataclass(slots=True)
class _Line:
    """A connection: `ready` has its client or why there is none; `over` ends it."""

    ready: asyncio.Future[TelegramClient]
    over: asyncio.Event = field(default_factory=asyncio.Event)
    users: int = 0
    task: asyncio.Task[None] | None = None


_lines: dict[_Key, _Line] = {}


@asynccontextmanager
async def shared_client(config: TelegramConfig, login: Login) -> AsyncIterator[TelegramClient]:
    """The process's client for this session, connected; closed when its last user leaves. Raises as `connected`."""
    # The same session may not be connected twice for pushes: Telegram sends each to one connection only.
    key = (id(asyncio.get_running_loop()), config.session, str(config.api_id))
    line = _lines.get(key)
    if line is None or (line.ready.done() and not _is_alive(line)):
        line = _lines[key] = _opened(config, login)
    line.users += 1
    try:
        yield await asyncio.shield(line.ready)
    finally:
        line.users -= 1
        if not line.users:
            await _close(key, line)


def _is_alive(line: _Line) -> bool:
    return line.ready.exception() is None and bool(line.ready.result().is_connected())


def _opened(config: TelegramConfig, login: Login) -> _Line:
    line = _Line(asyncio.get_running_loop().create_future())
    line.task = asyncio.create_task(_keep(config, login, line), name=f"telegram session {config.session}")
    return line


async def _keep(config: TelegramConfig, login: Login, line: _Line) -> None:
    try:
        async with connected(config, login, updates=True) as client:
            line.ready.set_result(client)
            while not line.over.is_set():
                await asyncio.to_thread(hold_address, config.session)
                with suppress(TimeoutError):
                    await asyncio.wait_for(line.over.wait(), HELD_MS / 4_000)
    except TradebotError as error:
        if not line.ready.done():
            line.ready.set_exception(error)


async def _close(key: _Key, line: _Line) -> None:
    if _lines.get(key) is line:
        del _lines[key]
    line.over.set()
    if line.task:
        await asyncio.wait({line.task}, timeout=10)
    if line.ready.done():
        line.ready.exception()
