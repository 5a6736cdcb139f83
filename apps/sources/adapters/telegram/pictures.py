"""Pictures of posts that only a client session can fetch: through Telethon into the media storage."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from telethon import TelegramClient

from apps.sources.adapters.media import keep_unread
from apps.sources.adapters.telegram.messages import is_video, picture_bytes
from apps.sources.adapters.telegram.posts import Shown
from apps.sources.domain.intake import MEDIA_LIMIT
from tradebot.contracts.errors import PermanentError

_STILL = -1
"""Telethon's name for the largest still picture of a video."""


async def store_pictures(client: TelegramClient, shown: Shown, messages: Mapping[int, Any]) -> tuple[list[str], str]:
    """`media:<sha256>` for each picture of a post, and why others are missing. Raises what Telethon raises."""
    stored: list[str] = []
    missing = ""
    for member in shown.members[:MEDIA_LIMIT]:
        data = await _bytes(client, messages.get(member))
        if data is None:
            continue
        try:
            stored.append(await asyncio.to_thread(keep_unread, data))
        except PermanentError as error:
            missing = f"a picture of post {shown.id} {error}"
    return stored, missing


async def _bytes(client: TelegramClient, message: Any) -> bytes | None:
    if message is None or not getattr(message, "media", None):
        return None
    if picture_bytes(message):
        data = await client.download_media(message, bytes)
    elif is_video(message):
        data = await client.download_media(message, bytes, thumb=_STILL)
    else:
        return None
    return data if isinstance(data, bytes) else None
