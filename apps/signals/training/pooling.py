"""How much each analyzer's vote weighs, and how much agreement makes surer: fitted on posts that no part had seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from apps.signals.domain.beliefs import SETS
from apps.signals.domain.ensemble import FLOOR, LEAST
from apps.signals.training.branch import labels
from apps.signals.training.linear import Floats
from apps.signals.training.rows import Row

FIXED = "ngrams"
"""The analyzer whose weight stays 1; the others are counted in it."""


@dataclass(frozen=True, slots=True)
class Pool:
    """`weights` by analyzer, in that of the n-grams; `sharpness`: what the pooled log-odds must be multiplied by to
    mean what they say; `right`: the share of rows whose likeliest answer is right, `f1` the macro-F1."""

    weights: dict[str, float]
    sharpness: float
    right: float
    f1: float


def fit(chances: Mapping[str, Floats], right: NDArray[np.int64], kind: str) -> Pool:
    """`chances` by analyzer: (rows, names), a row of NaN where it abstains; `right`: the place of the right name."""
    names = list(chances)
    least = FLOOR if kind == "direction" else LEAST
    logs = np.stack([np.log(np.maximum(np.nan_to_num(chances[name]), least)) for name in names])
    there = np.stack([~np.isnan(chances[name][:, 0]) for name in names]).astype(float)
    rows = np.arange(len(right))

    def scores(values: Floats) -> Floats:
        weights = np.where([name == FIXED for name in names], 1.0, np.exp(values[:-1]))[:, None] * there
        mean: Floats = np.exp(values[-1]) * np.einsum("ar,arc->rc", weights, logs) / weights.sum(axis=0)[:, None]
        found: Floats = mean - np.log(np.exp(mean).sum(axis=1, keepdims=True))
        return found

    def surprise(values: Floats) -> float:
        return float(-scores(values)[rows, right].mean() + 1e-3 * (values**2).sum())

    best = minimize(surprise, np.zeros(len(names) + 1), method="L-BFGS-B").x
    said = scores(best).argmax(axis=1)
    weights = {name: 1.0 if name == FIXED else float(np.exp(at)) for name, at in zip(names, best, strict=False)}
    return Pool(
        {name: round(each, 3) for name, each in weights.items()},
        round(float(np.exp(best[-1])), 3),
        round(float((said == right).mean()), 4),
        round(macro_f1(right, said), 4),
    )


def macro_f1(right: NDArray[np.int64], said: NDArray[np.int64]) -> float:
    """Over the classes that occur."""
    found = []
    for each in np.unique(np.concatenate([right, said])):
        hits = ((right == each) & (said == each)).sum()
        found.append(2 * hits / ((right == each).sum() + (said == each).sum()))
    return float(np.mean(found))


def pools(columns: Mapping[str, Mapping[str, Floats]], rows: Sequence[Row]) -> dict[str, Pool]:
    """For directions, events and moods; `columns[kind][analyzer]`."""
    questions = {"direction": "crypto", "event": "event", "mood": "mood"}
    return {kind: fit(columns[kind], labels(rows, questions[kind]), kind) for kind in SETS}
