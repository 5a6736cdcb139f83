"""Writes: verdicts and the signals made of them, each once, and the coin table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog
from django.db import connection, transaction
from django.utils import timezone

from apps.signals.domain.coins import catalogue
from apps.signals.domain.ensemble import Judgement
from apps.signals.domain.verdict import Verdict
from apps.signals.models import Analysis, Coin, Signal
from apps.signals.selectors import SignalView, signals_by_id, signals_of_posts
from tradebot.contracts.ids import stable_id
from tradebot.contracts.messages import Evidence
from tradebot.contracts.ports import Embedder
from tradebot.contracts.values import Direction

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Decided:
    """A judged post. `story_id` is the post without its revision; `coins` empty: no signal comes of it."""

    post_id: UUID
    story_id: UUID
    coins: tuple[str, ...]
    sources: tuple[str, ...]
    timestamp: datetime
    owner_id: UUID | None
    verdicts: tuple[Verdict, ...]
    judgement: Judgement

    @property
    def signal_id(self) -> UUID:
        return signal_id(self.story_id, self.judgement.direction)


def signal_id(story_id: UUID, direction: Direction) -> UUID:
    """A signal's natural key: the post without revision, and the type."""
    return stable_id("signal", story_id, direction.value)


def record(*, decided: Sequence[Decided]) -> dict[UUID, SignalView]:
    """Store verdicts and signals together, and give what is stored by post; posts that name no coin give nothing.

    Where a row was there already it stays as it was, and is what is given: a post is never decided twice, not even by
    two workers at the same moment (the database holds one signal a post). Both kinds go in by one statement, which is
    whole or not at all; through the ORM the analyze stage takes three times the processor for one post (measured).
    """
    now = timezone.now()
    made: dict[UUID, SignalView] = {}
    for each in decided:
        if each.coins:
            made.setdefault(each.signal_id, _signal(each, now))
    inserted = _insert([_analysis(each.post_id, verdict) for each in decided for verdict in each.verdicts], made, now)
    told = [each for each in decided if each.coins]
    if older := [each for each in told if each.signal_id not in inserted]:
        made |= signals_by_id([each.signal_id for each in older])
        first = {post_id: signals[0] for post_id, signals in signals_of_posts([each.post_id for each in older]).items()}
        return {each.post_id: first.get(each.post_id, made[each.signal_id]) for each in told}
    return {each.post_id: made[each.signal_id] for each in told}


_RECORD = f"""
WITH analyses AS (
    INSERT INTO {Analysis._meta.db_table}
        (id, post_id, analyzer, model_version, direction, confidence, event, evidence, error, created_at)
    SELECT id, post_id, analyzer, model_version, direction, confidence, event, evidence, error, %s
    FROM json_to_recordset(%s) AS given (
        id uuid, post_id uuid, analyzer text, model_version text, direction text, confidence float8, event text,
        evidence jsonb, error text
    )
    ON CONFLICT DO NOTHING
)
INSERT INTO {Signal._meta.db_table}
    (id, post_id, type, confidence, coins, event, evidence, sources, timestamp, owner_id, versions, created_at)
SELECT id, post_id, type, confidence, coins, event, evidence, sources, timestamp, owner_id, versions, created_at
FROM json_to_recordset(%s) AS given (
    id uuid, post_id uuid, type text, confidence float8, coins varchar[], event text, evidence jsonb,
    sources varchar[], timestamp timestamptz, owner_id uuid, versions jsonb, created_at timestamptz
)
ON CONFLICT DO NOTHING
RETURNING id
"""  # noqa: S608 - the tables' own names


def _insert(analyses: Sequence[_AnalysisRow], signals: Mapping[UUID, SignalView], now: datetime) -> set[UUID]:
    """Ids of those signals that were not there before."""
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, [now, _json(analyses), _json(list(signals.values()))])
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


def _signal(decided: Decided, now: datetime) -> SignalView:
    judgement = decided.judgement
    return SignalView(
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
        versions={"analyzers": judgement.versions, "notes": list(judgement.notes)},
        created_at=now,
        dispatched_at=None,
    )


def _json(rows: Sequence[Any]) -> str:
    return msgspec.json.encode(rows).decode()
