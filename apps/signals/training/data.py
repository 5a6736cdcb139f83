"""Labelled posts for training and measuring: the project's own, and outside sets found by TRADEBOT_SHARED_DATA."""

from __future__ import annotations

import csv
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

OWN = Path(__file__).with_name("posts.csv")
_TWITTER_FIN = {"0": -1, "1": 1, "2": 0}


@dataclass(frozen=True, slots=True)
class Labelled:
    """One post: -1 bearish, 0 neutral, 1 bullish. `held` rows are never trained on."""

    text: str
    label: int
    language: str = "en"

    @property
    def held(self) -> bool:
        return int(hashlib.sha256(self.text.strip().encode()).hexdigest()[:8], 16) % 5 == 1


def shared() -> Path:
    """Folder of the outside data sets; it need not exist."""
    return Path(os.environ.get("TRADEBOT_SHARED_DATA", "../shared/data"))


def own() -> list[Labelled]:
    """Posts written for the project."""
    return [Labelled(row["text"], int(row["label"]), row["language"]) for row in _rows(OWN)]


def twitter_fin() -> list[Labelled]:
    """Finance news tweets (MIT), the only outside set that may train shipped weights."""
    rows = _rows(shared() / "labelled" / "twitter_fin" / "sent_train.csv")
    return [Labelled(row["text"], _TWITTER_FIN[row["label"]]) for row in rows]


def crypto_posts() -> list[Labelled]:
    """Bitcoin tweets and Reddit comments without a licence: for measuring only."""
    rows = _rows(shared() / "labelled" / "crypto_posts" / "posts.csv")
    return [Labelled(row["text"], int(row["label"])) for row in rows]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
