"""What an analyzer said of a post: the value that evidence is checked on and the ensemble combines."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tradebot.contracts.messages import Evidence
from tradebot.contracts.values import Direction

UNSURE = 1 / 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """`confidence` is the probability of `direction`, 0..1. `weight` 0 abstains. `error`: why there is no verdict."""

    analyzer: str
    version: str
    weight: float
    direction: Direction = Direction.NEUTRAL
    confidence: float = UNSURE
    evidence: tuple[Evidence, ...] = ()
    event: str = ""
    error: str = ""

    @property
    def counts(self) -> bool:
        return not self.error and self.weight > 0

    def silenced(self) -> Verdict:
        """The same analyzer, unsure: what is left when nothing it quoted can be found."""
        return replace(self, direction=Direction.NEUTRAL, confidence=UNSURE, evidence=(), event="")
