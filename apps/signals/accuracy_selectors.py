"""Reads: which sources are demoted, what analyzers' measured accuracy is worth, and how often each group was right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import BooleanField, ExpressionWrapper, Q

from apps.signals.accuracy_settings import current
from apps.signals.domain import accuracy
from apps.signals.domain.accuracy import Tally
from apps.signals.models_accuracy import AccuracyScore, Demotion, SignalAccuracy

_FIELDS = ("calls", "hits", "flat", "momentum_calls", "momentum_hits", "up_hits")


@dataclass(frozen=True, slots=True)
class WaitingMark:
    """A mark to be made. `price`, `venue` and `pair`: those of another horizon of the same signal and coin, if it has
    one; `attempts`: how often it was tried in vain."""

    id: int
    coin: str
    horizon: int
    at: datetime
    attempts: int
    venue: str = ""
    pair: str = ""
    price: Decimal | None = None
    price_before: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """How often one group was right at one horizon (minutes)."""

    kind: str
    name: str
    horizon: int
    tally: Tally


def demoted(sources: Iterable[str]) -> dict[str, str]:
    """Those of `sources` (`kind:name`) whose signals may order nothing real, each with the reason."""
    names = list(sources)
    if not names:
        return {}
    rows = Demotion.objects.filter(source__in=names, lifted_at__isnull=True)
    return dict(rows.values_list("source", "reason"))


def waiting(now: datetime, most: int) -> list[WaitingMark]:
    """Marks whose time has come, public signals' first, those that waited longest first."""
    rows = SignalAccuracy.objects.filter(state=SignalAccuracy.State.WAITING, next_try_at__lte=now)
    owned = ExpressionWrapper(Q(signal__owner__isnull=False), output_field=BooleanField())
    chosen = list(rows.order_by(owned.asc(), "next_try_at", "id")[:most])
    known = _siblings(chosen)
    return [_waiting(row, known.get((row.signal_id, row.coin))) for row in chosen]


def tallies(kind: str, horizon: int) -> dict[str, Tally]:
    """By name, the figures of one kind of group at one horizon."""
    rows = AccuracyScore.objects.filter(kind=kind, horizon=horizon)
    return {name: Tally(*numbers) for name, *numbers in rows.values_list("name", *_FIELDS)}


def baseline(horizon: int | None = None) -> float:
    """What a share of hits must beat at a horizon (by default the decisive one): prices alone, over all signals."""
    everything = tallies(AccuracyScore.Kind.ALL, horizon or current().decisive)
    return accuracy.baseline(everything.get("", Tally()))


def factors() -> dict[str, float]:
    """By analyzer, what its measured accuracy multiplies its weight with."""
    base = baseline()
    found = tallies(AccuracyScore.Kind.ANALYZER, current().decisive)
    return {name: accuracy.factor(tally, base) for name, tally in found.items()}


def scores(kind: str | None = None, most: int = 500) -> list[Score]:
    """All figures, or those of one kind of group; those with the most calls first."""
    rows = AccuracyScore.objects.filter(kind=kind) if kind else AccuracyScore.objects.all()
    found = rows.order_by("kind", "-calls", "name", "horizon")[:most]
    return [Score(row.kind, row.name, row.horizon, Tally(*(getattr(row, each) for each in _FIELDS))) for row in found]


def scored_since(moment: datetime) -> bool:
    """Whether scores were made after this moment."""
    return AccuracyScore.objects.filter(updated_at__gt=moment).exists()


def progress() -> dict[str, int]:
    """How many marks there are by state."""
    states = SignalAccuracy.objects.values_list("state", flat=True)
    return {state: states.filter(state=state).count() for state in SignalAccuracy.State.values}


def _siblings(rows: Sequence[SignalAccuracy]) -> dict[tuple[object, str], SignalAccuracy]:
    marked = SignalAccuracy.objects.filter(
        signal__in={row.signal_id for row in rows}, state=SignalAccuracy.State.MARKED
    )
    return {(row.signal_id, row.coin): row for row in marked.order_by("-horizon")}


def _waiting(row: SignalAccuracy, known: SignalAccuracy | None) -> WaitingMark:
    mark = WaitingMark(row.id, row.coin, row.horizon, row.at, row.attempts)
    if known is None:
        return mark
    return WaitingMark(
        mark.id, mark.coin, mark.horizon, mark.at, mark.attempts,
        known.venue, known.pair, known.price, known.price_before,
    )  # fmt: skip
