"""Runs the analyzers of the product over many posts, without database and broker, and times each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from apps.signals.adapters.answers import advisory, failed, verdict
from apps.signals.adapters.e5 import second_look
from apps.signals.adapters.embedder import MiniLM, pack, pack_chances
from apps.signals.domain.coins import catalogue
from apps.signals.domain.ensemble import Judgement, combine
from apps.signals.domain.evidence import checked
from apps.signals.domain.subject import subject
from apps.signals.domain.verdict import Verdict
from apps.signals.domain.weights import Weights
from tradebot.contracts.messages import Features, Near
from tradebot.contracts.ports import AnalyzerPlugin

NEAREST = 3
BATCH = 256


@dataclass(frozen=True, slots=True)
class Told:
    """All that was made of one post."""

    verdicts: dict[str, Verdict]
    judgement: Judgement
    coins: tuple[str, ...]


@dataclass
class Bench:
    """Analyzers in a row, and the seconds each has taken so far (`features`: vectors and coins)."""

    plugins: Sequence[AnalyzerPlugin]
    embedder: MiniLM
    weights: Weights = field(default_factory=Weights)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._coins = list(catalogue().coins.values())
        self._meanings = self.embedder.embed([coin.description for coin in self._coins])
        self._quorum = sum(not advisory(plugin) for plugin in self.plugins) // 2 + 1

    def judge(self, texts: Sequence[str]) -> list[Told]:
        """One answer a text, in order."""
        return [told for start in range(0, len(texts), BATCH) for told in self._judge(texts[start : start + BATCH])]

    def _judge(self, texts: Sequence[str]) -> list[Told]:
        begun = time.perf_counter()
        posts = self._features(texts)
        self._took("features", begun)
        columns = {plugin.name: self._ask(plugin, posts) for plugin in self.plugins}
        begun = time.perf_counter()
        told = [self._told(post, {name: said[at] for name, said in columns.items()}) for at, post in enumerate(posts)]
        self._took("ensemble", begun)
        return told

    def _features(self, texts: Sequence[str]) -> list[Features]:
        vectors, chances = self.embedder.read(texts)
        tickers, nearest = [catalogue().symbols(text) for text in texts], [self._near(vector) for vector in vectors]
        about = [bool(subject(*each)) for each in zip(texts, tickers, nearest, strict=True)]
        chances, judges = second_look(texts, chances, self.embedder.version, about)
        rows = zip(texts, vectors, chances, judges, tickers, nearest, strict=True)
        return [
            msgspec.structs.replace(
                _post(text), vector=pack(vector), chances=pack_chances(row), judge=judge, tickers=named, nearest=near
            )
            for text, vector, row, judge, named, near in rows
        ]

    def _near(self, vector: NDArray[np.float32]) -> list[Near]:
        """The nearest coins by exact search, as the database finds them."""
        close = self._meanings @ vector
        best = np.argsort(-close, kind="stable")[:NEAREST]
        return [Near(coin=self._coins[at].symbol, similarity=round(float(close[at]), 4)) for at in best]

    def _ask(self, plugin: AnalyzerPlugin, posts: Sequence[Features]) -> list[Verdict]:
        begun = time.perf_counter()
        whole = getattr(plugin, "analyze_batch", None)
        if whole is not None:
            found = [verdict(plugin, each) for each in whole(posts)]
        else:
            found = [_one(plugin, post) for post in posts]
        self._took(plugin.name, begun)
        return found

    def _told(self, post: Features, said: Mapping[str, Verdict]) -> Told:
        sound = {name: self.weights.on(checked(each, post.text, post.images)) for name, each in said.items()}
        coins = subject(post.text, post.tickers, post.nearest)
        return Told(sound, combine(list(sound.values()), self._quorum), coins)

    def _took(self, part: str, begun: float) -> None:
        self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - begun


def _one(plugin: AnalyzerPlugin, post: Features) -> Verdict:
    try:
        return verdict(plugin, plugin.analyze(post.text, post.images))
    except Exception as error:  # noqa: BLE001 - the border to plugins
        return failed(plugin, f"{type(error).__name__}: {error}")


def _post(text: str) -> Features:
    now = datetime.now(UTC)
    return Features(
        id="evaluate",
        root_id="evaluate",
        seen_at=now,
        post_id="evaluate",
        source="console",
        channel="",
        author="console",
        text=text,
        language="und",
        timestamp=now,
    )
