"""Which classifier folders are configured, and what the outputs of each mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from tradebot.contracts.errors import NotConfigured
from tradebot.contracts.values import Direction

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,29}")
_WORDS = {
    Direction.BULLISH: ("bullish", "positive", "pos", "buy", "long", "up", "optimistic"),
    Direction.BEARISH: ("bearish", "negative", "neg", "sell", "short", "down", "pessimistic"),
    Direction.NEUTRAL: ("neutral", "neu", "hold", "none", "flat", "sideways", "irrelevant"),
}
_DIRECTIONS = {word: direction for direction, words in _WORDS.items() for word in words}


@dataclass(frozen=True, slots=True)
class Folder:
    """One classifier: the analyzer's name, where it lies, and what its outputs mean where the operator said so."""

    name: str
    path: Path
    labels: tuple[Direction, ...] = ()


def folders() -> list[Folder]:
    """From TRANSFORMER_MODELS and TRANSFORMER_LABELS; raises NotConfigured naming the setting."""
    paths = _pairs("TRANSFORMER_MODELS", settings.TRANSFORMER_MODELS, "finbert=/models/finbert")
    told = _pairs("TRANSFORMER_LABELS", settings.TRANSFORMER_LABELS, "finbert=bullish|bearish|neutral")
    if strange := told.keys() - paths.keys():
        raise NotConfigured(f"TRANSFORMER_LABELS names {min(strange)!r}, which TRANSFORMER_MODELS has not")
    return [
        Folder(name, settings.BASE_DIR / path, _directions(told[name]) if name in told else ())
        for name, path in paths.items()
    ]


def meanings(names: Sequence[str], folder: Folder) -> tuple[Direction, ...]:
    """A direction for each output, by the operator's word or by the names in its config.json.

    Raises NotConfigured naming TRANSFORMER_LABELS where they can't be told.
    """
    found: tuple[Direction | None, ...] = folder.labels or tuple(
        _DIRECTIONS.get(name.strip().lower()) for name in names
    )
    remedy = f"say what its outputs mean with TRANSFORMER_LABELS, like {folder.name}=bearish|neutral|bullish"
    if len(found) != len(names):
        raise NotConfigured(f"TRANSFORMER_LABELS: {folder.name} has {len(names)} outputs, not {len(found)}")
    if None in found:
        raise NotConfigured(f"{folder.name}: its outputs are called {', '.join(names)[:100]}; {remedy}")
    if not {Direction.BULLISH, Direction.BEARISH} <= set(found):
        raise NotConfigured(f"{folder.name}: none of its outputs means bullish, or none bearish; {remedy}")
    return tuple(each for each in found if each is not None)


def names_of(id2label: object) -> list[str]:
    """The outputs' names in their order, out of config.json's `id2label`; empty where it has none."""
    if not isinstance(id2label, Mapping):
        return []
    try:
        by_place = {int(place): str(name) for place, name in id2label.items()}
    except (TypeError, ValueError):
        return []
    return [by_place[place] for place in range(len(by_place))] if set(by_place) == set(range(len(by_place))) else []


def _directions(text: str) -> tuple[Direction, ...]:
    words = [word.strip().lower() for word in re.split(r"[|/]", text)]
    if unknown := [word for word in words if word not in _DIRECTIONS]:
        raise NotConfigured(f"TRANSFORMER_LABELS: {unknown[0]!r} is none of bearish, neutral, bullish")
    return tuple(_DIRECTIONS[word] for word in words)


def _pairs(setting: str, text: str, example: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _split(setting, text, example):
        if not _NAME.fullmatch(name):
            raise NotConfigured(
                f"{setting}: {name[:40]!r} is no name; use small letters, digits, _ and -, like {example}"
            )
        if name in found:
            raise NotConfigured(f"{setting} names {name!r} twice")
        found[name] = value
    return found


def _split(setting: str, text: str, example: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, sign, value = (each.strip() for each in part.partition("="))
        if not sign or not value:
            raise NotConfigured(f"{setting}: {part[:60]!r} is not NAME=VALUE, like {example}")
        yield name, value
