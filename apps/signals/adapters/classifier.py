"""The direction head on the MiniLM vector as an analyzer plugin: English only, other texts it leaves to the rules."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.signals.adapters.answers import answer
from apps.signals.adapters.embedder import WEIGHTS, Vectors, get_embedder, session, unpack
from tradebot.contracts.messages import AnalysisSignal, Evidence, Features, OCRResult
from tradebot.contracts.values import Direction

WEIGHT = 0.35
CEILING = 0.9
"""Trained on little of the domain, it is never surer than this."""
QUOTE = 280
READABLE = 0.7
"""Share of a text's letters that must be Latin for MiniLM to know what it says."""
ORDER = (Direction.BEARISH, Direction.NEUTRAL, Direction.BULLISH)


class Head:
    """`direction.onnx`: unit vectors to probabilities of bearish, neutral, bullish."""

    def __init__(self, model: Path = WEIGHTS / "direction.onnx") -> None:
        self._session = session(model, 1)
        self.version = f"direction-{hashlib.sha256(model.read_bytes()).hexdigest()[:12]}"

    def probabilities(self, vectors: Vectors) -> NDArray[np.float32]:
        """float32, shape (len(vectors), 3), rows sum to 1."""
        found: NDArray[np.float32] = self._session.run(None, {"vector": vectors})[0]
        return found


@lru_cache(maxsize=1)
def get_head() -> Head:
    """This process's head, made on first use (never before a fork)."""
    return Head()


class ClassifierAnalyzer:
    """Direction by the shipped head. Config: `weight`, and `threads` of the embedder for texts without a vector."""

    name = "minilm"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        given = config or {}
        self._weight = float(given.get("weight", WEIGHT))
        self._threads = int(given.get("threads", 1))
        self._head = get_head()
        self.version = self._head.version

    @property
    def weight(self) -> float:
        return self._weight

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        """Embeds `text` first; `analyze_batch` takes the vectors that the posts bring along."""
        return self._judge([text], get_embedder(self._threads).embed([text]))[0]

    def analyze_batch(self, batch: Sequence[Features]) -> list[AnalysisSignal]:
        """One answer for each post, from its own vector, in one run."""
        vectors = np.stack([unpack(post.vector) for post in batch])
        return self._judge([post.text for post in batch], vectors)

    def _judge(self, texts: Sequence[str], vectors: Vectors) -> list[AnalysisSignal]:
        chances = self._head.probabilities(vectors)
        return [self._answer(text, row) for text, row in zip(texts, chances, strict=True)]

    def _answer(self, text: str, chances: NDArray[np.float32]) -> AnalysisSignal:
        if not readable(text):
            return answer(self.name, Direction.NEUTRAL, 0.0)
        best = int(chances.argmax())
        confidence = min(float(chances[best]), CEILING)
        return answer(self.name, ORDER[best], confidence, self._evidence(text, confidence))

    def _evidence(self, text: str, weight: float) -> list[Evidence]:
        """The model judges a text as a whole; it quotes the first line of it."""
        line = next((line for line in text.split("\n") if line.strip()), "")[:QUOTE]
        if not line:
            return []
        start = text.index(line)
        return [
            Evidence(
                kind="text", quote=line, weight=round(weight, 3), model=self.version, span=(start, start + len(line))
            )
        ]


def readable(text: str) -> bool:
    """Whether most letters of `text` are Latin."""
    letters = [letter for letter in text if letter.isalpha()]
    return bool(letters) and sum(letter < "\u0250" for letter in letters) / len(letters) >= READABLE
