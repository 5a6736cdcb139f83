"""The script of the demo: which post comes when, what the market is like then, and which orders must come of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from tradebot.contracts.ids import stable_id
from tradebot.contracts.messages import CrawlerMessage
from tradebot.contracts.values import Action, Leg
from workers import ingest

FOLDER = Path(__file__).parent
POSTS = FOLDER / "posts.jsonl"
MOMENTS = FOLDER / "moments.json"


@dataclass(frozen=True, slots=True, order=True)
class Expected:
    """An order that the demo must end with: placed and filled, or resting at the exchange if it protects."""

    leg: Leg
    side: Action
    pair: str

    @classmethod
    def parse(cls, text: str) -> Expected:
        """Read `entry buy BTC/USDT`."""
        leg, side, pair = text.split()
        return cls(Leg(leg), Action(side), pair)

    def __str__(self) -> str:
        return f"{self.leg} {self.side} {self.pair}"


@dataclass(frozen=True, slots=True)
class Beat:
    """One post: the real event it plays on, prices then (`BTC/USDT`: quote per base), posts that must be through
    before, the orders it must lead to, and what it shows."""

    message: CrawlerMessage
    moment: str
    prices: Mapping[str, Decimal]
    after: tuple[str, ...]
    orders: tuple[Expected, ...]
    lesson: str


def load(now: datetime) -> list[Beat]:
    """The sample posts, shifted in time so that the last is `now`, their pictures taken into the media storage."""
    messages, rejected = ingest.read_lines(POSTS, rebase_to=now)
    if rejected:
        raise ValueError(f"{POSTS.name} line {rejected[0]['line']}: {rejected[0]['error']}")
    return compose(messages, json.loads(MOMENTS.read_text(encoding="utf-8")))


def compose(messages: Sequence[CrawlerMessage], moments: Mapping[str, Mapping[str, Any]]) -> list[Beat]:
    """Posts and their moments (by line number). Roots are fixed, so that a second run finds what the first one did."""
    return [_beat(message, number, moments[str(number)]) for number, message in enumerate(messages, start=1)]


def _beat(message: CrawlerMessage, number: int, moment: Mapping[str, Any]) -> Beat:
    root = str(stable_id("demo", number, message.id, message.revision))
    return Beat(
        message=msgspec.structs.replace(message, root_id=root),
        moment=moment["moment"],
        prices={pair: Decimal(price) for pair, price in moment["prices"].items()},
        after=tuple(moment["after"]),
        orders=tuple(map(Expected.parse, moment["orders"])),
        lesson=moment["lesson"],
    )
