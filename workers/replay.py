"""How posts of the past would have been judged, and whether the price agreed: from files, without storing anything."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from apps.signals.accuracy_selectors import Score
from apps.signals.domain import accuracy
from apps.signals.domain.accuracy import Tally
from tradebot.contracts.errors import InvalidField
from tradebot.contracts.ports import Candle
from tradebot.contracts.values import Direction
from workers.inspection import Judged, judge

POST_COLUMNS = frozenset({"time", "text"})
CANDLE_COLUMNS = ("open", "high", "low", "close")
_MILLISECONDS_FROM = 100_000_000_000


@dataclass(frozen=True, slots=True)
class PastPost:
    """`coin` "": the one that it is judged to be about."""

    at: datetime
    text: str
    coin: str = ""


@dataclass(frozen=True, slots=True)
class Replay:
    """Figures of all signals and of each analyzer; `unpriced`: posts that no candle file tells a price of."""

    scores: tuple[Score, ...]
    posts: int
    neutral: int
    unpriced: int


def replay(
    posts: Iterable[PastPost], candles: Mapping[str, Sequence[Candle]], horizons: Sequence[int], band: float
) -> Replay:
    """Judge each post as it would be judged now, and mark it by the candles of its coin."""
    tallies: dict[tuple[str, str, int], Tally] = {("all", "", horizon): Tally() for horizon in horizons}
    seen = neutral = unpriced = 0
    for post in posts:
        judged = judge(post.text)
        prices = candles.get(post.coin or next(iter(judged.coins), ""), ())
        marks = {horizon: _mark(prices, post.at, horizon, band) for horizon in horizons}
        seen += 1
        neutral += judged.judgement.direction is Direction.NEUTRAL
        unpriced += not any(marks.values())
        for horizon, mark in marks.items():
            for kind, name, said in _views(judged) if mark else ():
                tally = tallies.get((kind, name, horizon), Tally())
                tallies[kind, name, horizon] = tally.plus(said, *mark) if mark else tally
    scores = (Score(kind, name, horizon, tally) for (kind, name, horizon), tally in tallies.items())
    ranked = sorted(scores, key=lambda score: (score.kind, score.name, score.horizon))
    return Replay(tuple(ranked), seen, neutral, unpriced)


def _views(judged: Judged) -> Iterator[tuple[str, str, Direction]]:
    yield "all", "", judged.judgement.direction
    for verdict in judged.verdicts:
        if not verdict.error:
            yield "analyzer", verdict.analyzer, verdict.direction


def _mark(candles: Sequence[Candle], at: datetime, horizon: int, band: float) -> tuple[str, float | None] | None:
    """Outcome, and the move of the hour before; None without prices."""
    price = accuracy.price_at(candles, at)
    after = accuracy.price_at(candles, at + timedelta(minutes=horizon))
    before = accuracy.price_at(candles, at - accuracy.BEFORE)
    if price is None or after is None:
        return None
    moved_before = None if before is None else accuracy.move(before, price)
    return accuracy.outcome(accuracy.move(price, after), band), moved_before


# --- files -----------------------------------------------------------------------------------------------------------


def read_posts(path: Path) -> Iterator[PastPost]:
    """A CSV file with the columns time (ISO 8601, UTC where it names no zone), text and, if known, coin."""
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        if not set(reader.fieldnames or ()) >= POST_COLUMNS:
            raise InvalidField(path.name, "its first line must name the columns time and text")
        for row in reader:
            coin = (row.get("coin") or "").strip().upper()
            yield PastPost(_moment(row["time"], path, reader.line_num), row["text"] or "", coin)


def read_candles(folder: Path) -> dict[str, list[Candle]]:
    """One-minute candles by coin, of files named like DOGE_USDT.csv (time, open, high, low, close) or
    DOGE_USDT-1m.json (rows of milliseconds, open, high, low, close)."""
    found: dict[str, list[Candle]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in {".csv", ".json"} and "_" in path.stem:
            rows = _of_csv(path) if path.suffix == ".csv" else _of_json(path)
            found[path.stem.split("_")[0].upper()] = sorted(rows, key=lambda candle: candle.at)
    if not found:
        raise InvalidField(str(folder), "holds no candles; name the files like DOGE_USDT.csv")
    return found


def _of_csv(path: Path) -> Iterator[Candle]:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        if not {"time", *CANDLE_COLUMNS} <= set(reader.fieldnames or ()):
            raise InvalidField(path.name, f"its first line must name the columns time, {', '.join(CANDLE_COLUMNS)}")
        for row in reader:
            yield _candle(row["time"], [row[name] for name in CANDLE_COLUMNS], path, reader.line_num)


def _of_json(path: Path) -> Iterator[Candle]:
    rows = json.loads(path.read_text(), parse_float=str)
    for number, (at, *prices) in enumerate(rows, 1):
        yield _candle(str(at), prices[: len(CANDLE_COLUMNS)], path, number)


def _candle(at: str, prices: Sequence[Any], path: Path, line: int) -> Candle:
    try:
        return Candle(_moment(at, path, line), *(Decimal(price) for price in prices))
    except (InvalidOperation, TypeError):
        raise InvalidField(f"{path.name} line {line}", "give a time and four prices") from None


def _moment(text: str, path: Path, line: int) -> datetime:
    """Of ISO 8601, or of seconds or milliseconds since the epoch."""
    try:
        if text.isdigit():
            number = int(text)
            return datetime.fromtimestamp(number / 1000 if number > _MILLISECONDS_FROM else number, UTC)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise InvalidField(f"{path.name} line {line}", f"{text[:40]!r} is no time") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
