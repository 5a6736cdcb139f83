"""Labelled posts for training and measuring: the project's own, outside sets found by TRADEBOT_SHARED_DATA, any CSV."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.signals.training.corpus import corpus
from apps.sources.domain.clean import clean
from tradebot.contracts.errors import InvalidField

CLASSES = (-1, 0, 1)
NAMES = ("bearish", "neutral", "bullish")
SIGNS = ("-1", "0", "1")
TWITTER_FIN_LABELS = ("0", "2", "1")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One post: -1 bearish, 0 neutral, 1 bullish. `held` rows are never trained on."""

    text: str
    label: int
    held: bool
    language: str = "en"

    @property
    def name(self) -> str:
        return NAMES[self.label + 1]


def held(text: str) -> bool:
    """Whether a text belongs to the fifth that is kept for measuring, by its hash."""
    return int(hashlib.sha256(text.strip().encode()).hexdigest()[:8], 16) % 5 == 1


def shared() -> Path | None:
    """Folder of the outside data sets, where TRADEBOT_SHARED_DATA (default ../shared/data) names one that exists."""
    folder = Path(os.environ.get("TRADEBOT_SHARED_DATA", "../shared/data"))
    return folder if folder.is_dir() else None


def own() -> list[Labelled]:
    """The project's corpus; its blind part is held as well."""
    return [Labelled(post.text, post.direction, post.held, post.lang) for post in corpus()]


def twitter_fin(folder: Path) -> list[Labelled]:
    """Finance news tweets (MIT), the only outside set that may train shipped weights."""
    return read(folder / "labelled" / "twitter_fin" / "sent_train.csv", TWITTER_FIN_LABELS)


def crypto_posts(folder: Path) -> list[Labelled]:
    """Bitcoin tweets and Reddit comments without a licence: for measuring only."""
    return read(folder / "labelled" / "crypto_posts" / "posts.csv")


def finfe_zh(folder: Path) -> list[Labelled]:
    """Posts of a Chinese stock forum without a licence: for measuring only."""
    return read(folder / "labelled" / "finfe_zh" / "posts.csv")


def read(path: Path, labels: Sequence[str] = SIGNS) -> list[Labelled]:
    """Rows of a CSV with the columns text and label, their text as the pipeline would clean it; `labels`: how bearish,
    neutral, bullish are written there.

    Raises InvalidField naming the line of a row that is none.
    """
    places = dict(zip((label.strip() for label in labels), CLASSES, strict=True))
    csv.field_size_limit(10_000_000)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file)
            if missing := {"text", "label"} - set(lines.fieldnames or ()):
                raise InvalidField("DATA", f"{path.name} has no column {' and no column '.join(sorted(missing))}")
            return [_row(path, lines.line_num, line, places) for line in lines]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidField("DATA", f"{path} can't be read as a UTF-8 CSV: {error}") from None


def _row(path: Path, number: int, line: dict[str, str], places: dict[str, int]) -> Labelled:
    label, text = (line["label"] or "").strip(), line["text"] or ""
    if label not in places:
        raise InvalidField(
            "label", f"{path.name}, line {number}: {label[:40]!r} is none of {', '.join(places)} (see --labels)"
        )
    return Labelled(clean(text), places[label], held(text))
