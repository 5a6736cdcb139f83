"""Writes of stories: which one a post belongs to, decided by one worker at a time for each coin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import numpy as np

from apps.signals.cluster_settings import StorySettings
from apps.signals.domain.clusters import Member, Placed, Telling, place
from apps.signals.domain.manipulation import Market, Suspicion, Voice, suspicion
from apps.signals.models import Signal
from apps.signals.models_accuracy import Demotion
from apps.signals.models_clusters import Cluster, ClusterPost
from apps.signals.models_clusters import Voice as VoiceRow
from tradebot import sql
from tradebot.contracts.ids import stable_id
from tradebot.contracts.values import Direction

MOST_OF_A_STORY = 20
"""Posts of a story that a new one is compared with, the first ones, and as many copies of each."""
MOST_POSTS = 1_000

_LOCK = "SELECT count(pg_advisory_xact_lock(key)) FROM unnest(%s::bigint[]) AS key"
# As one JSON: reading a hundred rows column by column takes the client ten times as long. `post` in two halves, each by
# an index: with an OR, all posts of a story would be read, under the lock.
_TOLD = f"""
SELECT coalesce(json_agg(told ORDER BY opened_at, at, signal_id), '[]')::text FROM (
    SELECT post.signal_id, signal.type, signal.coins, signal.event, post.voice, signal.timestamp AS at,
           CASE WHEN signal.shadow = '' THEN post.confidence ELSE 0 END AS confidence, post.numbers,
           encode(post.sketch, 'hex') AS sketch, encode(post.vector, 'hex') AS vector, signal.owner_id, post.cluster_id,
           story.opened_at, post.copy_of, voice.first_seen, voice.posts
    FROM {Cluster._meta.db_table} AS story
    CROSS JOIN LATERAL (
        SELECT * FROM {ClusterPost._meta.db_table} AS first WHERE first.cluster_id = story.id AND first.place <= %s
        UNION ALL
        SELECT * FROM {ClusterPost._meta.db_table} AS own
        WHERE own.cluster_id = story.id AND own.place > %s AND own.voice = ANY(%s::text[])
    ) AS post
    JOIN {Signal._meta.db_table} AS signal ON signal.id = post.signal_id
    LEFT JOIN {VoiceRow._meta.db_table} AS voice ON voice.name = post.voice
    WHERE story.opened_at BETWEEN %s AND %s AND story.coins && %s::varchar[]
      AND (story.owner_id IS NULL OR story.owner_id = ANY(%s::uuid[]))
    ORDER BY story.opened_at DESC, post.place, post.signal_id LIMIT %s
) AS told
"""  # noqa: S608 - the tables' own names
_HEARD = f"""
SELECT asked.name, voice.first_seen, coalesce(voice.posts, 0), demotion.reason
FROM unnest(%s::text[]) AS asked (name)
LEFT JOIN {VoiceRow._meta.db_table} AS voice ON voice.name = asked.name
LEFT JOIN {Demotion._meta.db_table} AS demotion ON demotion.source = asked.name AND demotion.lifted_at IS NULL
"""  # noqa: S608 - the tables' own names


@dataclass(frozen=True, slots=True)
class Calling:
    """A post that calls for a trade: what it tells, its text, and what is known of its coin's market. `doubts`: by
    kind, why nothing real may be ordered by it, already."""

    telling: Telling
    text: str
    market: Market | None = None
    doubts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Story:
    """Where a post belongs, how much it looks like manipulation, and by kind why nothing real may be ordered."""

    placed: Placed
    suspicion: Suspicion
    doubts: Mapping[str, str] = field(default_factory=dict)

    @property
    def cluster_id(self) -> UUID:
        return self.placed.member.cluster_id

    @property
    def shadow(self) -> str:
        return "; ".join(self.doubts.values())[:500]

    def facts(self) -> dict[str, Any]:
        """What a signal keeps of it, as JSON."""
        telling = self.placed.member.telling
        return {
            "own_confidence": telling.confidence,
            "joined": self.placed.joined,
            "support": self.placed.support,
            "copy_of": str(self.placed.member.copy_of) if self.placed.member.copy_of else None,
            "doubts": list(self.doubts),
            "manipulation": {"score": self.suspicion.score, "reasons": list(self.suspicion.reasons)},
        }


@dataclass(frozen=True, slots=True)
class Known:
    """What was told before, and who was heard."""

    members: list[Member]
    voices: dict[str, Voice]
    demoted: dict[str, str]


def join(callings: Sequence[Calling], *, rules: StorySettings, now: datetime) -> dict[UUID, Story]:
    """The story of each post, by its signal's id; to be called in the transaction that stores the signals.

    Until it ends nobody else places a post about these coins: of two posts at one moment one opens the story and the
    other joins it. One round trip.
    """
    known = _known(callings, rules)
    found: dict[UUID, Story] = {}
    for calling in callings:
        story = _story(calling, known, rules, now)
        found[calling.telling.signal_id] = story
        # What must not be acted on supports nobody.
        trusted = replace(calling.telling, confidence=0.0) if story.shadow else calling.telling
        known.members.append(replace(story.placed.member, telling=trusted))
    return found


def preview(calling: Calling, *, rules: StorySettings, now: datetime) -> Story:
    """The story that a post would be of, as things stand; stores nothing, and holds nobody up."""
    return _story(calling, _read(sql.together(*_questions([calling], rules))), rules, now)


def _story(calling: Calling, known: Known, rules: StorySettings, now: datetime) -> Story:
    placed = place(calling.telling, known.members, rules.window)
    heard = [known.voices.get(voice, Voice()) for voice in sorted(placed.copies)]
    doubts = suspicion(calling.telling.direction, calling.text, copiers=heard, market=calling.market, now=now)
    voice = calling.telling.voice
    reasons = {
        **calling.doubts,
        "demoted": f"{voice} is demoted: {known.demoted[voice]}" if voice in known.demoted else "",
        "manipulation": doubts.shadow(rules.limit),
    }
    return Story(placed, doubts, {kind: reason for kind, reason in reasons.items() if reason})


def _known(callings: Sequence[Calling], rules: StorySettings) -> Known:
    keys = {
        int.from_bytes(stable_id("story", each.telling.owner_id, coin).bytes[:8], "big", signed=True)
        for each in callings
        for coin in each.telling.coins
    }
    # Statements of their own: only those that begin after the lock see what its last holder wrote.
    return _read(sql.together((_LOCK, [sorted(keys)]), *_questions(callings, rules))[1:])


def _questions(callings: Sequence[Calling], rules: StorySettings) -> tuple[sql.Query, sql.Query]:
    times = [each.telling.at for each in callings]
    coins = {coin for each in callings for coin in each.telling.coins}
    owners = {each.telling.owner_id for each in callings if each.telling.owner_id}
    voices = sorted({each.telling.voice for each in callings})
    told = [
        *(MOST_OF_A_STORY, MOST_OF_A_STORY, voices),
        *(min(times) - rules.window, max(times) + rules.window, sorted(coins), list(owners), MOST_POSTS),
    ]
    return (_TOLD, told), (_HEARD, [voices])


class _Told(msgspec.Struct):
    """A post of a story, as `_TOLD` gives it; `sketch` and `vector` in hexadecimal."""

    signal_id: UUID
    type: Direction
    coins: tuple[str, ...]
    event: str
    voice: str
    at: datetime
    confidence: float
    numbers: tuple[str, ...]
    sketch: str
    vector: str | None
    owner_id: UUID | None
    cluster_id: UUID
    opened_at: datetime
    copy_of: UUID | None
    first_seen: datetime | None
    posts: int | None


_TELLINGS = msgspec.json.Decoder(list[_Told])


def _read(answers: Sequence[Sequence[Any]]) -> Known:
    ((told,),), heard = answers
    rows = _TELLINGS.decode(told)
    voices = {row.voice: Voice(row.first_seen, row.posts or 0) for row in rows}
    voices |= {name: Voice(first_seen, posts) for name, first_seen, posts, _ in heard}
    return Known(list(map(_member, rows)), voices, {name: reason for name, _, _, reason in heard if reason})


def _member(row: _Told) -> Member:
    telling = Telling(
        signal_id=row.signal_id,
        direction=row.type,
        coins=row.coins,
        event=row.event,
        voice=row.voice,
        at=row.at,
        confidence=row.confidence,
        numbers=row.numbers,
        sketch=frozenset(np.frombuffer(bytes.fromhex(row.sketch), "<u4").tolist()),
        vector=np.frombuffer(bytes.fromhex(row.vector), "<f2").astype(np.float32) if row.vector else None,
        owner_id=row.owner_id,
    )
    return Member(telling, row.cluster_id, row.opened_at, row.copy_of)


def rows(stories: Mapping[UUID, Story]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Stories and their posts, as the columns of their tables; `place` counts those of this batch alone."""
    opened: dict[UUID, dict[str, Any]] = {}
    posts = []
    places: Counter[tuple[UUID, UUID | None]] = Counter()
    for signal_id, story in stories.items():
        member, telling = story.placed.member, story.placed.member.telling
        if member.cluster_id == stable_id("cluster", signal_id):
            opened[member.cluster_id] = {
                "id": member.cluster_id,
                "type": telling.direction,
                "coins": telling.coins,
                "event": telling.event,
                "opened_at": member.opened_at,
                "owner_id": telling.owner_id,
            }
        places[member.cluster_id, member.copy_of] += 1
        posts.append(
            {
                "signal_id": signal_id,
                "cluster_id": member.cluster_id,
                "voice": telling.voice,
                "confidence": telling.confidence,
                "copy_of": member.copy_of,
                "numbers": telling.numbers,
                "sketch": _hex(np.array(sorted(telling.sketch), "<u4")),
                "vector": None if telling.vector is None else _hex(telling.vector.astype("<f2")),
                "place": places[member.cluster_id, member.copy_of],
            }
        )
    return list(opened.values()), posts


def _hex(values: Any) -> str:
    """As PostgreSQL reads bytes."""
    return f"\\x{values.tobytes().hex()}"
