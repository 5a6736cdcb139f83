"""Writes: verdicts and the signals made of them, each once, and the coin table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django.db import connection, transaction
from django.utils import timezone

from apps.signals import cluster_services, cluster_settings
from apps.signals.cluster_services import Calling, Story
from apps.signals.domain.coins import catalogue
from apps.signals.domain.ensemble import Judgement
from apps.signals.domain.verdict import Verdict
from apps.signals.models import Analysis, Coin, Signal
from apps.signals.models_clusters import Cluster, ClusterPost, Voice
from apps.signals.selectors import SignalView, signals_by_id, signals_of_posts
from tradebot.contracts.ids import stable_id
from tradebot.contracts.messages import Evidence
from tradebot.contracts.ports import Embedder
from tradebot.contracts.values import Direction

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Decided:
    """A judged post. `story_id` is the post without its revision; `coins` empty: no signal comes of it. `calling`: what
    it tells, where it is bullish or bearish."""

    post_id: UUID
    story_id: UUID
    coins: tuple[str, ...]
    sources: tuple[str, ...]
    timestamp: datetime
    owner_id: UUID | None
    verdicts: tuple[Verdict, ...]
    judgement: Judgement
    calling: Calling | None = None
    signal_id: UUID = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "signal_id", signal_id(self.story_id, self.judgement.direction))


def signal_id(story_id: UUID, direction: Direction) -> UUID:
    """A signal's natural key: the post without revision, and the type."""
    return stable_id("signal", story_id, direction.value)


def record(*, decided: Sequence[Decided], now: datetime | None = None) -> dict[UUID, SignalView]:
    """Store verdicts and signals together, and give what is stored by post; posts that name no coin give nothing.

    Where a row was there already it stays as it was, and is what is given: a post is never decided twice, not even by
    two workers at the same moment (the database holds one signal a post). All kinds go in by one statement, which is
    whole or not at all; through the ORM the analyze stage takes three times the processor for one post (measured).
    Posts that call for a trade find their story first, under a lock that their coins share. `now` is when new rows were
    made.
    """
    now = now or timezone.now()
    callings = {each.signal_id: each.calling for each in decided if each.coins and each.calling}
    if not callings:
        return _stored(decided, {}, now)
    with transaction.atomic():
        stories = cluster_services.join(list(callings.values()), rules=cluster_settings.current(), now=now)
        return _stored(decided, stories, now)


def _stored(decided: Sequence[Decided], stories: Mapping[UUID, Story], now: datetime) -> dict[UUID, SignalView]:
    made: dict[UUID, SignalView] = {}
    for each in decided:
        if each.coins:
            made.setdefault(each.signal_id, _signal(each, stories.get(each.signal_id), now))
    inserted = _insert(decided, made, stories, now)
    told = [each for each in decided if each.coins]
    if older := [each for each in told if each.signal_id not in inserted]:
        made |= signals_by_id([each.signal_id for each in older])
        first = {post_id: signals[0] for post_id, signals in signals_of_posts([each.post_id for each in older]).items()}
        return {each.post_id: first.get(each.post_id, made[each.signal_id]) for each in told}
    return {each.post_id: made[each.signal_id] for each in told}


_BEFORE = f"""
SELECT max(before.place) FROM {ClusterPost._meta.db_table} AS before
WHERE before.cluster_id = given.cluster_id AND before.copy_of"""  # noqa: S608 - the table's own name
# The voices in the order of their names: two workers that heard the same ones must not wait for each other. Two ways to
# what was told before: no index helps to find IS NOT DISTINCT FROM.
_RECORD = f"""
WITH analyses AS (
    INSERT INTO {Analysis._meta.db_table}
        (id, post_id, analyzer, model_version, direction, confidence, event, evidence, error, created_at)
    SELECT id, post_id, analyzer, model_version, direction, confidence, event, evidence, error, %s
    FROM json_to_recordset(%s) AS given (
        id uuid, post_id uuid, analyzer text, model_version text, direction text, confidence float8, event text,
        evidence jsonb, error text
    )
    ON CONFLICT DO NOTHING RETURNING post_id
), heard AS (
    INSERT INTO {Voice._meta.db_table} AS voice (name, first_seen, posts)
    SELECT given.voice, %s, count(*) FROM json_to_recordset(%s) AS given (post_id uuid, voice text)
    WHERE given.post_id IN (SELECT post_id FROM analyses) GROUP BY given.voice ORDER BY given.voice
    ON CONFLICT (name) DO UPDATE SET posts = voice.posts + EXCLUDED.posts
), signals AS (
    INSERT INTO {Signal._meta.db_table}
        (id, post_id, type, confidence, coins, event, evidence, sources, timestamp, owner_id, versions, created_at,
         mood, call, cluster_id, shadow)
    SELECT id, post_id, type, confidence, coins, event, evidence, sources, timestamp, owner_id, versions, created_at,
           mood, call, cluster_id, shadow
    FROM json_to_recordset(%s) AS given (
        id uuid, post_id uuid, type text, confidence float8, coins varchar[], event text, evidence jsonb,
        sources varchar[], timestamp timestamptz, owner_id uuid, versions jsonb, created_at timestamptz,
        mood text, call jsonb, cluster_id uuid, shadow text
    )
    ON CONFLICT DO NOTHING RETURNING id, cluster_id
), stories AS (
    INSERT INTO {Cluster._meta.db_table} (id, type, coins, event, opened_at, owner_id, created_at)
    SELECT id, type, coins, event, opened_at, owner_id, %s
    FROM json_to_recordset(%s) AS given (
        id uuid, type text, coins varchar[], event text, opened_at timestamptz, owner_id uuid
    )
    WHERE id IN (SELECT cluster_id FROM signals)
    ON CONFLICT DO NOTHING
), posts AS (
    INSERT INTO {ClusterPost._meta.db_table}
        (signal_id, cluster_id, voice, confidence, copy_of, numbers, sketch, vector, place)
    SELECT signal_id, cluster_id, voice, confidence, copy_of, numbers, sketch, vector,
           place + coalesce(CASE WHEN copy_of IS NULL THEN ({_BEFORE} IS NULL) ELSE ({_BEFORE} = given.copy_of) END, 0)
    FROM json_to_recordset(%s) AS given (
        signal_id uuid, cluster_id uuid, voice text, confidence float8, copy_of uuid, numbers varchar[], sketch bytea,
        vector bytea, place integer
    )
    WHERE signal_id IN (SELECT id FROM signals)
)
SELECT id FROM signals
"""  # noqa: S608 - the tables' own names


def _insert(
    decided: Sequence[Decided], signals: Mapping[UUID, SignalView], stories: Mapping[UUID, Story], now: datetime
) -> set[UUID]:
    """Ids of those signals that were not there before."""
    analyses = [_analysis(each.post_id, verdict) for each in decided for verdict in each.verdicts]
    heard = [{"post_id": each.post_id, "voice": each.sources[0]} for each in decided if each.sources]
    opened, posts = cluster_services.rows(stories)
    given: list[datetime | str] = [now, _json(analyses), now, _json(heard), _json(list(signals.values()))]
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, [*given, now, _json(opened), _json(posts)])
        return {row[0] for row in cursor.fetchall()}


_MARK = f"""
UPDATE {Signal._meta.db_table} SET dispatched_at = %s WHERE id = ANY(%s::uuid[]) AND dispatched_at IS NULL
RETURNING id
"""  # noqa: S608 - the table's own name


def mark_dispatched(signal_ids: Sequence[UUID]) -> set[UUID]:
    """Note that strategies were matched against these signals; returns those that were not marked before."""
    with connection.cursor() as cursor:
        cursor.execute(_MARK, [timezone.now(), list(signal_ids)])
        return {row[0] for row in cursor.fetchall()}


@transaction.atomic
def sync_coins(*, embedder: Embedder) -> int:
    """Bring the coin table to the catalogue; embeds only what changed. Returns how many coins there are."""
    known = {coin.symbol: coin for coin in catalogue()}
    have = dict(Coin.objects.values_list("symbol", "description"))
    current = set(Coin.objects.filter(embedder=embedder.version).values_list("symbol", flat=True))
    stale = [coin for coin in known.values() if coin.symbol not in current or have[coin.symbol] != coin.description]
    if stale:
        vectors = embedder.embed([coin.description for coin in stale])
        _upsert(
            [
                Coin(
                    symbol=coin.symbol,
                    name=coin.name,
                    aliases=list(coin.aliases),
                    description=coin.description,
                    vector=vector,
                    embedder=embedder.version,
                )
                for coin, vector in zip(stale, vectors, strict=True)
            ]
        )
    Coin.objects.exclude(symbol__in=known).delete()
    log.info("coins_synced", coins=len(known), embedded=len(stale))
    return len(known)


def _upsert(rows: list[Coin]) -> None:
    Coin.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["symbol"],
        update_fields=["name", "aliases", "description", "vector", "embedder"],
    )


class _AnalysisRow(msgspec.Struct, frozen=True):
    """A row of verdicts, in the shape that `_RECORD` reads."""

    id: UUID
    post_id: UUID
    analyzer: str
    model_version: str
    direction: Direction
    confidence: float
    event: str
    evidence: tuple[Evidence, ...]
    error: str


def _analysis(post_id: UUID, verdict: Verdict) -> _AnalysisRow:
    return _AnalysisRow(
        id=stable_id("analysis", post_id, verdict.analyzer, verdict.version),
        post_id=post_id,
        analyzer=verdict.analyzer,
        model_version=verdict.version,
        direction=verdict.direction,
        confidence=round(verdict.confidence, 4),
        event=verdict.event,
        evidence=verdict.evidence,
        error=verdict.error,
    )


def _signal(decided: Decided, story: Story | None, now: datetime) -> SignalView:
    judgement = decided.judgement
    made = SignalView(
        id=decided.signal_id,
        post_id=decided.post_id,
        type=judgement.direction,
        confidence=judgement.confidence,
        coins=decided.coins,
        event=judgement.event,
        evidence=judgement.evidence,
        sources=decided.sources,
        timestamp=decided.timestamp.astimezone(UTC),
        owner_id=decided.owner_id,
        versions=judgement.stored(),
        created_at=now,
        dispatched_at=None,
        mood=judgement.mood,
        call=judgement.call,
    )
    if story is None:
        return made
    return replace(
        made,
        confidence=story.placed.confidence,
        cluster_id=story.cluster_id,
        shadow=story.shadow,
        versions={**made.versions, "story": story.facts()},
    )


def _json(rows: Sequence[Any]) -> str:
    return msgspec.json.encode(rows).decode()
