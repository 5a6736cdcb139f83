"""The statements of recording a post, in SQL: through the ORM the stage takes four times the processor (measured)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.contrib.auth import get_user_model
from django.db import connection

from apps.sources.domain.near import DISTANCE, bands
from apps.sources.models import Deletion, Post

_MOST_HEADS = 500

_COLUMNS = ", ".join(str(field.column) for field in Post._meta.concrete_fields)

# Band by band, and ordered in a step of its own: the planner would else walk through all posts of the day.
_SURVEY = """
WITH alike AS MATERIALIZED (
    SELECT DISTINCT id, story_id, simhash, bands, owner_id, seen_at
    FROM unnest(%s::int[]) AS band JOIN sources_post ON bands @> ARRAY[band]
    WHERE near_duplicate_of_id IS NULL AND seen_at >= %s AND (owner_id IS NULL OR owner_id = ANY(%s::uuid[]))
), eldest AS (
    SELECT * FROM alike ORDER BY seen_at LIMIT %s
)
SELECT NULL AS root_id, eldest.* FROM eldest
WHERE EXISTS (SELECT FROM unnest(%s::bigint[]) AS mark WHERE bit_count((simhash # mark)::bit(64)) <= %s)
UNION ALL
SELECT root_id, id, story_id, simhash, bands, owner_id, seen_at FROM sources_post WHERE id = ANY(%s::uuid[])
"""
# One parameter for any number of rows; the table itself says what type each column has.
# A deletion may have been noted before its post came here.
_GONE = f"(SELECT gone.seen_at FROM {Deletion._meta.db_table} AS gone WHERE gone.story_id = post.story_id)"  # noqa: S608
_INSERT = f"""
INSERT INTO sources_post ({_COLUMNS})
SELECT {_COLUMNS.replace("deleted_at", _GONE)} FROM json_populate_recordset(NULL::sources_post, %s::json) AS post
ON CONFLICT DO NOTHING RETURNING id
"""  # noqa: S608 - made of the model's own columns
_NOTE_DELETIONS = f"""
INSERT INTO {Deletion._meta.db_table} (story_id, seen_at) SELECT * FROM unnest(%s::uuid[], %s::timestamptz[])
ON CONFLICT DO NOTHING
"""  # noqa: S608 - its own name
_MARK_DELETED = f"""
UPDATE {Post._meta.db_table} AS post SET deleted_at = gone.seen_at
FROM {Deletion._meta.db_table} AS gone
WHERE gone.story_id = ANY(%s::uuid[]) AND post.story_id = gone.story_id AND post.deleted_at IS NULL
"""  # noqa: S608 - their own names
_USERS = f"SELECT id FROM {get_user_model()._meta.db_table} WHERE id = ANY(%s::uuid[])"  # noqa: S608 - its own name


@dataclass(frozen=True, slots=True)
class Head:
    """A post that others may be near-duplicates of."""

    id: UUID
    story_id: UUID
    simhash: int
    bands: Sequence[int]
    owner_id: UUID | None
    seen_at: datetime


def survey(
    ids: Sequence[UUID], *, marks: Collection[int], owners: Collection[UUID], since: datetime
) -> tuple[dict[UUID, str], list[Head]]:
    """Which of `ids` are recorded, with their root ids, and the heads seen `since` that are near one of the simhashes
    `marks`, oldest first: the public ones and those of `owners`."""
    shared = {band for mark in marks for band in bands(mark)}
    params = [list(shared), since, list(owners), _MOST_HEADS, list(marks), DISTANCE, list(ids)]
    found = rows(_SURVEY, params)
    known = {values[1]: values[0] for values in found if values[0] is not None}
    heads = [Head(*values[1:]) for values in found if values[0] is None]
    return known, sorted(heads, key=lambda head: head.seen_at)


def insert(posts: Sequence[Mapping[str, Any]]) -> set[UUID]:
    """Store posts (columns and values), in this order; what is there already stays. Returns the ids that are new."""
    if not posts:
        return set()
    return {post_id for (post_id,) in rows(_INSERT, [msgspec.json.encode(posts).decode()])}


def note_deletions(seen: Mapping[UUID, datetime]) -> None:
    """Remember that these stories are gone, the first time each is told."""
    stories = sorted(seen)
    _run(_NOTE_DELETIONS, [stories, [seen[story] for story in stories]])


def mark_deleted(stories: Collection[UUID]) -> int:
    """Note on every recorded revision of these stories that it is gone, where it is; returns how many were new."""
    return _run(_MARK_DELETED, [list(stories)])


def users(ids: Collection[UUID]) -> set[UUID]:
    """Those of `ids` that are users."""
    return {user_id for (user_id,) in rows(_USERS, [list(ids)])}


def _run(sql: str, params: Sequence[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def rows(sql: str, params: Sequence[Any]) -> list[Any]:
    """What one statement returns."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())
