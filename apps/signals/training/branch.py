"""An encoder with two ends: MiniLM's vector, kept as it was, and what it holds of a text, learned; e5 has one end."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from apps.signals.domain.beliefs import EVENTS
from apps.signals.domain.calibration import temperature
from apps.signals.domain.meant import MOODS
from apps.signals.training import tuning
from apps.signals.training.export import small, tiny
from apps.signals.training.rows import Row
from apps.signals.training.tuning import Lower, Plan, Task, Upper

QUESTIONS: Mapping[str, tuple[Sequence[str], float]] = {
    "crypto": (("0", "1", "2"), 1.0),
    "news": (("0", "1", "2"), 0.7),
    "gate": (("False", "True"), 0.1),
    "event": (EVENTS, 0.5),
    "mood": (MOODS, 0.5),
}
"""Columns of the head, in order, and what each question counts in the loss."""
EVEN = 0.5
"""0 counts each row alike, 1 each class alike."""
SHORT = 0.5
PASSES = 2
LAYERS = 8
"""Of e5's twelve, from the bottom."""
MINILM = Plan(frozen=2, epochs=3, rate=1.5e-4, tokens=96, runs=2, shift=0.0)
E5 = Plan(frozen=2, epochs=3, rate=2e-4, tokens=96, runs=2, keep=0.0, shift=0.0)
Matrix = NDArray[np.float32]


def answer(row: Row, question: str) -> str | None:
    """What a row says to a question; None where nobody labelled it."""
    if row.direction is None:
        return None
    if question in ("crypto", "news"):
        return str(row.direction) if row.news == (question == "news") else None
    return {"gate": str(row.news), "event": row.event, "mood": row.mood}[question]


def places() -> dict[str, slice]:
    """Which columns answer which question."""
    found, start = {}, 0
    for question, (names, _) in QUESTIONS.items():
        found[question] = slice(start, start + len(names))
        start += len(names)
    return found


def labels(rows: Sequence[Row], question: str) -> NDArray[np.int64]:
    """The place of each row's answer among those of a question, -1 for none."""
    names = list(QUESTIONS[question][0])
    return np.array([-1 if (said := answer(row, question)) is None else names.index(said) for row in rows])


def tasks(rows: Sequence[Row]) -> list[Task]:
    """Every question with its labels; rare answers count more, short remarks less."""
    return [_task(rows, question, where) for question, where in places().items()]


def _task(rows: Sequence[Row], question: str, where: slice) -> Task:
    right = labels(rows, question)
    often = np.bincount(right[right >= 0], minlength=where.stop - where.start)
    weights = (1.0 / np.maximum(often, 1)[right]) ** EVEN * np.array([SHORT if row.short else 1.0 for row in rows])
    weights[right < 0] = 0.0
    weights *= (right >= 0).sum() / max(weights.sum(), 1e-9)
    return Task(where.start, where.stop, right.tolist(), weights.tolist(), QUESTIONS[question][1])


def train(
    lower: Lower, states: Sequence[torch.Tensor], rows: Sequence[Row], told: Callable[[int], None], plan: Plan
) -> Upper:
    """One model for all questions. Where the plan keeps nothing of the vector, it is free to go."""
    order = [at for at, row in enumerate(rows) for _ in range(_passes(row))]
    again = [states[at] for at in order]
    vectors = lower.vectors(states)[order] if plan.keep else None
    asked = tasks([rows[at] for at in order])
    return tuning.fit(lower, again, asked, plan, vectors=vectors, told=told)


def _passes(row: Row) -> int:
    """How often an epoch goes through a row."""
    return 1 if row.news or row.direction is None else PASSES


def steps(rows: Sequence[Row], plan: Plan) -> int:
    """How many texts `train` goes through."""
    return plan.runs * plan.epochs * sum(map(_passes, rows))


def temperatures(logits: Matrix, rows: Sequence[Row]) -> dict[str, float]:
    """What the logits of each question must be divided by, found on rows that the model did not see."""
    found = {}
    for question, where in places().items():
        right = labels(rows, question)
        known = right >= 0
        found[question] = temperature(logits[known][:, where].tolist(), right[known].tolist()) if known.any() else 1.0
    return found


def cooled(upper: Upper, by: Mapping[str, float]) -> Upper:
    """The same model with the logits of every question divided by its temperature."""
    found = copy.deepcopy(upper)
    with torch.no_grad():
        for question, where in places().items():
            found.head.weight[where] /= by[question]
            found.head.bias[where] /= by[question]
    return found


def chances(logits: torch.Tensor) -> torch.Tensor:
    """Logits of all questions to chances (N, 22): directions, mixed by the gate, events, moods."""
    parts = {question: torch.softmax(logits[:, where], dim=1) for question, where in places().items()}
    news = parts["gate"][:, 1:]
    direction = parts["crypto"] * (1 - news) + parts["news"] * news
    return torch.cat([direction, parts["event"], parts["mood"]], dim=1)


class Ends(nn.Module):  # type: ignore[misc]
    """`input_ids`, `attention_mask` → `vector` (N, 384), rows of length 1, and `chances` (N, 22)."""

    def __init__(self, lower: Lower, upper: Upper) -> None:
        super().__init__()
        self.whole = tuning.Whole(lower, upper)
        self.upper = upper

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pooled = self.whole.pooled(input_ids, attention_mask)
        return self.upper.vector(pooled), chances(self.whole.head(pooled))


class Judging(nn.Module):  # type: ignore[misc]
    """`input_ids`, `attention_mask` → `chances` (N, 22)."""

    def __init__(self, lower: Lower, upper: Upper) -> None:
        super().__init__()
        self.whole = tuning.Whole(lower, upper)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return chances(self.whole(input_ids, attention_mask))


def export(lower: Lower, upper: Upper, target: Path, texts: Sequence[str]) -> None:
    """Both ends as one fused int8 graph; `texts` are of the kind that it will read."""
    small(Ends(lower, upper).eval(), target, ("vector", "chances"), lower.samples(texts))


def export_judge(lower: Lower, upper: Upper, target: Path, weights: Path, texts: Sequence[str]) -> None:
    """The judging end alone, its weights apart and in four bits."""
    tiny(Judging(lower, upper).eval(), target, weights, ("chances",), lower.samples(texts))
