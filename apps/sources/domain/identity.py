"""What makes two sightings the same post: source, channel, native id, revision."""

from __future__ import annotations

from uuid import UUID

from tradebot.contracts.ids import stable_id
from tradebot.contracts.messages import CrawlerMessage

PUSH_PREFIX = "push:"
_GLOBAL_IDS = frozenset({"twitter"})
_CASELESS = frozenset({"telegram"})


def channel_of(message: CrawlerMessage) -> str:
    """The channel within which the source's ids are unique; empty where they are unique by themselves."""
    if message.source in _GLOBAL_IDS:
        return ""
    channel = message.channel or message.author
    return channel.lstrip("@").casefold() if message.source in _CASELESS else channel


def post_id(message: CrawlerMessage) -> UUID:
    """Id of this revision of the post."""
    return stable_id("post", message.source, channel_of(message), message.id, message.revision)


def story_id(message: CrawlerMessage) -> UUID:
    """Id that all revisions of the post share."""
    return stable_id("story", message.source, channel_of(message), message.id)


def owner_of(source: str) -> str | None:
    """The user (UUID as text) whose own post it is, for the source `push:<user>`; None for a public source."""
    if not source.startswith(PUSH_PREFIX):
        return None
    return str(UUID(source.removeprefix(PUSH_PREFIX)))
