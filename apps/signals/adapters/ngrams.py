"""A linear model on hashed character and word n-grams as an analyzer plugin: any script, Chinese among them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.signals.adapters.answers import answer
from apps.signals.adapters.embedder import WEIGHTS
from apps.signals.adapters.hashing import READ, Counts, Floats, counts, quiet_norm, softmax
from apps.signals.adapters.topics import Topics, get_topics
from apps.signals.domain.beliefs import DIRECTIONS, NO_EVENT, likeliest
from tradebot.contracts.errors import NotConfigured
from tradebot.contracts.messages import AnalysisSignal, Beliefs, Evidence, Features, OCRResult
from tradebot.contracts.values import Direction

WEIGHT = 0.45
CEILING = 0.95
QUOTE = 200
ORDER = (Direction.BEARISH, Direction.NEUTRAL, Direction.BULLISH)
_PIECE = re.compile(r"[^.!?。！？；;，,\n]+[.!?。！？；;，,]*")


@dataclass(frozen=True, slots=True)
class Table:
    """The model: `rarity` (2**bits) of every n-gram, `weights` (2**bits, columns) and `bias` (columns).

    Three columns are the logits of the classes. Seven are two experts and a gate: logits by the one for crypto posts,
    by the one for finance news, and the log-odds of news. All were divided by their temperatures when they were made.
    Weights out of a file stay small integers in memory; times `scale` (1 or columns) they are what they were.
    """

    bits: int
    rarity: Floats
    weights: Floats | NDArray[np.int8]
    bias: Floats
    version: str = "ngrams"
    scale: Floats = field(default_factory=lambda: np.ones(1, dtype=np.float32))

    def scores(self, counted: Sequence[Counts]) -> Floats:
        """float32, shape (len(counted), columns)."""
        return np.stack([self._scores(*each) for each in counted])

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """float32, shape (len(texts), 3), rows sum to 1: bearish, neutral, bullish."""
        return mixed(self.scores([counts(text, self.bits) for text in texts]))

    def values(self, rows: NDArray[np.int64], often: Floats) -> Floats:
        """What a text's counts are worth: log(1 + count) x rarity, of length 1."""
        return quiet_norm(self.worth(rows, often))

    def worth(self, rows: NDArray[np.int64], often: Floats) -> Floats:
        """The same before its length is made 1."""
        found: Floats = np.log1p(often) * self.rarity[rows]
        return found

    def share(self, text: str, best: int) -> float:
        """How much a piece of text speaks for class `best` against the mean of the others."""
        rows, often = counts(text, self.bits)
        found = self.worth(rows, often) @ (self.weights[rows, :3] * self.scale[:3])
        return float(found[best] - (found.sum() - found[best]) / 2)

    def _scores(self, rows: NDArray[np.int64], often: Floats) -> Floats:
        found: Floats = self.values(rows, often) @ (self.weights[rows] * self.scale) + self.bias
        return found


def mixed(scores: Floats) -> Floats:
    """Chances of the three directions out of three columns, or out of two experts' and the gate's."""
    if scores.shape[1] == len(ORDER):
        return softmax(scores)
    news = softmax(np.concatenate([np.zeros_like(scores[:, 6:]), scores[:, 6:]], axis=1))[:, 1:]
    found: Floats = softmax(scores[:, :3]) * (1 - news) + softmax(scores[:, 3:6]) * news
    return found


def load(path: Path) -> Table:
    """Read `ngrams.npz`; raises NotConfigured where it is absent or none."""
    if not path.is_file():
        raise NotConfigured(f"{path.name} is missing: restore apps/signals/weights or rebuild it (its README)")
    try:
        with np.load(path, allow_pickle=False) as file:
            table = Table(
                bits=int(file["bits"]),
                rarity=file["rarity"].astype(np.float32),
                weights=file["weights"],
                bias=file["bias"].astype(np.float32),
                scale=file["scale"].astype(np.float32),
                version=f"ngrams-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}",
            )
    except (OSError, KeyError, ValueError) as error:
        raise NotConfigured(f"{path} is no n-gram model: {error}") from None
    if table.weights.shape not in ((2**table.bits, 3), (2**table.bits, 7)) or table.rarity.shape != (2**table.bits,):
        raise NotConfigured(f"{path} is no n-gram model: its arrays don't fit together")
    return table


def save(table: Table, path: Path) -> None:
    """Weights as int8 with one scale a class, rarities as float16."""
    scale = np.maximum(np.abs(table.weights).max(axis=0), 1e-9) / 127
    np.savez_compressed(
        path,
        bits=np.int64(table.bits),
        rarity=table.rarity.astype(np.float16),
        weights=np.round(table.weights / scale).astype(np.int8),
        scale=scale.astype(np.float32),
        bias=table.bias.astype(np.float32),
    )


@lru_cache(maxsize=1)
def get_table() -> Table:
    """The shipped model, read on first use."""
    return load(WEIGHTS / "ngrams.npz")


class NGramAnalyzer:
    """Direction, mood and event by the shipped n-gram models. Config: `weight`."""

    name = "ngrams"
    _topics: Topics | None = None

    def __init__(self, config: Mapping[str, Any] | None = None, table: Table | None = None) -> None:
        self._weight = float((config or {}).get("weight", WEIGHT))
        self._table = table or get_table()
        self._topics = None if table else get_topics()
        if self._topics and self._topics.bits != self._table.bits:
            raise NotConfigured("ngrams.npz and topics.npz are not of one making: restore apps/signals/weights")
        self.version = self._table.version

    @property
    def weight(self) -> float:
        return self._weight

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        """`text` holds the pictures' text already; `images` add nothing to it here."""
        return self._judge([text])[0]

    def analyze_batch(self, batch: Sequence[Features]) -> list[AnalysisSignal]:
        """One answer for each post."""
        return self._judge([post.text for post in batch])

    def _judge(self, texts: Sequence[str]) -> list[AnalysisSignal]:
        if not texts:
            return []
        counted = [counts(text, self._table.bits) for text in texts]
        rows = self._chances(texts, counted)
        return [self._answer(text, found, row) for text, found, row in zip(texts, counted, rows, strict=True)]

    def _chances(self, texts: Sequence[str], counted: Sequence[Counts]) -> Floats:
        """Of texts and their n-grams, which need not be counted twice."""
        return mixed(self._table.scores(counted))

    def _answer(self, text: str, counted: Counts, chances: Floats) -> AnalysisSignal:
        if not any(letter.isalpha() for letter in text):
            return answer(self.name, Direction.NEUTRAL, 0.0)
        best = int(chances.argmax())
        confidence = min(float(chances[best]), CEILING)
        moods, events = self._topics.read(counted[0], self._table.values(*counted)) if self._topics else ({}, {})
        event = likeliest(events).removeprefix(NO_EVENT)
        evidence: list[Evidence] = []
        if ORDER[best] is not Direction.NEUTRAL:
            evidence += self._quote(text, "text", confidence, lambda piece: self._table.share(piece, best))
        elif event:
            evidence += self._quote(text, event, confidence, lambda piece: self._about(piece, event))
        directions = dict(zip(DIRECTIONS, map(float, chances), strict=True))
        return answer(
            self.name,
            ORDER[best],
            confidence,
            evidence,
            event=event,
            mood=likeliest(moods),
            beliefs=Beliefs(direction=directions, event=events, mood=moods),
        )

    def _about(self, piece: str, event: str) -> float:
        if self._topics is None:
            return 0.0
        rows, often = counts(piece, self._table.bits)
        return self._topics.share(rows, self._table.worth(rows, often), event)

    def _quote(self, text: str, kind: str, confidence: float, worth: Callable[[str], float]) -> list[Evidence]:
        """The piece between two marks that is worth most."""
        pieces = [(hit.start(), hit[0]) for hit in _PIECE.finditer(text[:READ]) if hit[0].strip()]
        if not pieces:
            return []
        start, piece = max(pieces, key=lambda each: worth(each[1]))
        start += len(piece) - len(piece.lstrip())
        quote = piece.strip()[:QUOTE]
        span = (start, start + len(quote))
        return [Evidence(kind=kind, quote=quote, weight=round(confidence, 3), model=self.version, span=span)]
