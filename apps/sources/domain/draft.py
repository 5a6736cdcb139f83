"""A post made ready to be recorded: cleaned, its language told, its near-duplicates findable."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from apps.sources.domain.clean import clean, storable
from apps.sources.domain.identity import channel_of, owner_of, post_id, story_id
from apps.sources.domain.intake import check_storable
from apps.sources.domain.language import language
from apps.sources.domain.near import bands, simhash
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.messages import CrawlerMessage


@dataclass(frozen=True, slots=True)
class Draft:
    """One sighting of a post and everything that follows from its text alone. `simhash` is None for a short text."""

    message: CrawlerMessage
    id: UUID
    story_id: UUID
    channel: str
    owner_id: UUID | None
    raw_text: str
    text: str
    language: str
    simhash: int | None
    bands: tuple[int, ...]


def draft(message: CrawlerMessage) -> Draft:
    """Prepare one sighting. Raises InvalidField for a `push:` source that names no user, and for what can't be stored.

    Anybody with access to the broker may have written it: not every message came through a crawler or the API.
    """
    check_storable(message)
    text = clean(message.data)
    mark = simhash(text)
    return Draft(
        message=message,
        id=post_id(message),
        story_id=story_id(message),
        channel=channel_of(message),
        owner_id=_owner(message.source),
        raw_text=storable(message.data),
        text=text,
        language=language(text),
        simhash=mark,
        bands=tuple(bands(mark)) if mark is not None else (),
    )


def _owner(source: str) -> UUID | None:
    try:
        owner = owner_of(source)
    except ValueError:
        raise InvalidField("source", f"{source[:60]!r} names no user after push:") from None
    return UUID(owner) if owner else None
