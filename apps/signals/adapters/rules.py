"""The rules and lexicon of domain/rules.py as an analyzer plugin: English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.signals.adapters.answers import answer
from apps.signals.domain import rules
from tradebot.contracts.messages import AnalysisSignal, OCRResult

WEIGHT = 0.65


class RulesAnalyzer:
    """Reads direction and event off words and phrases. Config: `weight`."""

    name = rules.NAME
    version = rules.VERSION

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self._weight = float((config or {}).get("weight", WEIGHT))
        rules.lexicon()

    @property
    def weight(self) -> float:
        return self._weight

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        """`text` holds the pictures' text already; `images` add nothing to it here."""
        found = rules.read(text)
        return answer(self.name, found.direction, found.confidence, found.evidence, found.event)
