"""Reads: signals and analyses of posts, how far posts have come, and the coins nearest to a vector."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import msgspec
import numpy as np
from django.db import connection
from django.db.models import Count, Q, QuerySet
from numpy.typing import NDArray

from apps.signals.models import Analysis, Coin, Signal
from tradebot.contracts.messages import Evidence, Near, TradeCall
from tradebot.contracts.values import Direction

NEAREST = 3
SCALE = np.float32(2**24)

_STANDINGS = f"""
SELECT id, story_id, EXISTS (SELECT 1 FROM {Analysis._meta.db_table} WHERE post_id = post.id)
FROM {Analysis.post.field.related_model._meta.db_table} AS post WHERE id = ANY(%s)
"""  # noqa: S608 - the tables' own names
# Materialised: else every comparison parses the vector's text again. One JSON of all vectors: it is quoted once.
# The index looks at REACH candidates, set for this statement alone and before the search begins: at the server's own
# 40 it misses near ones (tests/bench/coins.py).
REACH = 200
_NEAREST = f"""
WITH asked AS MATERIALIZED (
    SELECT place, text::vector AS vector, set_config('hnsw.ef_search', '{REACH}', true)
    FROM json_array_elements_text(%s) WITH ORDINALITY AS given(text, place)
)
SELECT asked.place, found.symbol, 1 - found.distance
FROM asked
CROSS JOIN LATERAL (
    SELECT symbol, coin.vector <=> asked.vector AS distance
    FROM {Coin._meta.db_table} AS coin
    ORDER BY distance
    LIMIT %s
) AS found
ORDER BY asked.place, found.distance
"""  # noqa: S608 - the table's own name


@dataclass(frozen=True, slots=True)
class SignalView:
    """A stored signal. `owner_id`: the only user who may see it, None for a public one. `cluster_id`: its story, None
    for a neutral one. `shadow`: why nothing real may be ordered by it."""

    id: UUID
    post_id: UUID
    type: Direction
    confidence: float
    coins: tuple[str, ...]
    event: str
    evidence: tuple[Evidence, ...]
    sources: tuple[str, ...]
    timestamp: datetime
    owner_id: UUID | None
    versions: dict[str, Any]
    created_at: datetime
    dispatched_at: datetime | None
    mood: str = ""
    call: TradeCall | None = None
    cluster_id: UUID | None = None
    shadow: str = ""


@dataclass(frozen=True, slots=True)
class AnalysisView:
    """One analyzer's verdict on a post; `error` says why there is none."""

    post_id: UUID
    analyzer: str
    model_version: str
    direction: Direction
    confidence: float
    event: str
    evidence: tuple[Evidence, ...]
    error: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A recorded post: its story (the post without its revision), and whether it was judged already."""

    story_id: UUID
    judged: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """Of some posts: how many are judged, how many signals came of them, how many of those wait for dispatch."""

    analysed: int
    signals: int
    undispatched: int


def visible_to(viewer: UUID | None) -> QuerySet[Signal]:
    """Public signals, and those of the viewer's own pushed posts."""
    public = Q(owner__isnull=True)
    return Signal.objects.filter(public if viewer is None else public | Q(owner_id=viewer))


def signals(
    *, viewer: UUID | None, coin: str | None = None, since: datetime | None = None, limit: int = 100
) -> list[SignalView]:
    """The newest signals a viewer may see, of one coin and from a time on where asked."""
    return [view(row) for row in filtered(viewer=viewer, coin=coin, since=since)[:limit]]


def filtered(*, viewer: UUID | None, coin: str | None, since: datetime | None) -> QuerySet[Signal]:
    """As `signals`, unread and uncut: the API pages through it."""
    rows = visible_to(viewer)
    if coin:
        rows = rows.filter(coins__contains=[coin])
    if since:
        rows = rows.filter(timestamp__gte=since)
    return rows


def signal(signal_id: UUID, *, viewer: UUID | None = None) -> SignalView | None:
    """One signal, or None where there is none that the viewer may see."""
    row = visible_to(viewer).filter(id=signal_id).first()
    return view(row) if row else None


def signals_by_id(ids: Sequence[UUID]) -> dict[UUID, SignalView]:
    """Those of `ids` that are stored, whoever may see them."""
    return {row.id: view(row) for row in Signal.objects.filter(id__in=ids)}


def signals_of_posts(post_ids: Sequence[UUID]) -> dict[UUID, list[SignalView]]:
    """Signals by the post that made them."""
    found: dict[UUID, list[SignalView]] = defaultdict(list)
    for row in Signal.objects.filter(post_id__in=post_ids).order_by("created_at"):
        found[row.post_id].append(view(row))
    return dict(found)


def analyses(post_id: UUID) -> list[AnalysisView]:
    """What each analyzer said of one post."""
    return [
        AnalysisView(
            post_id=row.post_id,
            analyzer=row.analyzer,
            model_version=row.model_version,
            direction=Direction(row.direction),
            confidence=row.confidence,
            event=row.event,
            evidence=_evidence(row.evidence),
            error=row.error,
        )
        for row in Analysis.objects.filter(post_id=post_id).order_by("analyzer")
    ]


def judged(post_ids: Sequence[UUID]) -> set[UUID]:
    """Those of `post_ids` that were decided already: their verdict is final."""
    return set(Analysis.objects.filter(post_id__in=post_ids).values_list("post_id", flat=True).distinct())


def standings(post_ids: Sequence[UUID]) -> dict[UUID, Standing]:
    """How far those of `post_ids` are that are recorded. In SQL, for the reason that `services.record` gives."""
    with connection.cursor() as cursor:
        cursor.execute(_STANDINGS, [list(post_ids)])
        return {post_id: Standing(story_id, judged) for post_id, story_id, judged in cursor.fetchall()}


def progress(post_ids: Sequence[UUID]) -> Progress:
    """How far these posts have come. Neutral signals wait for nobody.

    Judged posts are counted before their signals: a post that is judged between the two reads still counts as waiting,
    where the other way round it would seem to be through, without its signal.
    """
    analysed = len(judged(post_ids))
    counts = Signal.objects.filter(post_id__in=post_ids).aggregate(
        signals=Count("id", filter=~Q(type=Direction.NEUTRAL)),
        undispatched=Count("id", filter=~Q(type=Direction.NEUTRAL) & Q(dispatched_at__isnull=True)),
    )
    return Progress(analysed, counts["signals"], counts["undispatched"])


def ids_of_posts(post_ids: Sequence[UUID]) -> list[UUID]:
    """Ids of the signals that are not neutral and came of these posts."""
    return list(
        Signal.objects.filter(post_id__in=post_ids).exclude(type=Direction.NEUTRAL).values_list("id", flat=True)
    )


def nearest(vectors: NDArray[np.float32], count: int = NEAREST) -> list[list[Near]]:
    """For each 384-d unit vector its `count` nearest coins by cosine, best first: one statement for all of them."""
    found: list[list[Near]] = [[] for _ in vectors]
    if not found:
        return found
    with connection.cursor() as cursor:
        cursor.execute(_NEAREST, [_whole_numbers(vectors), count])
        for place, symbol, similarity in cursor.fetchall():
            found[place - 1].append(Near(coin=symbol, similarity=round(similarity, 4)))
    return found


def view(row: Signal) -> SignalView:
    """A signal's row as a frozen value."""
    return SignalView(
        id=row.id,
        post_id=row.post_id,
        type=Direction(row.type),
        confidence=row.confidence,
        coins=tuple(row.coins),
        event=row.event,
        evidence=_evidence(row.evidence),
        sources=tuple(row.sources),
        timestamp=row.timestamp,
        owner_id=row.owner_id,
        versions=cast(dict[str, Any], row.versions),
        created_at=row.created_at,
        dispatched_at=row.dispatched_at,
        mood=row.mood,
        call=msgspec.convert(row.call, TradeCall) if row.call else None,
        cluster_id=row.cluster_id,
        shadow=row.shadow,
    )


def _evidence(raw: Any) -> tuple[Evidence, ...]:
    return msgspec.convert(raw, tuple[Evidence, ...])


def _whole_numbers(vectors: NDArray[np.float32]) -> str:
    """The vectors as JSON, made so large that whole numbers hold all of a float32 near 1: an angle has no length, and
    these are written six times faster than fractions (measured)."""
    whole = np.rint(np.asarray(vectors) * SCALE).astype(np.int32)
    return msgspec.json.encode(whole.tolist()).decode("ascii")
