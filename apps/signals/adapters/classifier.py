"""What the encoders say, as an analyzer plugin: MiniLM of Latin texts, e5 of Chinese ones; it abstains on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.signals.adapters.answers import answer
from apps.signals.adapters.e5 import NAME, second_look, version
from apps.signals.adapters.embedder import WEIGHTS, Chances, fingerprint, get_embedder, unpack_chances
from apps.signals.domain.beliefs import NO_EVENT, likeliest, of_row
from apps.signals.domain.scripts import chinese, latin
from tradebot.contracts.errors import NotConfigured
from tradebot.contracts.messages import AnalysisSignal, Evidence, Features, OCRResult
from tradebot.contracts.values import Direction

WEIGHT = 1.0
"""Fitted, as that of the n-grams (training/pooling.py)."""
CEILING = 0.95
QUOTE = 280
READ = 4_000
"""Characters of a text that are looked at: 128 tokens never need more."""


class ClassifierAnalyzer:
    """Direction, event and mood. Config: `weight`, and `threads` of the model for posts that bring no chances."""

    name = "minilm"

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        given = config or {}
        self._weight = float(given.get("weight", WEIGHT))
        self._threads = int(given.get("threads", 1))
        try:
            self.version = f"minilm-{fingerprint()}" + version()
        except FileNotFoundError:
            raise NotConfigured(
                f"the model is missing in {WEIGHTS}: restore it or make it again (its README)"
            ) from None

    @property
    def weight(self) -> float:
        return self._weight

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        """Runs the model; `analyze_batch` takes the chances that posts bring along from the features stage."""
        return self._answer(text, *self._read([text])[0])

    def analyze_batch(self, batch: Sequence[Features]) -> list[AnalysisSignal]:
        """One answer for each post. Bodies of an older version bring no chances: for them the model runs once."""
        without = [post.text for post in batch if not post.chances]
        rows = iter(self._read(without) if without else ())
        return [self._answer(post.text, *(_brought(post) if post.chances else next(rows))) for post in batch]

    def _read(self, texts: Sequence[str]) -> list[tuple[Chances, str]]:
        """The chances of each text, and whose they are."""
        encoder, cut = get_embedder(self._threads), [text[:READ] for text in texts]
        chances, judges = second_look(cut, encoder.read(cut)[1], encoder.version)
        return list(zip(chances, judges, strict=True))

    def _answer(self, text: str, chances: Chances, judge: str) -> AnalysisSignal:
        if not (latin(text) or (chinese(text) and judge.startswith(NAME))):
            return answer(self.name, Direction.NEUTRAL, 0.0)
        beliefs = of_row(chances.tolist())
        direction, event = likeliest(beliefs.direction), likeliest(beliefs.event)
        confidence = min(beliefs.direction[direction], CEILING)
        return answer(
            self.name,
            Direction(direction),
            confidence,
            self._evidence(text, confidence),
            event="" if event == NO_EVENT else event,
            mood=likeliest(beliefs.mood),
            beliefs=beliefs,
        )

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


def _brought(post: Features) -> tuple[Chances, str]:
    return unpack_chances(post.chances), post.judge
