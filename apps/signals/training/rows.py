"""All posts that shipped weights may learn from, each with the labels that are known of it."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from apps.signals.domain.beliefs import NO_EVENT
from apps.signals.domain.scripts import latin
from apps.signals.training import data
from apps.signals.training.corpus import corpus
from apps.signals.training.extra import extra


@dataclass(frozen=True, slots=True)
class Row:
    """`direction` 0 bearish, 1 neutral, 2 bullish. None: nobody labelled it; where that is the direction, only the
    text's vector counts. `news`: finance news, not a crypto post. `short`: a remark written for the direction alone,
    unlike the posts that are measured on. `unseen_by_rules`: the words of the rules were not chosen by it."""

    text: str
    direction: int | None = None
    event: str | None = None
    mood: str | None = None
    news: bool = False
    short: bool = False
    unseen_by_rules: bool = False

    @property
    def readable(self) -> bool:
        """Whether MiniLM knows its script."""
        return latin(self.text)


PLAIN = Path(__file__).with_name("posts.csv")
"""Simple posts that the rules must know (tests/unit/signals/test_quality.py)."""


def plain() -> list[Row]:
    """The simple posts, with all that is known of them."""
    with PLAIN.open(encoding="utf-8", newline="") as file:
        return [
            Row(each["text"], int(each["label"]) + 1, each["event"] or NO_EVENT, each["mood"])
            for each in csv.DictReader(file)
        ]


def posts() -> list[Row]:
    """Crypto posts: the own corpus without its held part, and those written for training."""
    own = [Row(each.text, each.direction + 1, each.event or NO_EVENT, each.mood) for each in corpus() if not each.held]
    return (
        own
        + plain()
        + [
            Row(
                each.text,
                each.direction + 1,
                None if each.event is None else each.event or NO_EVENT,
                each.mood,
                short=each.event is None,
                unseen_by_rules=each.event is not None,
            )
            for each in extra()
        ]
    )


def news(folder: Path) -> list[Row]:
    """Finance news without its held fifth; what it says of events and moods nobody labelled."""
    return [Row(each.text, each.label + 1, news=True) for each in data.twitter_fin(folder) if not each.held]
