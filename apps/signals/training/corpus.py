"""The project's own corpus: crypto posts written for it, each with what a careful reader makes of it."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec

FOLDER = Path(__file__).with_name("corpus")
BLIND = "blind"
"""The part that was written without sight of the rules and of the other posts: it is never trained on."""

EVENTS = (
    *("listing", "delisting", "hack", "halving", "upgrade", "etf", "regulation", "partnership", "burn", "unlock"),
    *("lawsuit", "whale", "endorsement", "trade_call"),
)
Symbol = Annotated[str, msgspec.Meta(pattern="^[A-Z0-9]{1,10}$")]


class Meant(StrEnum):
    """How a post is meant: it tells readers to trade, says something of now, tells of the past, or asks."""

    INSTRUCTION = "instruction"
    CLAIM = "claim"
    REPORT = "report"
    QUESTION = "question"


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers of a trade call, as they stand in the post. `entry`: one price, or the ends of a range."""

    side: Literal["long", "short"]
    entry: list[float]
    stop: float | None = None
    targets: list[float] = []


class CorpusPost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One post. `direction`: -1 bearish, 0 neutral, 1 bullish, from the moment of the post on; `event` is empty where
    it is about none; `manipulates`: it tries to manipulate its reader, human or machine."""

    id: str
    text: Annotated[str, msgspec.Meta(min_length=4)]
    lang: Literal["en", "zh", "mixed"]
    form: Literal["tweet", "telegram", "notice", "news", "forum"]
    direction: Annotated[int, msgspec.Meta(ge=-1, le=1)]
    event: str
    coins: list[Symbol]
    mood: Meant
    manipulates: bool
    call: Call | None = None

    @property
    def held(self) -> bool:
        """Whether it is kept for measuring: a fifth of all by the hash of its text, and the blind part."""
        if self.id.startswith(f"{BLIND}-"):
            return True
        return int(hashlib.sha256(self.text.strip().encode()).hexdigest()[:8], 16) % 5 == 1


def corpus() -> list[CorpusPost]:
    """All posts, by file and place. Raises msgspec.ValidationError naming the field of a line that is none."""
    return [post for path in sorted(FOLDER.glob("*.jsonl")) for post in read(path)]


def read(path: Path) -> list[CorpusPost]:
    """The posts of one file."""
    lines = path.read_bytes().splitlines()
    return [msgspec.json.decode(line, type=CorpusPost) for line in lines if line.strip()]
