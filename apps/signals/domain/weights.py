"""What each analyzer's vote weighs: its own weight or the operator's, times what its past accuracy is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from apps.signals.domain.verdict import Verdict
from tradebot.contracts.errors import InvalidField

SETTING = "ANALYZER_WEIGHTS"
HEAVIEST = 100.0


@dataclass(frozen=True, slots=True)
class Weights:
    """By analyzer: `configured` replaces a plugin's own weight, `measured` multiplies it."""

    configured: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)

    def on(self, verdict: Verdict) -> Verdict:
        """The verdict with its weight; who abstains or failed stays without."""
        name = verdict.analyzer
        if not verdict.counts or (name not in self.configured and name not in self.measured):
            return verdict
        return replace(verdict, weight=self.configured.get(name, verdict.weight), factor=self.measured.get(name, 1.0))


def parse(text: str) -> dict[str, float]:
    """`rules=0.6,minilm=0.3` as a mapping; raises InvalidField for anything else, zero and infinity included."""
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if not name or name in found:
            raise InvalidField(SETTING, f"{part[:80]!r}: name each analyzer once, as in rules=0.6,minilm=0.3")
        found[name] = _weight(name, number)
    return found


def _weight(name: str, text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and 0 < weight <= HEAVIEST):
        raise InvalidField(
            SETTING,
            f"{name}={text[:40]}: a weight is a number above 0 and at most {HEAVIEST:.0f}; "
            "an analyzer that is not named keeps its own",
        )
    return weight
