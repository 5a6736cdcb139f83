"""Posts written for training alone: nothing is measured on them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from apps.signals.training.corpus import EVENTS, Meant
from apps.signals.training.data import SIGNS, Labelled

FOLDER = Path(__file__).with_name("extra")
NONE, UNKNOWN = "-", "?"
COLUMNS = 6
_COINS = re.compile(r"[A-Z0-9]{1,10}(?:,[A-Z0-9]{1,10})*")


@dataclass(frozen=True, slots=True)
class Written:
    """One post. `event` is empty where it is about none; what nobody labelled is None."""

    text: str
    direction: int
    event: str | None = None
    mood: str | None = None
    coins: tuple[str, ...] | None = None
    manipulates: bool | None = None

    @property
    def labelled(self) -> Labelled:
        return Labelled(self.text, self.direction, held=False)


def extra(folder: Path = FOLDER) -> list[Written]:
    """All of them, by file and line; raises ValueError naming the line and column that is none."""
    return [row for path in sorted(folder.glob("*.tsv")) for row in read(path)]


def read(path: Path) -> list[Written]:
    """Lines of direction, event, mood, coins, manipulates and text, split by tabs: `-` for none, `?` for not labelled,
    backslash n for a line break in the text."""
    lines = enumerate(path.read_text(encoding="utf-8").split("\n"), 1)
    return [written(line, f"{path.name}, line {number}") for number, line in lines if line.strip()]


def written(line: str, place: str) -> Written:
    """One line; `place` is named where it is none."""
    columns = line.split("\t")
    if len(columns) != COLUMNS:
        raise ValueError(f"{place}: {len(columns)} columns, not {COLUMNS}")
    direction, event, mood, coins, manipulates, text = columns
    for name, right in (
        ("direction", direction in SIGNS),
        ("event", event in (NONE, UNKNOWN, *EVENTS)),
        ("mood", mood in (UNKNOWN, *(each.value for each in Meant))),
        ("coins", coins in (NONE, UNKNOWN) or _COINS.fullmatch(coins) is not None),
        ("manipulates", manipulates in (NONE, UNKNOWN, "m")),
        ("text", bool(text.strip())),
    ):
        if not right:
            raise ValueError(f"{place}: {name} is none: {line[:80]!r}")
    return Written(
        text=text.replace("\\n", "\n").strip(),
        direction=int(direction),
        event=None if event == UNKNOWN else event.removeprefix(NONE),
        mood=None if mood == UNKNOWN else mood,
        coins=None if coins == UNKNOWN else tuple(coin for coin in coins.split(",") if coin != NONE),
        manipulates=None if manipulates == UNKNOWN else manipulates == "m",
    )
