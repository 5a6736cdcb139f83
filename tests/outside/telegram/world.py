"""Channels, their messages, and what is to go wrong next: the same for the preview and for MTProto."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

PAGE_POSTS = 20
FIRST_DAY = datetime(2026, 7, 1, 12, tzinfo=UTC)


@dataclass
class Message:
    """One message. `group`: the album it belongs to. `photo`: the number of its picture, 0 for none."""

    id: int
    text: str
    at: datetime
    edited_at: datetime | None = None
    group: int = 0
    photo: int = 0
    video: bool = False
    forwarded: str = ""
    forwarded_title: str = ""
    reply_to: int = 0
    service: bool = False
    poll: list[str] = field(default_factory=list)


@dataclass
class Channel:
    """A channel. `moved_to`: where t.me/s/<name> leads; `username`: what MTProto says that it is called now."""

    name: str
    id: int
    title: str
    username: str = ""
    moved_to: str = ""
    preview: bool = True
    left: bool = False
    private: bool = False
    pts: int = 1
    messages: dict[int, Message] = field(default_factory=dict)
    next_id: int = 1

    def posts(self) -> list[list[Message]]:
        """Messages by rising id, those of an album together."""
        groups: dict[int, list[Message]] = {}
        for message in sorted(self.messages.values(), key=lambda message: message.id):
            groups.setdefault(message.group or -message.id, []).append(message)
        return sorted(groups.values(), key=lambda group: group[0].id)


Listener = Callable[[str, Channel, list[Message]], None]


class World:
    """Everything that this Telegram knows. Safe to use from several threads."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.channels: dict[str, Channel] = {}
        self.photos: dict[int, bytes] = {}
        self.preview_faults: deque[dict[str, Any]] = deque()
        self.rpc_faults: deque[dict[str, Any]] = deque()
        self.requests: list[str] = []
        self.calls: list[str] = []
        self.listeners: list[Listener] = []
        self.accounts: dict[str, dict[str, Any]] = {}
        self.doors: dict[str, Callable[[], None]] = {}
        self._channel_ids = itertools.count(1_000_000_001)
        self._photo_ids = itertools.count(5_429_460_311_875_460_150)

    def channel(self, name: str, **settings: Any) -> Channel:
        """The channel of that name, made when it is new; `settings` are its fields."""
        with self.lock:
            key = name.casefold()
            if key not in self.channels:
                self.channels[key] = Channel(name, next(self._channel_ids), name.title(), name)
            for field_name, value in settings.items():
                setattr(self.channels[key], field_name, value)
            return self.channels[key]

    def forget(self) -> None:
        """As a Telegram that has just been founded; logins stay."""
        with self.lock:
            for kept in (self.channels, self.photos, self.preview_faults, self.rpc_faults, self.requests, self.calls):
                kept.clear()

    def by_id(self, channel_id: int) -> Channel | None:
        return next((channel for channel in self.channels.values() if channel.id == channel_id), None)

    def post(
        self, name: str, text: str = "", *, photos: int = 0, videos: int = 0, album: bool = True, skip: int = 0,
        at: str = "", **fields: Any,
    ) -> list[int]:  # fmt: skip
        """Write a post; returns the ids of its messages. `skip`: how many ids the channel leaves out before it. Several
        pictures are an album, with the text at the first."""
        with self.lock:
            channel = self.channel(name)
            channel.next_id += skip
            kinds = ["photo"] * photos + ["video"] * videos or ["text"]
            group = channel.next_id if album and len(kinds) > 1 else 0
            moment = datetime.fromisoformat(at) if at else FIRST_DAY + timedelta(minutes=channel.next_id)
            made = []
            for place, kind in enumerate(kinds):
                number = next(self._photo_ids) if kind == "photo" else 0
                message = Message(
                    channel.next_id, text if not place else "", moment, group=group, photo=number,
                    video=kind == "video", **fields,
                )  # fmt: skip
                channel.messages[message.id] = message
                channel.next_id += 1
                made.append(message)
            self._tell("new", channel, made)
            return [message.id for message in made]

    def edit(self, name: str, message_id: int, text: str, *, at: str = "") -> None:
        with self.lock:
            channel = self.channel(name)
            message = channel.messages[message_id]
            message.text = text
            before = message.edited_at or message.at
            message.edited_at = datetime.fromisoformat(at) if at else before + timedelta(seconds=30)
            self._tell("edit", channel, [message])

    def delete(self, name: str, ids: list[int]) -> None:
        with self.lock:
            channel = self.channel(name)
            gone = [channel.messages.pop(message_id) for message_id in ids if message_id in channel.messages]
            self._tell("delete", channel, gone)

    def picture(self, number: int, data: bytes) -> None:
        """What the picture of that number shows; others are one grey pixel."""
        with self.lock:
            self.photos[number] = data

    def photo_of(self, number: int) -> bytes:
        return self.photos.get(number) or GREY

    def _tell(self, what: str, channel: Channel, messages: list[Message]) -> None:
        for listener in self.listeners:
            listener(what, channel, messages)


GREY = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000080000000808020000004b6d29dc0000001449444154789c636c686860c00698b08a0e5a09003017"
    "019061c797a60000000049454e44ae426082"
)
