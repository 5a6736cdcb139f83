"""Telethon's messages as posts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import Any

from telethon.tl import types

from apps.sources.adapters.guarded import BYTE_LIMIT
from apps.sources.adapters.telegram.posts import Shown

_PICTURES = frozenset({"image/png", "image/jpeg", "image/webp"})


def posts_of(messages: Iterable[Any], channel: str) -> list[Shown]:
    """Messages as posts by rising id, those of an album as one."""
    groups: dict[int, list[Any]] = {}
    for message in sorted(messages, key=lambda message: message.id):
        groups.setdefault(getattr(message, "grouped_id", None) or -message.id, []).append(message)
    return [shown_of(group, channel) for group in groups.values()]


def shown_of(group: Sequence[Any], channel: str) -> Shown:
    """One post: a message, or all messages of an album. What its pictures are is named here, not fetched."""
    members, first = tuple(message.id for message in group), group[0]
    if not all(isinstance(message, types.Message) for message in group):
        return Shown(members=members, at=first.date.astimezone(UTC), author=channel)
    edits = [message.edit_date for message in group if message.edit_date and not message.edit_hide]
    return Shown(
        members=members,
        at=first.date.astimezone(UTC),
        author=_author(first, channel),
        text="\n\n".join(filter(None, (_text(message) for message in group))),
        pictures=tuple(str(message.id) for message in group if picture_bytes(message)),
        thumbnails=tuple(str(message.id) for message in group if is_video(message)),
        marks=tuple(mark for message in group for mark in _marks(message)),
        edited=bool(edits),
        edited_at=max(edits).astimezone(UTC) if edits else None,
    )


def picture_bytes(message: Any) -> int:
    """How large the picture is that a message shows itself; 0 without one, or one that is too large."""
    media = message.media
    if isinstance(media, types.MessageMediaPhoto) and isinstance(media.photo, types.Photo):
        sizes = [_bytes_of(size) for size in media.photo.sizes]
    elif (document := _document(message)) and document.mime_type in _PICTURES:
        sizes = [document.size]
    else:
        return 0
    largest = max(sizes, default=0)
    return largest if largest <= BYTE_LIMIT else 0


def is_video(message: Any) -> bool:
    """Whether a message shows a video that comes with a still picture."""
    document = _document(message)
    return bool(document and document.thumbs and document.mime_type.startswith("video/"))


def _document(message: Any) -> Any:
    media = message.media
    document = media.document if isinstance(media, types.MessageMediaDocument) else None
    return document if isinstance(document, types.Document) else None


def _bytes_of(size: Any) -> int:
    if isinstance(size, types.PhotoSizeProgressive):
        return int(max(size.sizes))
    return int(getattr(size, "size", 0) or len(getattr(size, "bytes", b"")))


def _text(message: Any) -> str:
    poll = message.media.poll if isinstance(message.media, types.MessageMediaPoll) else None
    if poll is None:
        return str(message.message or "").strip()
    lines = "\n".join(_plain(part) for part in (poll.question, *(answer.text for answer in poll.answers)))
    return f"{message.message or ''}\n\n{lines}".strip()


def _plain(text: Any) -> str:
    return str(getattr(text, "text", text))


def _author(message: Any, channel: str) -> str:
    """Whose words they are: of a forwarded post its first writer, in a group who wrote there."""
    forward = message.forward
    if forward:
        return _name(forward.chat) or _name(forward.sender) or str(forward.from_name or "") or "unknown"
    if message.post:
        return channel
    return _name(message.sender) or (f"user:{message.sender_id}" if message.sender_id else channel)


def _name(entity: Any) -> str:
    if entity is None:
        return ""
    shown = " ".join(filter(None, (getattr(entity, "first_name", ""), getattr(entity, "last_name", ""))))
    return str(getattr(entity, "username", "") or getattr(entity, "title", "") or shown)


def _marks(message: Any) -> list[str]:
    links = [entity.url for entity in message.entities or () if isinstance(entity, types.MessageEntityTextUrl)]
    media = message.media
    photo = media.photo if isinstance(media, types.MessageMediaPhoto) else None
    files = [str(file.id) for file in (photo, _document(message)) if file is not None]
    return [*sorted(links), *files]
