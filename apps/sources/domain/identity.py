"""What makes two sightings the same post: source, channel, native id, revision."""

from __future__ import annotations

from uuid import UUID

from tradebot.contracts.ids import stable_id
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.ports import Deletion

PUSH_PREFIX = "push:"
_GLOBAL_IDS = frozenset({"twitter"})
_CASELESS = frozenset({"telegram"})


def channel_of(message: CrawlerMessage) -> str:
    """The channel within which the source's ids are unique; empty where they are unique by themselves."""
    return _channel(message.source, message.channel or message.author)


def _channel(source: str, named: str) -> str:
    if source in _GLOBAL_IDS:
        return ""
    return named.lstrip("@").casefold() if source in _CASELESS else named


def post_id(message: CrawlerMessage) -> UUID:
    """Id of this revision of the post."""
    return stable_id("post", message.source, channel_of(message), message.id, message.revision)


def story_id(message: CrawlerMessage) -> UUID:
    """Id that all revisions of the post share."""
    return stable_id("story", message.source, channel_of(message), message.id)


def story_of(deletion: Deletion) -> UUID:
    """Id of the story that is gone. A deletion's channel is its post's, or the author where the post had none; it does
    not matter where the source's ids are unique by themselves."""
    return stable_id("story", deletion.source, _channel(deletion.source, deletion.channel), deletion.native_id)


def owner_of(source: str) -> str | None:
    """The user (UUID as text) whose own post it is, for the source `push:<user>`; None for a public source."""
    if not source.startswith(PUSH_PREFIX):
        return None
    return str(UUID(source.removeprefix(PUSH_PREFIX)))
