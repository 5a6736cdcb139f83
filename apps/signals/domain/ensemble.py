"""Many verdicts to one: a weighted pool of log-probabilities, where disagreement costs confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from apps.signals.domain.verdict import Verdict
from tradebot.contracts.messages import Evidence
from tradebot.contracts.values import Direction

ORDER = (Direction.BEARISH, Direction.NEUTRAL, Direction.BULLISH)
FLOOR = 0.02
"""No analyzer is ever surer than this of what it denies, so none can veto alone."""
MAX_EVIDENCE = 12


@dataclass(frozen=True, slots=True)
class Judgement:
    """The ensemble's verdict on one post. `notes` say who was left out and why; `versions` who took part, by weight."""

    direction: Direction
    confidence: float
    event: str
    evidence: tuple[Evidence, ...]
    versions: dict[str, str]
    notes: tuple[str, ...] = ()


def distribution(direction: Direction, confidence: float) -> dict[Direction, float]:
    """Probabilities of the three directions: `confidence` for one, the rest shared by the other two."""
    sure = min(max(confidence, FLOOR), 1 - 2 * FLOOR)
    return {each: sure if each is direction else (1 - sure) / 2 for each in ORDER}


def combine(verdicts: Sequence[Verdict], quorum: int = 1) -> Judgement:
    """Pool the verdicts that count. Fewer answers than `quorum`: neutral, without confidence."""
    notes = tuple(f"{each.analyzer} left out: {each.error}" for each in verdicts if each.error)
    answered = [each for each in verdicts if not each.error]
    voting = [each for each in answered if each.counts]
    versions = {each.analyzer: each.version for each in answered}
    if len(answered) < quorum or not voting:
        missing = f"{len(answered)} of {quorum} analyzers answered"
        return Judgement(Direction.NEUTRAL, 0.0, "", (), versions, (*notes, missing))
    chances = pool(voting)
    direction = max(ORDER, key=lambda each: chances[each])
    return Judgement(
        direction, round(chances[direction], 4), _event(voting), _evidence(voting, direction), versions, notes
    )


def pool(verdicts: Sequence[Verdict]) -> dict[Direction, float]:
    """Weighted geometric mean of the verdicts' distributions, normalised (a logarithmic opinion pool)."""
    total = sum(each.weight for each in verdicts)
    logs = dict.fromkeys(ORDER, 0.0)
    for each in verdicts:
        for direction, chance in distribution(each.direction, each.confidence).items():
            logs[direction] += each.weight / total * math.log(chance)
    scale = sum(math.exp(value) for value in logs.values())
    return {direction: math.exp(value) / scale for direction, value in logs.items()}


def _event(voting: Sequence[Verdict]) -> str:
    named = [each for each in voting if each.event]
    return max(named, key=lambda each: each.weight * each.confidence).event if named else ""


def _evidence(voting: Sequence[Verdict], direction: Direction) -> tuple[Evidence, ...]:
    """Quotes of those who agree with the outcome, the heaviest first."""
    quotes = [quote for each in voting if each.direction is direction for quote in each.evidence]
    return tuple(sorted(quotes, key=lambda quote: -abs(quote.weight))[:MAX_EVIDENCE])
