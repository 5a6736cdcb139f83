"""Weighs the phrases of domain/meant.toml on the corpus: `python -m apps.signals.training.meaning` (NumPy only)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.signals.domain import calls, meant
from apps.signals.domain.han import simplified
from apps.signals.training.corpus import CorpusPost, corpus

FILE = Path(meant.__file__).with_suffix(".json")
PENALTY = 0.01
STEPS = 600
Matrix = NDArray[np.float64]


def read(post: CorpusPost) -> dict[str, float]:
    """A post as the weights see it."""
    plain = simplified(post.text.lower().replace("’", "'"))
    return meant.values(meant.hits(plain), calls.parse(post.text) is not None, plain)


def fit(rows: Matrix, moods: Sequence[int], penalty: float = PENALTY, steps: int = STEPS) -> Matrix:
    """Multinomial logistic regression by Nesterov's method; shape (columns, moods)."""
    wanted = np.eye(len(meant.MOODS))[list(moods)]
    rate = 1 / (np.linalg.norm(rows, 2) ** 2 / len(rows) / 2 + penalty)
    weights = ahead = np.zeros((rows.shape[1], len(meant.MOODS)))
    for step in range(steps):
        scores = rows @ ahead
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        moved = ahead - rate * (rows.T @ (chances - wanted) / len(rows) + penalty * ahead)
        weights, ahead = moved, moved + step / (step + 3) * (moved - weights)
    return weights


def main() -> None:
    """Fit on every post that is not held, and write domain/meant.json."""
    posts = [post for post in corpus() if not post.held]
    seen = [read(post) for post in posts]
    names = sorted({name for row in seen for name in row})
    rows = np.array([[row.get(name, 0.0) for name in names] for row in seen])
    weights = fit(rows, [meant.MOODS.index(post.mood.value) for post in posts])
    table = {name: [round(float(weight), 3) for weight in row] for name, row in zip(names, weights, strict=True)}
    lines = [f"  {json.dumps(name, ensure_ascii=False)}: {json.dumps(row)}" for name, row in table.items()]
    FILE.write_text('{"weights": {\n' + ",\n".join(lines) + "\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
