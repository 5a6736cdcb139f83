"""Writes: record posts and what their pictures say, and hand on what was pushed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.sources import selectors, statements
from apps.sources.domain.draft import Draft, draft
from apps.sources.domain.near import is_near
from apps.sources.domain.picture import ImageRead, StoredMedia
from apps.sources.models import Media, PostImage
from apps.sources.statements import Head
from tradebot.contracts.errors import PermanentError
from tradebot.contracts.messages import CrawlerMessage, to_wire
from tradebot.messaging import services as messaging

NEAR_WINDOW = timedelta(hours=24)


class Outcome(StrEnum):
    """What a sighting was. NEW and REDELIVERED go on, with the stored result; a DUPLICATE does not."""

    NEW = "new"
    REDELIVERED = "redelivered"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A sighting, what it was, and the post as it is stored."""

    message: CrawlerMessage
    outcome: Outcome
    post: selectors.PostView


def record_posts(messages: Sequence[CrawlerMessage]) -> list[Recorded]:
    """Store every post that is not stored yet, in two to four statements for any number, and tell what each sighting
    was. Only the insert writes, so no transaction is needed around them.

    Near-duplicates of the last 24 hours are linked to the first of their kind. Raises PermanentError for a pushed
    post whose user is gone.
    """
    if not messages:
        return []
    drafts = [draft(message) for message in messages]
    known, heads = _survey(drafts)
    fresh = _first_of_each(entry for entry in drafts if entry.id not in known)
    _check_owners(fresh)
    posts = _posts(fresh, heads)
    created = statements.insert([_row(entry, posts[entry.id]) for entry in _in_lock_order(fresh)])
    found = {post_id: post for post_id, post in posts.items() if post_id in created}
    if others := {entry.id for entry in drafts} - created:
        found |= selectors.posts(list(others))
    return [_recorded(entry.message, found[entry.id], created) for entry in drafts]


@transaction.atomic
def record_images(reads: Sequence[ImageRead]) -> None:
    """Store what was read in pictures, once for each place in a post: what is there already stays as it is."""
    media = {read.media.sha256: read.media for read in reads if read.media}
    Media.objects.bulk_create([_media_row(media[digest]) for digest in sorted(media)], ignore_conflicts=True)
    PostImage.objects.bulk_create([_image_row(read) for read in reads], ignore_conflicts=True)


@transaction.atomic
def push_posts(messages: Sequence[CrawlerMessage]) -> None:
    """Hand pushed posts to the pipeline through the outbox."""
    messaging.enqueue(messages)


def _recorded(message: CrawlerMessage, post: selectors.PostView, created: Collection[UUID]) -> Recorded:
    if post.root_id != message.root_id:
        return Recorded(message, Outcome.DUPLICATE, post)
    return Recorded(message, Outcome.NEW if post.id in created else Outcome.REDELIVERED, post)


def _survey(drafts: Sequence[Draft]) -> tuple[dict[UUID, str], list[Head]]:
    return statements.survey(
        [entry.id for entry in drafts],
        marks={entry.simhash for entry in drafts if entry.simhash is not None},
        owners={entry.owner_id for entry in drafts if entry.owner_id},
        since=_day_before(drafts),
    )


def _day_before(drafts: Sequence[Draft]) -> datetime:
    return min(entry.message.seen_at for entry in drafts) - NEAR_WINDOW


def _first_of_each(drafts: Iterable[Draft]) -> list[Draft]:
    first: dict[UUID, Draft] = {}
    for entry in drafts:
        first.setdefault(entry.id, entry)
    return list(first.values())


def _check_owners(drafts: Sequence[Draft]) -> None:
    owners = {entry.owner_id for entry in drafts if entry.owner_id}
    if not owners:
        return
    if missing := owners - statements.users(owners):
        raise PermanentError(f"source: push:{min(missing, key=str)} names a user who does not exist")


def _in_lock_order(drafts: Iterable[Draft]) -> list[Draft]:
    """Two workers that insert the same posts must take their locks in the same order."""
    return sorted(drafts, key=lambda entry: entry.id)


def _posts(drafts: Sequence[Draft], candidates: Sequence[Head]) -> dict[UUID, selectors.PostView]:
    if not drafts:
        return {}
    heads = _heads(drafts, candidates)
    return {entry.id: _post(entry, heads.get(entry.id)) for entry in drafts}


def _heads(drafts: Sequence[Draft], candidates: Sequence[Head]) -> dict[UUID, UUID]:
    """For each near-duplicate the first post of its kind, from the last day or from the same batch."""
    by_band: dict[int, list[Head]] = defaultdict(list)
    since = _day_before(drafts)
    for head in candidates:
        if head.seen_at >= since:
            _file(head, by_band)
    found: dict[UUID, UUID] = {}
    for entry in drafts:
        alike = (head for band in entry.bands for head in by_band[band])
        if same := next((head for head in alike if _tells_the_same(entry, head)), None):
            found[entry.id] = same.id
        else:
            _file(_head(entry), by_band)
    return found


def _file(head: Head, by_band: dict[int, list[Head]]) -> None:
    for band in head.bands:
        by_band[band].append(head)


def _head(entry: Draft) -> Head:
    return Head(entry.id, entry.story_id, entry.simhash or 0, entry.bands, entry.owner_id, entry.message.seen_at)


def _tells_the_same(entry: Draft, other: Head) -> bool:
    """An edit is no copy of its own story. A private post never stands for a public one: its author could otherwise
    make everybody's news look like copies."""
    if entry.simhash is None or entry.story_id == other.story_id or other.owner_id not in {None, entry.owner_id}:
        return False
    return is_near(entry.simhash, other.simhash)


def _post(entry: Draft, head: UUID | None) -> selectors.PostView:
    """The post as reading it back would give it."""
    message = entry.message
    return selectors.PostView(
        id=entry.id,
        story_id=entry.story_id,
        root_id=message.root_id,
        source=message.source,
        channel=entry.channel,
        author=message.author,
        native_id=message.id,
        revision=message.revision,
        kind=message.type,
        url=message.url,
        text=entry.text,
        language=entry.language,
        media_urls=tuple(message.media_urls),
        posted_at=message.timestamp.astimezone(UTC),
        seen_at=message.seen_at.astimezone(UTC),
        near_duplicate_of=head,
        owner_id=entry.owner_id,
    )


def _row(entry: Draft, post: selectors.PostView) -> dict[str, Any]:
    shown = {column: getattr(post, name) for name, column in selectors.POST_COLUMNS.items()}
    return shown | {
        "raw_text": entry.raw_text,
        "simhash": entry.simhash or 0,
        "bands": entry.bands,
        "created_at": timezone.now(),
    }


def _media_row(media: StoredMedia) -> Media:
    return Media(
        sha256=media.sha256,
        content_type=media.content_type,
        width=media.width,
        height=media.height,
        bytes=media.bytes,
        path=media.path,
    )


def _image_row(read: ImageRead) -> PostImage:
    return PostImage(
        post_id=read.post_id,
        index=read.index,
        url=read.url[:2000],
        media_id=read.media.sha256 if read.media else None,
        text=read.reading.text,
        confidence=read.reading.confidence,
        language=read.language,
        boxes=[to_wire(box) for box in read.reading.boxes],
        engine=read.reading.engine,
        error=read.error[:500],
    )
