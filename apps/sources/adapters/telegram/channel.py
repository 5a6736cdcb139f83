"""Which channel a name means to a client session, and whether it still is the same one."""

from __future__ import annotations

from typing import Any

import msgspec
from telethon import TelegramClient
from telethon.tl import functions, types

from apps.sources.adapters.telegram.config import TelegramConfig
from apps.sources.adapters.telegram.ledger import Memory
from tradebot.contracts.errors import PermanentError


async def find_channel(client: TelegramClient, config: TelegramConfig, account: int, memory: Memory) -> Memory:
    """The memory with what is needed to ask for the channel. A name is looked up once: Telegram allows that only some
    hundred times a day. What one account may use means nothing to another."""
    access = memory.access
    if access and access.get("account") == account:
        return memory
    resolved = await client(functions.contacts.ResolveUsernameRequest(config.channel))
    chat = next((chat for chat in resolved.chats if isinstance(chat, types.Channel)), None)
    if chat is None or chat.access_hash is None:
        raise PermanentError(f"@{config.channel} is a person or a bot, not a channel or a public group")
    check_same(chat, config.channel, memory.number)
    found = {"id": chat.id, "hash": chat.access_hash, "account": account}
    return msgspec.structs.replace(memory, access=found, number=number_of(chat.id))


def peer_of(memory: Memory) -> types.InputPeerChannel:
    """How a request names the channel."""
    access = memory.access or {}
    return types.InputPeerChannel(access["id"], access["hash"])


async def look_up(client: TelegramClient, memory: Memory) -> Any:
    """The channel as it is now."""
    peer = peer_of(memory)
    found = await client(functions.channels.GetChannelsRequest([types.InputChannel(peer.channel_id, peer.access_hash)]))
    return found.chats[0] if found.chats else None


def check_same(chat: Any, channel: str, number: int | None) -> None:
    """Raise PermanentError when the name leads to another channel than before, or the channel has another name."""
    if number is not None and number_of(chat.id) != number:
        raise PermanentError(
            f"@{channel} is another channel now (number {number_of(chat.id)}, it was {number}); nothing of it is "
            "taken. If that is right, clear the state of this source"
        )
    names = [getattr(chat, "username", None), *(item.username for item in getattr(chat, "usernames", None) or ())]
    if channel.casefold() not in {name.casefold() for name in names if name}:
        shown = f"@{next(filter(None, names))}" if any(names) else "a private channel"
        raise PermanentError(f"@{channel} is called {shown} now; nothing is taken. Change the channel's name")


def number_of(channel_id: int) -> int:
    """The number as the preview tells it: negative."""
    return -channel_id
