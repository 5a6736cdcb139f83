"""A channel's post as either way of reading shows it, and the message it becomes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import Deletion

SOURCE = "telegram"
_AUTHOR_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Shown:
    """A post as it is shown now. `members`: its message ids, several for an album. `marks`: what else of its content
    can be changed by an edit (pictures, targets of links), as stable texts. `author`: whose words they are.

    `edited`: the source says that it is not the first version; `edited_at`, where it says when.
    """

    members: tuple[int, ...]
    at: datetime
    author: str
    text: str = ""
    pictures: tuple[str, ...] = ()
    thumbnails: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    edited: bool = False
    edited_at: datetime | None = None

    @property
    def id(self) -> int:
        """An album goes by its first message."""
        return min(self.members)

    @property
    def readable(self) -> bool:
        """Whether there is anything for the pipeline: words or a picture."""
        return bool(self.text or self.pictures or self.thumbnails)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that change when the content does: not with views, reactions or picture addresses."""
        content = "\x00".join((self.author, self.text, *self.marks))
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Version:
    """A post that is to be sent: under which id, as which revision."""

    id: int
    revision: int
    shown: Shown


def message(version: Version, channel: str, media: list[str]) -> CrawlerMessage | None:
    """The version as a message; None without words and pictures. `media`: usable addresses of pictures, thumbnails."""
    shown = version.shown
    if not (shown.text or media):
        return None
    return CrawlerMessage(
        id=str(version.id),
        root_id=str(uuid4()),
        seen_at=datetime.now(UTC),
        source=SOURCE,
        type=_kind(shown, media),
        data=shown.text,
        media_urls=media,
        timestamp=shown.at,
        author=shown.author[:_AUTHOR_LIMIT] or channel,
        channel=channel,
        url=f"https://t.me/{channel}/{version.id}",
        revision=version.revision,
    )


def deletion(channel: str, native_id: int) -> Deletion:
    """The post `native_id` of a channel is gone."""
    return Deletion(source=SOURCE, channel=channel.casefold(), native_id=str(native_id), seen_at=datetime.now(UTC))


def _kind(shown: Shown, media: list[str]) -> Literal["text", "image", "video"]:
    if not media:
        return "text"
    return "image" if shown.pictures else "video"
