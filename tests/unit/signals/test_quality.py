"""What the shipped weights and rules reach on simple posts, so that a change for the worse is seen.

The n-grams learn from these posts too: how well unseen posts are judged, docs/accuracy.md tells.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from apps.signals.adapters.answers import verdict
from apps.signals.adapters.classifier import ClassifierAnalyzer
from apps.signals.adapters.embedder import WEIGHTS
from apps.signals.adapters.ngrams import NGramAnalyzer
from apps.signals.adapters.rules import RulesAnalyzer
from apps.signals.domain.coins import catalogue
from apps.signals.domain.ensemble import Judgement, combine
from tradebot.contracts.ports import AnalyzerPlugin
from tradebot.contracts.values import Direction

POSTS = Path("apps/signals/training/posts.csv")
NAMES = {"-1": Direction.BEARISH, "0": Direction.NEUTRAL, "1": Direction.BULLISH}
THRESHOLD = 0.6


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with POSTS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def judgements(rows: list[dict[str, str]]) -> list[Judgement]:
    plugins: list[AnalyzerPlugin] = [RulesAnalyzer(), ClassifierAnalyzer(), NGramAnalyzer()]
    return [combine([verdict(each, each.analyze(row["text"], [])) for each in plugins], 2) for row in rows]


def test_the_weights_are_small_enough_to_come_along() -> None:
    assert sum(file.stat().st_size for file in WEIGHTS.iterdir()) <= 40_000_000


@pytest.mark.parametrize("language", ["en", "zh"])
def test_direction(rows: list[dict[str, str]], judgements: list[Judgement], language: str) -> None:
    said = [
        found.direction is NAMES[row["label"]]
        for row, found in zip(rows, judgements, strict=True)
        if row["language"] == language
    ]
    assert sum(said) / len(said) >= 0.95


def test_what_reaches_the_threshold_is_right(rows: list[dict[str, str]], judgements: list[Judgement]) -> None:
    traded = [
        (NAMES[row["label"]], found.direction)
        for row, found in zip(rows, judgements, strict=True)
        if found.confidence >= THRESHOLD and found.direction is not Direction.NEUTRAL
    ]
    assert len(traded) >= 0.8 * sum(row["label"] != "0" for row in rows)
    assert sum(meant is said for meant, said in traded) / len(traded) >= 0.98


def test_events(rows: list[dict[str, str]], judgements: list[Judgement]) -> None:
    told = [row["event"] == found.event for row, found in zip(rows, judgements, strict=True) if row["event"]]
    assert sum(told) / len(told) >= 0.9


def test_coins(rows: list[dict[str, str]]) -> None:
    right = [catalogue().symbols(row["text"]) == row["coins"].split() for row in rows]
    assert sum(right) / len(right) >= 0.97
