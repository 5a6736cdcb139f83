"""How much a post looks like part of a scheme to move a price, and by what signs."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

from tradebot.contracts.values import Direction

LIMIT = 0.6
"""Score from which nothing real is ordered, unless the settings say otherwise: no single sign reaches it but a steep
run-up."""
YOUNG_AGE = timedelta(days=1)
YOUNG_POSTS = 5
COPIES = {2: 0.3, 3: 0.4, 5: 0.5}
"""Score of so many young voices with one text."""
WORDS = {1: 0.4, 2: 0.65, 3: 0.8}
"""Score of so many kinds of pump wording in one post."""
RUN_UP = ((0.04, 0.0), (0.15, 0.7))
"""Score of a rise in the hour before the post, as a share: a straight line between these, flat beyond them."""
THIN = ((Decimal(5_000), 0.3), (Decimal(20_000), 0.15))
"""Score of a market that less than so much quote currency moves by a percent."""


@dataclass(frozen=True, slots=True)
class Market:
    """What is known of a coin's market; None is unknown and counts for nothing.

    `run_up`: the price now against the lowest of the hour before the post, 0.1 is ten percent more. `depth`: quote
    currency that buys the price up by one percent. `price`: the last one known.
    """

    run_up: float | None = None
    depth: Decimal | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Voice:
    """Who posts: when it was first seen here, and how many of its posts were seen before."""

    first_seen: datetime | None = None
    posts: int = 0

    def young(self, now: datetime) -> bool:
        return self.first_seen is None or self.posts < YOUNG_POSTS or now - self.first_seen < YOUNG_AGE


@dataclass(frozen=True, slots=True)
class Suspicion:
    """0 (none) to 1 with the signs behind it, as sentences."""

    score: float = 0.0
    reasons: tuple[str, ...] = field(default=())

    def shadow(self, limit: float) -> str:
        """Why nothing real may be ordered; empty below `limit`."""
        if not self.reasons or self.score < limit:
            return ""
        return f"looks manipulated ({self.score:.2f} of {limit:g}): {'; '.join(self.reasons)}"


def suspicion(
    direction: Direction, text: str, *, copiers: Iterable[Voice] = (), market: Market | None = None, now: datetime
) -> Suspicion:
    """Score a post that calls for a trade. `copiers`: every voice that spread this text, its own with them.

    A run-up, pump wording and a thin market speak against a purchase only: a sale must not wait for them. Signs are
    independent doubts: the score is the chance that at least one is right.
    """
    found = [_copied(copiers, now)]
    if direction is Direction.BULLISH:
        found += [_worded(text), *_traded(market or Market())]
    signs = [(weight, reason) for weight, reason in found if weight]
    score = 1 - math.prod(1 - weight for weight, _ in signs)
    return Suspicion(round(score, 4), tuple(reason for _, reason in signs))


def wording(text: str) -> dict[str, str]:
    """The kinds of pump wording in a text, each with the words that show it."""
    folded = text.casefold()
    found = {kind: pattern.search(folded) for kind, pattern in _patterns().items()}
    return {kind: text[slice(*hit.span())] for kind, hit in found.items() if hit}


def _copied(copiers: Iterable[Voice], now: datetime) -> tuple[float, str]:
    young = sum(each.young(now) for each in copiers)
    return _step(COPIES, young), f"{young} young accounts spread the same text"


def _worded(text: str) -> tuple[float, str]:
    found = wording(text)
    quoted = ", ".join(f"{kind} (“{' '.join(words.split())[:60]}”)" for kind, words in found.items())
    return _step(WORDS, len(found)), f"it is worded like a pump: {quoted}"


def _traded(market: Market) -> Collection[tuple[float, str]]:
    found = []
    if market.run_up is not None:
        found.append((_line(market.run_up), f"the price rose {market.run_up:.1%} in the hour before"))
    if market.depth is not None:
        thin = next((weight for limit, weight in THIN if market.depth < limit), 0.0)
        found.append((thin, f"a purchase of {market.depth:.0f} moves the price by a percent"))
    return found


def _step(steps: dict[int, float], count: int) -> float:
    return max((weight for least, weight in steps.items() if count >= least), default=0.0)


def _line(rise: float) -> float:
    (low, least), (high, most) = RUN_UP
    return least + (most - least) * min(max((rise - low) / (high - low), 0.0), 1.0)


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    lists = tomllib.loads(Path(__file__).with_name("manipulation.toml").read_text(encoding="utf-8"))
    return {kind: re.compile("|".join(words)) for kind, words in lists.items()}
