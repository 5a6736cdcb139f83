"""A channel's history through Telethon: everything after what is known, and the newest known posts once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from telethon import TelegramClient, errors

from apps.sources.adapters.telegram.channel import check_same, find_channel, peer_of
from apps.sources.adapters.telegram.config import TelegramConfig
from apps.sources.adapters.telegram.ledger import Memory, settle
from apps.sources.adapters.telegram.messages import posts_of
from apps.sources.adapters.telegram.walk import Outcome

_PER_REQUEST = 100
_ALBUM_ARRIVES = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Read:
    """What a run brought, and the messages it is made of by their id: pictures are fetched from them."""

    outcome: Outcome
    messages: dict[int, Any]


async def read_history(client: TelegramClient, config: TelegramConfig, account: int, memory: Memory) -> Read:
    """One run. Raises what Telethon raises, and PermanentError when the name leads elsewhere."""
    known_before = memory.access
    memory = await find_channel(client, config, account, memory)
    try:
        messages, capped = await _messages(client, config, memory)
    except (errors.ChannelInvalidError, errors.ChannelPrivateError):
        if memory.access is not known_before:
            raise
        # What was remembered may be another login's.
        memory = await find_channel(client, config, account, msgspec.structs.replace(memory, access=None))
        messages, capped = await _messages(client, config, memory)
    for message in messages[:1]:
        check_same(message.chat, config.channel, memory.number)
    whole = _without_unfinished(messages, memory.top, capped=capped)
    return Read(_outcome(whole, memory, config, complete=not capped), {message.id: message for message in whole})


def _start(memory: Memory, overlap: int) -> int:
    """The message after which reading begins; 0 for a channel that is new."""
    again = memory.known[-overlap:]
    start = min((again[0].id - 1 if again else memory.top), memory.top)
    return min([start, *(low for low, _ in memory.gaps)])


async def _messages(client: TelegramClient, config: TelegramConfig, memory: Memory) -> tuple[list[Any], bool]:
    """Messages by rising id, and whether there may be more."""
    peer = peer_of(memory)
    if not memory.begun:
        newest = [message async for message in client.iter_messages(peer, limit=config.overlap)]
        return newest[::-1], False
    most, start = config.pages * _PER_REQUEST, _start(memory, config.overlap)
    found = [message async for message in client.iter_messages(peer, limit=most, min_id=start, reverse=True)]
    return found, len(found) >= most


def _without_unfinished(messages: Sequence[Any], top: int, *, capped: bool) -> list[Any]:
    """Without an album at the end that may go on: its other messages are still to be read, or still being sent."""
    last = messages[-1] if messages else None
    group = getattr(last, "grouped_id", None)
    if last is None or not group:
        return list(messages)
    fresh = datetime.now(UTC) - last.date < _ALBUM_ARRIVES
    left = [message for message in messages if getattr(message, "grouped_id", None) != group]
    is_new = all(message.id > top for message in messages if getattr(message, "grouped_id", None) == group)
    return left if is_new and ((capped and left) or fresh) else list(messages)


def _outcome(messages: Sequence[Any], memory: Memory, config: TelegramConfig, *, complete: bool) -> Outcome:
    shown = posts_of(messages, config.channel)
    highest = max((message.id for message in messages), default=0)
    stretch = (_start(memory, config.overlap) + 1, memory.top if complete else highest) if memory.begun else None
    settled = settle(shown, memory.known, stretch)
    after = msgspec.structs.replace(memory, begun=True, top=max(highest, memory.top), known=settled.known, gaps=[])
    return Outcome(settled.versions, settled.gone, after)
