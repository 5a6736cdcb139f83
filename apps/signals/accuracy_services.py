"""Writes about whether signals were right: marks that fall due, what they came to, scores, demotions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction

from apps.signals import accuracy_selectors as selectors
from apps.signals.accuracy_settings import current
from apps.signals.domain import accuracy
from apps.signals.models import Analysis, Signal
from apps.signals.models_accuracy import AccuracyScore, Demotion, SignalAccuracy

log = structlog.get_logger(__name__)

LOOKBACK = timedelta(days=7)
"""Signals older than this get no mark any more: an outage of a week is caught up with."""
FRESH = timedelta(minutes=15)
"""A signal that was made later than this after its post's own time gets no mark: whoever dates a post back could know
the price already."""
AHEAD = timedelta(minutes=5)
GRACE = timedelta(minutes=2)
"""So long after the horizon the venue has the candle for certain."""
COINS = 5
"""So many coins of one signal are marked."""
GIVE_UP = timedelta(hours=48)
"""After the horizon; at least LEAST_ATTEMPTS are made all the same."""
LEAST_ATTEMPTS = 3
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(hours=6)
_LOCK = 0x7_3161_4C55
"""Advisory lock: one process makes the scores at a time."""


@dataclass(frozen=True, slots=True)
class Marked:
    """What a mark came to. `price_before` may be unknown: then the baseline has no view of it."""

    mark_id: int
    venue: str
    pair: str
    price: Decimal
    price_before: Decimal | None
    price_after: Decimal


_OPEN = f"""
INSERT INTO {SignalAccuracy._meta.db_table}
    (signal_id, coin, is_primary, horizon, at, state, reason, attempts, next_try_at, venue, pair, outcome)
SELECT due.id, named.coin, named.place = 1, due.horizon, due.created_at, 'waiting', '', 0, %(now)s, '', '', ''
FROM (
    SELECT signal.id, signal.coins, signal.created_at, given.horizon
    FROM {Signal._meta.db_table} AS signal CROSS JOIN unnest(%(horizons)s::int[]) AS given(horizon)
    WHERE signal.timestamp > %(since)s AND signal.timestamp <= %(now)s
        AND signal.created_at BETWEEN signal.timestamp - %(ahead)s::interval AND signal.timestamp + %(fresh)s::interval
        AND signal.created_at <= %(now)s - %(grace)s::interval - given.horizon * interval '1 minute'
        AND NOT EXISTS (
            SELECT FROM {SignalAccuracy._meta.db_table} AS mark
            WHERE mark.signal_id = signal.id AND mark.horizon = given.horizon
        )
    ORDER BY signal.created_at
    LIMIT %(most)s
) AS due
CROSS JOIN LATERAL unnest(due.coins[1:{COINS}]) WITH ORDINALITY AS named(coin, place)
ON CONFLICT DO NOTHING
"""  # noqa: S608 - the tables' own names


def open_due(*, now: datetime, most: int = 2_000) -> int:
    """Begin a mark for every coin of every signal whose horizon has passed; returns how many were begun."""
    given: dict[str, Any] = {
        "now": now,
        "since": now - LOOKBACK,
        "horizons": list(current().horizons),
        "ahead": AHEAD,
        "fresh": FRESH,
        "grace": GRACE,
        "most": most,
    }
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, given)
        return int(cursor.rowcount)


@transaction.atomic
def record(*, marked: Sequence[Marked], now: datetime) -> int:
    """Store what marks came to. One that is marked already stays as it is; returns how many were new."""
    band = current().band
    return sum(
        SignalAccuracy.objects.filter(id=each.mark_id, state=SignalAccuracy.State.WAITING).update(
            state=SignalAccuracy.State.MARKED,
            reason="",
            venue=each.venue,
            pair=each.pair,
            price=each.price,
            price_before=each.price_before,
            price_after=each.price_after,
            move=(moved := accuracy.move(each.price, each.price_after)),
            move_before=None if each.price_before is None else accuracy.move(each.price_before, each.price),
            outcome=accuracy.outcome(moved, band),
            marked_at=now,
        )
        for each in marked
    )


@transaction.atomic
def postpone(*, reasons: Mapping[int, str], now: datetime) -> None:
    """These marks could not be made, and why: tried again after a growing pause, and given up in the end."""
    waiting = SignalAccuracy.objects.select_for_update().filter(
        id__in=list(reasons), state=SignalAccuracy.State.WAITING
    )
    rows = list(waiting.order_by("id"))
    for row in rows:
        row.attempts += 1
        row.reason = reasons[row.id][:300]
        row.next_try_at = now + min(FIRST_PAUSE * 2 ** min(row.attempts - 1, 10), LONGEST_PAUSE)
        due = row.at + timedelta(minutes=row.horizon)
        if row.attempts >= LEAST_ATTEMPTS and now > due + GIVE_UP:
            row.state = SignalAccuracy.State.GIVEN_UP
    SignalAccuracy.objects.bulk_update(rows, ["attempts", "reason", "next_try_at", "state"])


_SCORES = f"""
INSERT INTO {AccuracyScore._meta.db_table}
    (kind, name, horizon, calls, hits, flat, momentum_calls, momentum_hits, up_hits, updated_at)
WITH marks AS MATERIALIZED (
    SELECT mark.at, mark.coin, mark.is_primary, mark.horizon, mark.outcome, mark.move_before, signal.type,
        signal.post_id, signal.event, signal.sources[1] AS author,
        row_number() OVER of_all = 1 AS is_first, row_number() OVER of_author = 1 AS is_authors_first
    FROM {SignalAccuracy._meta.db_table} AS mark JOIN {Signal._meta.db_table} AS signal ON signal.id = mark.signal_id
    WHERE mark.state = 'marked' AND mark.at > %(since)s AND signal.owner_id IS NULL
    WINDOW of_all AS (
        PARTITION BY coalesce(signal.cluster_id, signal.id), mark.coin, mark.horizon ORDER BY mark.at, signal.id
    ), of_author AS (
        PARTITION BY coalesce(signal.cluster_id, signal.id), mark.coin, mark.horizon, signal.sources[1]
        ORDER BY mark.at, signal.id
    )
), trusted AS (
    SELECT source, max(lifted_at) AS lifted_at FROM {Demotion._meta.db_table} GROUP BY source
), calls AS (
    SELECT 'all' AS kind, '' AS name, horizon, outcome, move_before, type AS said FROM marks
    WHERE is_primary AND is_first
    UNION ALL
    SELECT 'author', author, horizon, outcome, move_before, type FROM marks LEFT JOIN trusted ON source = author
    WHERE is_primary AND is_authors_first AND author IS NOT NULL AND (lifted_at IS NULL OR at > lifted_at)
    UNION ALL
    SELECT 'event', event, horizon, outcome, move_before, type FROM marks
    WHERE is_primary AND is_first AND event <> ''
    UNION ALL
    SELECT 'coin', coin, horizon, outcome, move_before, type FROM marks WHERE is_first
    UNION ALL
    SELECT 'analyzer', analyzer, horizon, outcome, move_before, direction
    FROM marks JOIN {Analysis._meta.db_table} AS analysis USING (post_id)
    WHERE is_primary AND is_first AND analysis.error = ''
), judged AS (
    SELECT *, outcome <> 'flat' AS moved, (outcome = 'up') = (said = 'bullish') AS hit,
        outcome <> 'flat' AND coalesce(move_before, 0) <> 0 AS momentum, (outcome = 'up') = (move_before > 0) AS went_on
    FROM calls WHERE said <> 'neutral'
)
SELECT kind, name, horizon, count(*) FILTER (WHERE moved), count(*) FILTER (WHERE moved AND hit),
    count(*) FILTER (WHERE NOT moved), count(*) FILTER (WHERE momentum), count(*) FILTER (WHERE momentum AND went_on),
    count(*) FILTER (WHERE outcome = 'up'), %(now)s
FROM judged GROUP BY kind, name, horizon
"""  # noqa: S608 - the tables' own names


def rescore(*, now: datetime) -> None:
    """Count anew how often each author, analyzer, event and coin was right in the window. Users' own pushed posts don't
    count: nobody may write the record of all. Of a story that many tell, the first signal alone counts, and for each
    author its own first: copies are no proofs."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        AccuracyScore.objects.all().delete()
        cursor.execute(_SCORES, {"now": now, "since": now - current().window})


def demote_drifted(*, now: datetime) -> list[str]:
    """Demote every source that is worse than prices alone beyond doubt; returns those that were not demoted before."""
    given = current()
    base = selectors.baseline()
    told = []
    for name, tally in selectors.tallies(AccuracyScore.Kind.AUTHOR, given.decisive).items():
        reason = accuracy.drifted(tally, base, given.least_calls, given.decisive)
        if reason and _demote(name, reason, now):
            told.append(name)
            log.warning("source_demoted", source=name, reason=reason)
    return told


def _demote(source: str, reason: str, now: datetime) -> bool:
    _, new = Demotion.objects.get_or_create(source=source, lifted_at=None, defaults={"reason": reason, "since": now})
    return new


@transaction.atomic
def lift(*, demotion_id: int, by: UUID | None, now: datetime) -> bool:
    """Trust a demoted source again: its record begins anew. False if it was lifted before."""
    row = Demotion.objects.select_for_update().filter(id=demotion_id, lifted_at__isnull=True).first()
    if row is None:
        return False
    row.lifted_at, row.lifted_by_id = now, by
    row.save(update_fields=["lifted_at", "lifted_by"])
    AccuracyScore.objects.filter(kind=AccuracyScore.Kind.AUTHOR, name=row.source).delete()
    log.info("source_trusted_again", source=row.source, by=str(by))
    return True
