"""Reads: posts, their pictures and what is watched, as frozen values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db.models import Q, QuerySet

from apps.sources.models import Post, PostImage, Source
from tradebot.contracts.messages import Box


@dataclass(frozen=True, slots=True)
class PostView:
    """One revision of a post. `owner_id`: the only user who may see it, None for a public one."""

    id: UUID
    story_id: UUID
    root_id: str
    source: str
    channel: str
    author: str
    native_id: str
    revision: int
    kind: str
    url: str
    text: str
    language: str
    media_urls: tuple[str, ...]
    posted_at: datetime
    seen_at: datetime
    near_duplicate_of: UUID | None
    owner_id: UUID | None


@dataclass(frozen=True, slots=True)
class PostImageView:
    """What was read in one picture of a post; `sha256` is its stored file, `error` says why there is none."""

    post_id: UUID
    index: int
    url: str
    text: str
    confidence: float
    language: str
    boxes: tuple[Box, ...]
    engine: str
    error: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class SourceView:
    """A watched source as its crawler needs it."""

    name: str
    kind: str
    url: str
    config: dict[str, Any]
    state: dict[str, Any]
    interval_seconds: int


def allowed_media() -> frozenset[str]:
    """Endpoints (`host:port`) that pictures of posts may come from although they are inner ones; none by default.
    GUARDED_ALLOW does not count here: what an operator vouches for elsewhere is no address for strangers to name."""
    return frozenset(getattr(settings, "MEDIA_ALLOW", ()))


def posts(ids: Sequence[UUID]) -> dict[UUID, PostView]:
    """Those of `ids` that are recorded."""
    return {row.id: view(row) for row in Post.objects.filter(id__in=ids)}


def posts_of_stories(story_ids: Sequence[UUID]) -> list[PostView]:
    """Every revision of these stories, oldest revision first."""
    return [view(row) for row in Post.objects.filter(story_id__in=story_ids).order_by("story_id", "revision")]


def visible_to(user_id: UUID) -> QuerySet[Post]:
    """Posts that a user may see: public ones and their own."""
    return Post.objects.filter(Q(owner__isnull=True) | Q(owner_id=user_id))


def sightings(ids: Sequence[UUID]) -> dict[UUID, str]:
    """Root id of the sighting that recorded each of these posts; posts never recorded are left out."""
    return dict(Post.objects.filter(id__in=ids).values_list("id", "root_id"))


def post_images(post_id: UUID) -> list[PostImageView]:
    """Pictures of one post, in order."""
    return images_of([post_id]).get(post_id, [])


def images_of(post_ids: Sequence[UUID]) -> dict[UUID, list[PostImageView]]:
    """Pictures of several posts, in order; posts of which none was read yet are left out."""
    found: dict[UUID, list[PostImageView]] = defaultdict(list)
    for row in PostImage.objects.filter(post_id__in=post_ids).order_by("post_id", "index"):
        found[row.post_id].append(_image(row))
    return dict(found)


def source(name: str) -> SourceView | None:
    """One watched source by its name."""
    row = Source.objects.filter(name=name).first()
    return source_view(row) if row else None


def source_view(row: Source) -> SourceView:
    """A source's row as a frozen value."""
    return SourceView(row.name, row.kind, row.url, row.config, row.state, row.interval_seconds)


def view(row: Post) -> PostView:
    """A post's row as a frozen value."""
    return PostView(
        id=row.id,
        story_id=row.story_id,
        root_id=row.root_id,
        source=row.source,
        channel=row.channel,
        author=row.author,
        native_id=row.native_id,
        revision=row.revision,
        kind=row.kind,
        url=row.url,
        text=row.clean_text,
        language=row.language,
        media_urls=tuple(row.media_urls),
        posted_at=row.posted_at,
        seen_at=row.seen_at,
        near_duplicate_of=row.near_duplicate_of_id,
        owner_id=row.owner_id,
    )


def _image(row: PostImage) -> PostImageView:
    return PostImageView(
        post_id=row.post_id,
        index=row.index,
        url=row.url,
        text=row.text,
        confidence=row.confidence,
        language=row.language,
        boxes=tuple(msgspec.convert(row.boxes, list[Box])),
        engine=row.engine,
        error=row.error,
        sha256=row.media_id,
    )
