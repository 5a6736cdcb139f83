"""What an analyzer holds for how likely: names of directions, events and moods, each set with its chances."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate

from apps.signals.domain.meant import MOODS
from tradebot.contracts.messages import Beliefs
from tradebot.contracts.values import Direction

NO_EVENT = "none"
DIRECTIONS = (Direction.BEARISH.value, Direction.NEUTRAL.value, Direction.BULLISH.value)
EVENTS = (
    *("listing", "delisting", "hack", "halving", "upgrade", "etf", "regulation", "partnership", "burn", "unlock"),
    *("lawsuit", "whale", "endorsement", "trade_call", NO_EVENT),
)
SETS = {"direction": DIRECTIONS, "event": EVENTS, "mood": MOODS}
_ENDS = dict(zip(SETS, accumulate(map(len, SETS.values())), strict=True))
PLACES = {kind: slice(_ENDS[kind] - len(names), _ENDS[kind]) for kind, names in SETS.items()}
"""Where those of each kind lie in the chances of one text: directions, then events, then moods."""
WIDTH = max(_ENDS.values())
"""Chances of one text."""
ROUNDING = 0.02
"""How far from 1 the chances of a set may be in sum."""


def of_row(row: Sequence[float]) -> Beliefs:
    """The beliefs in WIDTH chances; raises ValueError for anything else."""
    if len(row) != WIDTH:
        raise ValueError(f"{len(row)} chances, not {WIDTH}")
    found = {kind: dict(zip(SETS[kind], map(float, row[where]), strict=True)) for kind, where in PLACES.items()}
    return sound(Beliefs(**found))


def sound(beliefs: Beliefs) -> Beliefs:
    """The same; raises ValueError unless every set that is there is a distribution over its names."""
    for kind, names in SETS.items():
        chances: Mapping[str, float] = getattr(beliefs, kind)
        if not chances:
            continue
        if not set(chances) <= set(names):
            raise ValueError(f"beliefs of {kind} name {', '.join(sorted(set(chances) - set(names)))[:80]}")
        if not all(math.isfinite(each) and each >= 0 for each in chances.values()):
            raise ValueError(f"beliefs of {kind} hold a number that is no chance")
        if abs(math.fsum(chances.values()) - 1) > ROUNDING:
            raise ValueError(f"beliefs of {kind} are {math.fsum(chances.values()):.3f} in sum, not 1")
    return beliefs


def capped(chances: Mapping[str, float], most: float) -> dict[str, float]:
    """The same with no chance above `most`: what is taken away goes to the others in their proportion."""
    best = likeliest(chances)
    if chances[best] <= most:
        return dict(chances)
    rest = math.fsum(chance for name, chance in chances.items() if name != best)
    even = 1 / (len(chances) - 1)
    shares = {name: chance / rest if rest > 0 else even for name, chance in chances.items()}
    return {name: most if name == best else share * (1 - most) for name, share in shares.items()}


def likeliest(chances: Mapping[str, float]) -> str:
    """The name with the best chance; empty where there is none."""
    return max(chances, key=lambda name: (chances[name], name), default="")
