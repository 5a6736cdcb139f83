"""What a post is about: one of fourteen events, by words that stand in it, whichever way they point."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from apps.signals.domain.phrases import Phrases

WORTH = {"sure": 3.0, "likely": 2.0, "hint": 1.0}
ENOUGH = 3.0
"""What an event's words must be worth together."""
REPEATED = 0.5
"""A second word of the same strength counts this much, a third none."""


@dataclass(frozen=True, slots=True)
class About:
    """The event, the span of the word that shows it best, and what all its words are worth."""

    event: str
    span: tuple[int, int]
    worth: float


def about(plain: str, call: tuple[int, int] | None = None) -> About | None:
    """The event of a text (lower case, simplified characters); `call` is the span of a trade call with numbers."""
    found = [hit for event, kinds in _words().items() if (hit := _found(event, kinds, plain))]
    if call is not None:
        other = next((each for each in found if each.event == "trade_call"), None)
        found.append(About("trade_call", other.span if other else call, 6.0 + (other.worth if other else 0.0)))
    best = max(found, key=lambda each: each.worth, default=None)
    return best if best and best.worth >= ENOUGH else None


def _found(event: str, kinds: Mapping[str, Phrases], plain: str) -> About | None:
    worth, best, span = 0.0, 0.0, (0, 0)
    for kind, phrases in kinds.items():
        hits = {hit[0]: hit.span() for hit in phrases.finditer(plain)}
        if hits:
            worth += WORTH[kind] * (1 + REPEATED * (len(hits) > 1))
        if hits and WORTH[kind] > best:
            best, span = WORTH[kind], next(iter(hits.values()))
    return About(event, span, worth) if worth else None


@cache
def _words() -> dict[str, dict[str, Phrases]]:
    lists = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return {event: {kind: Phrases(words) for kind, words in kinds.items()} for event, kinds in lists.items()}
