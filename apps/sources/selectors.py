"""Reads: posts, their pictures and what is watched, as frozen values."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from apps.sources import statements
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


POST_COLUMNS = {
    each.name: {"text": "clean_text", "near_duplicate_of": "near_duplicate_of_id"}.get(each.name, each.name)
    for each in fields(PostView)
}
"""The column behind each field of a PostView."""

_POSTS = f"SELECT {', '.join(POST_COLUMNS.values())} FROM sources_post WHERE id = ANY(%s::uuid[])"  # noqa: S608


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
    """A watched source as its crawler needs it. Posts from before `created_at` are its history."""

    name: str
    kind: str
    url: str
    config: dict[str, Any]
    state: dict[str, Any]
    interval_seconds: int
    listen_state: dict[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None


def allowed_media() -> frozenset[str]:
    """Endpoints (`host:port`) that pictures of posts may come from although they are inner ones; none by default.
    GUARDED_ALLOW does not count here: what an operator vouches for elsewhere is no address for strangers to name."""
    return frozenset(getattr(settings, "MEDIA_ALLOW", ()))


def media_hosts(kind: str, name: str) -> tuple[str, ...]:
    """The only hosts that pictures of this watched source may come from, by its settings; none: any."""
    config = Source.objects.filter(kind=kind, name=name).values_list("config", flat=True).first() or {}
    return tuple(str(host) for host in config.get("media_hosts") or ())


def posts(ids: Sequence[UUID]) -> dict[UUID, PostView]:
    """Those of `ids` that are recorded."""
    found = (dict(zip(POST_COLUMNS, values, strict=True)) for values in statements.rows(_POSTS, [list(ids)]))
    return {row["id"]: PostView(**{**row, "media_urls": tuple(json.loads(row["media_urls"]))}) for row in found}


def posts_of_stories(story_ids: Sequence[UUID]) -> list[PostView]:
    """Every revision of these stories, oldest revision first."""
    return [view(row) for row in Post.objects.filter(story_id__in=story_ids).order_by("story_id", "revision")]


def visible_to(user_id: UUID) -> QuerySet[Post]:
    """Posts that a user may see: public ones and their own."""
    return Post.objects.filter(Q(owner__isnull=True) | Q(owner_id=user_id))


_SIGHTINGS = f"SELECT id, root_id FROM {Post._meta.db_table} WHERE id = ANY(%s::uuid[])"  # noqa: S608 - our own table


def sightings(ids: Sequence[UUID]) -> dict[UUID, str]:
    """Root id of the sighting that recorded each of these posts; posts never recorded are left out."""
    return dict(statements.rows(_SIGHTINGS, [list(ids)]))


def post_images(post_id: UUID) -> list[PostImageView]:
    """Pictures of one post, in order."""
    return images_of([post_id]).get(post_id, [])


_IMAGES = f"""
SELECT post_id, index, url, text, confidence, language, boxes, engine, error, media_id
FROM {PostImage._meta.db_table} WHERE post_id = ANY(%s::uuid[]) ORDER BY post_id, index
"""  # noqa: S608 - the table's own name


def images_of(post_ids: Sequence[UUID]) -> dict[UUID, list[PostImageView]]:
    """Pictures of several posts, in order; posts of which none was read yet are left out."""
    found: dict[UUID, list[PostImageView]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_IMAGES, [list(post_ids)])
        for row in cursor.fetchall():
            found[row[0]].append(_image(*row))
    return dict(found)


def source(name: str) -> SourceView | None:
    """One watched source by its name."""
    row = Source.objects.filter(name=name).first()
    return source_view(row) if row else None


def is_watched(name: str) -> bool:
    """Is there such a source, and is it enabled?"""
    return Source.objects.filter(name=name, enabled=True).exists()


def source_view(row: Source) -> SourceView:
    """A source's row as a frozen value."""
    return SourceView(
        name=row.name,
        kind=row.kind,
        url=row.url,
        config=row.config,
        state=row.state,
        interval_seconds=row.interval_seconds,
        listen_state=row.listen_state,
        created_at=row.created_at,
    )


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a watched source stands, for people. `leased_by`: the node that fetches it just now."""

    name: str
    kind: str
    enabled: bool
    interval_seconds: int
    next_run_at: datetime
    last_run_at: datetime | None
    last_result: str
    last_error: str
    failures: int
    lag_p50_seconds: float | None
    throttled_until: datetime | None
    leased_by: str
    listening_since: datetime | None
    listen_error: str
    notes: dict[str, str]


def source_statuses(name: str = "") -> list[SourceStatus]:
    """Every watched source by name, or one."""
    rows = Source.objects.filter(name=name) if name else Source.objects.order_by("name")
    names = [each.name for each in fields(SourceStatus)]
    return [SourceStatus(**row) for row in rows.values(*names)]


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


def _image(*row: Any) -> PostImageView:
    post_id, index, url, text, confidence, language, boxes, engine, error, sha256 = row
    return PostImageView(
        post_id=post_id,
        index=index,
        url=url,
        text=text,
        confidence=confidence,
        language=language,
        boxes=msgspec.json.decode(boxes, type=tuple[Box, ...]),
        engine=engine,
        error=error,
        sha256=sha256,
    )
