"""Figures of a classifier: confusion, precision and recall by class, macro-F1; and F1 of sets."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from apps.signals.domain.calibration import Bin, ece, reliability


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class: shares from 0 to 1, and how many rows are really of it."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What a classifier reached on `rows` rows. `confusion[i][j]`: rows of class i taken for class j."""

    labels: tuple[str, ...]
    rows: int
    accuracy: float
    macro_f1: float
    ece: float | None
    confusion: tuple[tuple[int, ...], ...]
    classes: dict[str, ClassFigures]
    bins: tuple[Bin, ...] = ()


def figures(
    labels: Sequence[str], true: Sequence[str], said: Sequence[str], sure: Sequence[float] | None = None
) -> Figures:
    """Raises ValueError for no rows, or a class outside `labels`. Macro-F1 is over the classes that occur in `true`
    or `said`, each as much as another. `sure`: probability of what was said."""
    if not true:
        raise ValueError("there are no rows to measure on")
    counts = confusion(labels, true, said)
    classes = {label: _class(counts, at) for at, label in enumerate(labels)}
    occurring = [each.f1 for label, each in classes.items() if each.support or label in said]
    right = [one == other for one, other in zip(true, said, strict=True)]
    return Figures(
        labels=tuple(labels),
        rows=len(true),
        accuracy=sum(right) / len(true),
        macro_f1=sum(occurring) / len(occurring),
        ece=ece(sure, right) if sure is not None else None,
        confusion=counts,
        classes=classes,
        bins=tuple(reliability(sure, right)) if sure is not None else (),
    )


def confusion(labels: Sequence[str], true: Sequence[str], said: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Rows by true class, columns by said class."""
    places = {label: at for at, label in enumerate(labels)}
    counts = [[0] * len(labels) for _ in labels]
    for one, other in zip(true, said, strict=True):
        if one not in places or other not in places:
            raise ValueError(f"{one!r} or {other!r} is none of {', '.join(labels)}")
        counts[places[one]][places[other]] += 1
    return tuple(map(tuple, counts))


def _class(counts: Sequence[Sequence[int]], at: int) -> ClassFigures:
    hits, support, named = counts[at][at], sum(counts[at]), sum(row[at] for row in counts)
    return ClassFigures(
        precision=hits / named if named else 0.0,
        recall=hits / support if support else 0.0,
        f1=2 * hits / (support + named) if support + named else 0.0,
        support=support,
    )


def set_f1(true: Sequence[AbstractSet[Hashable]], said: Sequence[AbstractSet[Hashable]]) -> float:
    """Micro-F1 of sets: every member of every row counts once. 1 where no row has any."""
    hits = sum(len(one & other) for one, other in zip(true, said, strict=True))
    total = sum(map(len, true)) + sum(map(len, said))
    return 2 * hits / total if total else 1.0


def same_sets(true: Sequence[AbstractSet[Hashable]], said: Sequence[AbstractSet[Hashable]]) -> float:
    """Share of rows whose set is right as a whole."""
    return sum(one == other for one, other in zip(true, said, strict=True)) / len(true)
