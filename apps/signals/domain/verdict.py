"""What an analyzer said of a post: the value that evidence is checked on and the ensemble combines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tradebot.contracts.messages import Beliefs, Evidence, TradeCall
from tradebot.contracts.values import Direction

UNSURE = 1 / 3
SIDES = {"long": Direction.BULLISH, "short": Direction.BEARISH}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`confidence` is the probability of `direction`, 0..1. `weight` 0 abstains. `error`: why there is no verdict.

    `factor`: what the analyzer's measured accuracy makes of its weight. `advisory`: it may raise doubts and lend a
    little support, and never decides a direction. `beliefs`: all that it holds for possible, where it said so.
    `emphasis`: what its weight is multiplied by for "event", for "mood", and for the direction where it follows from
    the numbers of a "call". Raises ValueError for a weight or confidence
    that is no such number.
    """

    analyzer: str
    version: str
    weight: float
    direction: Direction = Direction.NEUTRAL
    confidence: float = UNSURE
    evidence: tuple[Evidence, ...] = ()
    event: str = ""
    error: str = ""
    mood: str = ""
    call: TradeCall | None = None
    advisory: bool = False
    factor: float = 1.0
    beliefs: Beliefs | None = None
    emphasis: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise ValueError(f"the weight of {self.analyzer} is {self.weight}, not a finite number from 0 up")
        if not (math.isfinite(self.factor) and self.factor > 0):
            raise ValueError(f"the factor of {self.analyzer} is {self.factor}, not a finite number above 0")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"the confidence of {self.analyzer} is {self.confidence}, not within 0..1")

    @property
    def counts(self) -> bool:
        return not self.error and self.weight > 0

    @property
    def pull(self) -> float:
        """Its weight as measured accuracy has changed it, on the direction."""
        follows = self.call is not None and SIDES[self.call.side] is self.direction
        return self.weight * self.factor * (self.emphasis.get("call", 1.0) if follows else 1.0)

    def pull_on(self, kind: str) -> float:
        """The same on the event or the mood."""
        return self.weight * self.factor * self.emphasis.get(kind, 1.0)

    def silenced(self) -> Verdict:
        """The same analyzer, unsure: what is left when nothing it quoted can be found."""
        return replace(
            self,
            direction=Direction.NEUTRAL,
            confidence=UNSURE,
            evidence=(),
            event="",
            mood="",
            call=None,
            beliefs=None,
        )
