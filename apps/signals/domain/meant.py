"""How a whole post is meant: instruction, claim, report or question, by weighed phrases."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from apps.signals.domain.phrases import Phrases

MOODS = ("instruction", "claim", "report", "question")
MOST = 3
"""Words of a kind that count: ten question marks ask no more than three."""
_PHRASES = Path(__file__).with_name("meant.toml")
_WEIGHTS = Path(__file__).with_name("meant.json")


@dataclass(frozen=True, slots=True)
class Meaning:
    """The mood, its probability, and the span of the phrase that speaks most for it, where there is one. `chances`:
    those of all moods."""

    mood: str
    confidence: float
    sign: tuple[int, int] | None
    chances: Mapping[str, float] = field(default_factory=dict)


def meaning(plain: str, has_call: bool) -> Meaning:
    """How a text (lower case, simplified characters) is meant; `has_call`: it names a trade call's numbers."""
    signs = hits(plain)
    scores = [0.0] * len(MOODS)
    weights = _weights()
    for name, worth in values(signs, has_call, plain).items():
        for place, weight in enumerate(weights.get(name, ())):
            scores[place] += worth * weight
    powers = [math.exp(score - max(scores)) for score in scores]
    best = max(range(len(MOODS)), key=powers.__getitem__)
    shown = [(weights.get(phrase, _NONE)[best], span) for phrase, (_, span) in signs.items()]
    strongest = max(shown, key=lambda each: each[0], default=(0.0, (0, 0)))
    chances = {mood: power / sum(powers) for mood, power in zip(MOODS, powers, strict=True)}
    return Meaning(MOODS[best], chances[MOODS[best]], strongest[1] if strongest[0] > 0 else None, chances)


def hits(plain: str) -> dict[str, tuple[str, tuple[int, int]]]:
    """The phrases of meant.toml that stand in a text: each with its kind and where it stands first."""
    names, searched = phrases()
    return {phrase: (kind, hit.span()) for place, hit in searched.found(plain) for phrase, kind in (names[place],)}


def values(signs: dict[str, tuple[str, tuple[int, int]]], has_call: bool, plain: str) -> dict[str, float]:
    """What the weights are multiplied with: each phrase found, how many of each kind, and the text's own shape."""
    found: dict[str, float] = {"bias": 1.0, "call": float(has_call), "length": _length(plain)}
    found["lines"] = min(plain.count("\n"), 5) / 5
    for phrase, (kind, _) in signs.items():
        found[phrase] = 1.0
        found[kind] = min(found.get(kind, 0.0) + 1.0, MOST)
    return found


def _length(plain: str) -> float:
    """About 0 for a post of ninety letters; a run of blanks, as an address leaves one, counts as one."""
    return math.log1p(len(" ".join(plain.split()))) - 4.5


_NONE: Sequence[float] = (0.0,) * len(MOODS)


@cache
def phrases() -> tuple[list[tuple[str, str]], Phrases]:
    """Every phrase of meant.toml with its kind (`report sure`), and their patterns in the same order."""
    lists = tomllib.loads(_PHRASES.read_text(encoding="utf-8"))
    named = {
        phrase: f"{mood} {strength}"
        for mood, kinds in lists.items()
        for strength, listed in kinds.items()
        for phrase in listed
    }
    return list(named.items()), Phrases(named)


@cache
def _weights() -> dict[str, Sequence[float]]:
    return json.loads(_WEIGHTS.read_text(encoding="utf-8"))["weights"]  # type: ignore[no-any-return]
