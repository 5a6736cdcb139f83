"""The rules and lexicon of domain/rules.py as an analyzer plugin: English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.signals.adapters.answers import answer
from apps.signals.domain import rules
from tradebot.contracts.messages import AnalysisSignal, OCRResult

WEIGHT = 0.25
EMPHASIS = {"event": 1.1, "call": 4.0}
"""Words know better what a post is about than which way it points; the numbers of a call do know (right in 29 of 32
unseen calls, n-grams in 25). On the hard posts written for training the words deserve a weight of 0.1
(training/pooling.py), on plain ones more: they get a quarter."""


class RulesAnalyzer:
    """Reads direction, event, mood and trade calls off words and phrases. Config: `weight`."""

    name = rules.NAME
    version = rules.VERSION
    emphasis = EMPHASIS

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        self._weight = float((config or {}).get("weight", WEIGHT))
        rules.lexicon()

    @property
    def weight(self) -> float:
        return self._weight

    def analyze(self, text: str, images: list[OCRResult]) -> AnalysisSignal:
        """`text` holds the pictures' text already; `images` add nothing to it here."""
        found = rules.read(text)
        return answer(
            self.name,
            found.direction,
            found.confidence,
            found.evidence,
            found.event,
            mood=found.meant,
            call=found.call,
            beliefs=found.beliefs,
        )
