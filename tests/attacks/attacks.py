"""The attacks and their benign twins: posts written to fool tradebot, and posts of the same form that mean it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

FOLDER = Path(__file__).with_name("corpus")


class Drawing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture to be drawn: its lines, on a light or dark ground, in an ink of its own where one is given. `file`: the
    picture itself, where the drawing needs letters that not every machine has."""

    lines: tuple[str, ...]
    dark: bool = False
    ink: str = ""
    file: str = ""


class Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One post as its source would give it."""

    text: str
    author: str
    source: Literal["twitter", "telegram"] = "twitter"
    channel: str = ""
    picture: Drawing | None = None


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An attack and its twin. `tries`: what the attack tries; `wish`: the direction it wants to be taken for."""

    id: str
    kind: str
    lang: Literal["en", "zh"]
    wish: Literal["bullish", "bearish"]
    tries: str
    attack: Sent
    twin: Sent

    @property
    def held(self) -> bool:
        """A third by the hash of the id: nobody who changes how posts are judged may look at it."""
        return int(hashlib.sha256(self.id.encode()).hexdigest()[:8], 16) % 3 == 0


@lru_cache(maxsize=1)
def pairs() -> tuple[Pair, ...]:
    """All of them, by file and line. Raises msgspec.ValidationError naming the field of a line that is none."""
    return tuple(
        msgspec.json.decode(line, type=Pair)
        for path in sorted(FOLDER.glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    )
