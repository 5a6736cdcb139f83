"""What Telegram pushes about one channel, put together to posts and handed on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from telethon import TelegramClient, events

from apps.sources.adapters.telegram.config import TelegramConfig
from apps.sources.adapters.telegram.ledger import Memory, after_deletion, settle
from apps.sources.adapters.telegram.messages import posts_of
from apps.sources.adapters.telegram.pictures import store_pictures
from apps.sources.adapters.telegram.posts import deletion, message
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import Emit

ALBUM_SECONDS = 1.0
"""An album's messages come one by one, within a fraction of a second."""
_MOST_WAITING = 1_000
_NO_STRETCH = (1, 0)
"""One event tells nothing of the posts around it."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """One event: messages that are new or edited, or ids that are gone."""

    messages: tuple[Any, ...] = ()
    deleted: tuple[int, ...] = ()


class Push:
    """Events of one channel on a shared client. `run` hands them on in the order in which they came."""

    def __init__(self, client: TelegramClient, config: TelegramConfig, memory: Memory, emit: Emit) -> None:
        self._client = client
        self._config = config
        self._memory = memory
        self._emit = emit
        self._heard: asyncio.Queue[_Heard] = asyncio.Queue(_MOST_WAITING)
        self._albums: dict[int, list[Any]] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        self.stored_media: set[str] = set()

    async def run(self, peer: Any) -> None:
        """Until the connection ends or the task is cancelled."""
        handlers = (
            (self._on_new, events.NewMessage(chats=[peer])),
            (self._on_edit, events.MessageEdited(chats=[peer])),
            (self._on_deleted, events.MessageDeleted(chats=[peer])),
        )
        for handler, event in handlers:
            self._client.add_event_handler(handler, event)
        try:
            await self._pass_on()
        finally:
            for handler, event in handlers:
                self._client.remove_event_handler(handler, event)
            for task in self._waiting:
                task.cancel()

    # --- events ------------------------------------------------------------------------------------------------------

    async def _on_new(self, event: Any) -> None:
        group = event.message.grouped_id
        if not group:
            await self._heard.put(_Heard((event.message,)))
            return
        if group not in self._albums:
            task = asyncio.create_task(self._album_later(group))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        self._albums.setdefault(group, []).append(event.message)

    async def _album_later(self, group: int) -> None:
        await asyncio.sleep(ALBUM_SECONDS)
        await self._heard.put(_Heard(tuple(self._albums.pop(group))))

    async def _on_edit(self, event: Any) -> None:
        await self._heard.put(_Heard((event.message,)))

    async def _on_deleted(self, event: Any) -> None:
        await self._heard.put(_Heard(deleted=tuple(event.deleted_ids)))

    # --- handing on --------------------------------------------------------------------------------------------------

    async def _pass_on(self) -> None:
        ended = asyncio.ensure_future(self._client.disconnected)
        try:
            while True:
                heard = asyncio.create_task(self._heard.get())
                await asyncio.wait({heard, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not heard.done():
                    heard.cancel()
                    with suppress(asyncio.CancelledError):
                        await heard
                    ended.result()
                    raise ConnectionError("the connection ended")
                await self._handle(heard.result())
        finally:
            ended.cancel()

    async def _handle(self, heard: _Heard) -> None:
        if heard.deleted:
            gone, known = after_deletion(self._memory.known, heard.deleted)
            await self._emit([], [deletion(self._config.channel, native) for native in gone])
        else:
            posts, known = await self._posts(heard.messages)
            if posts:
                await self._emit(posts, [])
            self.stored_media.clear()
        self._memory = msgspec.structs.replace(self._memory, known=known)

    async def _posts(self, messages: Sequence[Any]) -> tuple[list[CrawlerMessage], list[Any]]:
        whole = await self._whole_albums(messages)
        settled = settle(posts_of(whole, self._config.channel), self._memory.known, _NO_STRETCH)
        by_id, built = {one.id: one for one in whole}, []
        for version in settled.versions:
            media, _ = await store_pictures(self._client, version.shown, by_id)
            self.stored_media.update(media)
            if post := message(version, self._config.channel, media):
                built.append(post)
        return built, settled.known

    async def _whole_albums(self, messages: Sequence[Any]) -> list[Any]:
        """With the other messages of an album of which one was edited: it is known as one post."""
        ids = {one.id for one in messages}
        others = [
            member
            for entry in self._memory.known
            if ids.intersection(entry.members)
            for member in entry.members
            if member not in ids
        ]
        if not others:
            return list(messages)
        peer = await messages[0].get_input_chat()
        found = await self._client.get_messages(peer, ids=others)
        return [*messages, *(one for one in found if one is not None)]
