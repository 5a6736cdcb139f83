"""How a post is meant and which event it tells, by the same n-grams: a linear model for each question."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.signals.adapters.embedder import WEIGHTS
from apps.signals.adapters.hashing import Floats, softmax
from tradebot.contracts.errors import NotConfigured


@dataclass(frozen=True, slots=True)
class Topics:
    """`weights` (2**bits, moods + events): logits of the moods, then of the events, each cooled by its temperature.

    Out of a file they are small integers; times `scale` (1 or columns) they are what they were."""

    bits: int
    moods: tuple[str, ...]
    events: tuple[str, ...]
    weights: Floats | NDArray[np.int8]
    bias: Floats
    scale: Floats = field(default_factory=lambda: np.ones(1, dtype=np.float32))

    def read(self, rows: NDArray[np.int64], worth: Floats) -> tuple[dict[str, float], dict[str, float]]:
        """Chances of the moods and of the events of a text, `none` among these: its n-grams' places, and what each is
        worth there (`Table.values`)."""
        scores: Floats = worth @ (self.weights[rows] * self.scale) + self.bias
        return _chances(scores[: len(self.moods)], self.moods), _chances(scores[len(self.moods) :], self.events)

    def share(self, rows: NDArray[np.int64], worth: Floats, event: str) -> float:
        """How much a piece of text speaks for an event."""
        at = len(self.moods) + self.events.index(event)
        return float(worth @ self.weights[rows, at]) * float(self.scale[min(at, len(self.scale) - 1)])


def _chances(scores: Floats, names: tuple[str, ...]) -> dict[str, float]:
    return dict(zip(names, map(float, softmax(scores[None, :])[0]), strict=True))


def save(topics: Topics, path: Path) -> None:
    """Weights as int8 with one scale a column; the rarities stand in `ngrams.npz`."""
    scale: NDArray[np.float32] = np.maximum(np.abs(topics.weights).max(axis=0), 1e-9) / 127
    np.savez_compressed(
        path,
        bits=np.int64(topics.bits),
        moods=np.array(topics.moods),
        events=np.array(topics.events),
        weights=np.round(topics.weights / scale).astype(np.int8),
        scale=scale.astype(np.float32),
        bias=topics.bias.astype(np.float32),
    )


def load(path: Path) -> Topics:
    """Read `topics.npz`; raises NotConfigured where it is absent or none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return Topics(
                bits=int(file["bits"]),
                moods=tuple(map(str, file["moods"])),
                events=tuple(map(str, file["events"])),
                weights=file["weights"],
                bias=file["bias"],
                scale=file["scale"],
            )
    except (OSError, KeyError, ValueError) as error:
        raise NotConfigured(f"{path.name} can't be read; restore apps/signals/weights (its README): {error}") from None


@lru_cache(maxsize=1)
def get_topics() -> Topics:
    """The shipped model, read on first use."""
    return load(WEIGHTS / "topics.npz")
