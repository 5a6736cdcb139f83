"""How well the product reads the screenshots: character errors, and tickers and numbers that came out exactly."""

from __future__ import annotations

import argparse
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.sources.adapters.ocr import reader
from apps.sources.domain.picture import Seen
from apps.sources.domain.second_look import critical
from tests.screenshots.maker import IMAGES, TRUTH

MOST_ERRORS, LEAST_EXACT = 0.5, 99.0
"""What issue 4 asks for, in percent."""
_RULE = "|---|---|---|---|---|\n"
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Score:
    """Of some pictures: characters of the truth and wrong ones (Levenshtein), tickers and numbers of the truth and
    those read exactly, seconds, lines, and lines marked unsure."""

    pictures: int = 0
    characters: int = 0
    errors: int = 0
    tokens: int = 0
    exact: int = 0
    seconds: float = 0.0
    lines: int = 0
    unsure: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def told(self) -> dict[str, Any]:
        return {
            "pictures": self.pictures,
            "cer": round(self.errors / max(1, self.characters), 6),
            "exact": round(self.exact / max(1, self.tokens), 6),
            "tokens": self.tokens,
            "unsure_lines": round(self.unsure / max(1, self.lines), 6),
            "seconds": round(self.seconds / max(1, self.pictures), 3),
        }


def truth() -> Mapping[str, Mapping[str, str]]:
    """Kind and text of each picture, by file name."""
    told: dict[str, dict[str, str]] = json.loads(TRUTH.read_text())
    return told


def evaluate(names: Sequence[str] | None = None) -> dict[str, Any]:
    """Read the pictures (all of them unless told) with the product's own OCR process, and score them, all and by kind:
    `cer` and `exact` are shares, `seconds` is the mean of a picture. Spaces count, full-width forms do not (NFKC)."""
    known = truth()
    scores: dict[str, Score] = {}
    for name in names or known:
        (seen,) = reader().read([(IMAGES / name).read_bytes()])
        kind = known[name]["kind"]
        scores[kind] = scores.get(kind, Score()) + score(known[name]["text"], seen)
    return total(scores.values()).told() | {
        "engine": reader().ready().engine,
        "provider": reader().ready().provider,
        "kinds": {kind: each.told() for kind, each in scores.items()},
    }


def total(scores: Iterable[Score]) -> Score:
    return sum(scores, Score())


def score(text: str, seen: Seen) -> Score:
    """One picture's."""
    wanted, read = _plain(text), _plain(seen.reading.text)
    tokens, found = critical(wanted), critical(read)
    return Score(
        pictures=1,
        characters=len(wanted),
        errors=distance(wanted, read),
        tokens=tokens.total(),
        exact=(tokens & found).total(),
        seconds=seen.seconds,
        lines=len(seen.reading.boxes),
        unsure=sum(box.unsure for box in seen.reading.boxes),
    )


def distance(one: str, other: str) -> int:
    """Levenshtein's: characters to put in, take out or change."""
    row = list(range(len(other) + 1))
    for place, left in enumerate(one, 1):
        above, row = row, [place]
        for column, right in enumerate(other, 1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (left != right)))
    return row[-1]


def _plain(text: str) -> str:
    return _BLANKS.sub(" ", unicodedata.normalize("NFKC", text)).strip()


def rows(told: Mapping[str, Any]) -> list[str]:
    """The scores beside their goals, as lines of the table in docs/accuracy.md."""
    data = f"{told['pictures']} screenshots, {told['engine']}"
    error, exact = told["cer"] * 100, told["exact"] * 100
    met = ["yes" if each else "no" for each in (error <= MOST_ERRORS, exact >= LEAST_EXACT)]
    return [
        f"| {data} | OCR, character errors | ≤ {MOST_ERRORS:g} | {error:.2f} | {met[0]} |",
        f"| {data} | OCR, tickers and numbers exact | ≥ {LEAST_EXACT:g} | {exact:.1f} | {met[1]} |",
    ]


def put(page: str, lines: Sequence[str]) -> str:
    """The page with the lines at the end of its first table; those of an earlier measurement go."""
    before, rule, after = page.partition(_RULE)
    table, blank, rest = after.partition("\n\n")
    kept = [line for line in table.split("\n") if line and "| OCR, " not in line]
    return f"{before}{rule}" + "\n".join([*kept, *lines]) + blank + rest


def main() -> None:
    """Print the scores as JSON; `--report` puts them into docs/accuracy.md."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradebot.settings")
    import django

    django.setup()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="files in images/, all unless told")
    parser.add_argument("--report", type=Path, help="a page whose first table gets the scores")
    given = parser.parse_args()
    told = evaluate(given.names or None)
    if given.report:
        given.report.write_text(put(given.report.read_text(encoding="utf-8"), rows(told)), encoding="utf-8")
    print(json.dumps(told, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
