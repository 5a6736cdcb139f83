"""The 40 dated tweets of market/elon_doge_1m with DOGE's minutes around them, as files that `manage.py accuracy` reads:
`python -m tests.bench.elon FOLDER`."""

from __future__ import annotations

import csv
import html
import os
import re
import sys
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

DATA = Path(os.environ.get("TRADEBOT_SHARED_DATA", "../shared/data")) / "market" / "elon_doge_1m"
WORKBOOK = "Elon_Dogecoin_Output.xlsx"
EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
"""Day 0 of a spreadsheet."""
_CELL = re.compile(r'<c r="([A-Z]+)\d+"([^>]*)><v>([^<]*)</v>')


def convert(folder: Path, data: Path = DATA) -> tuple[Path, Path]:
    """Writes posts.csv and prices/DOGE_USDT.csv; returns the file and the folder."""
    posts, prices = folder / "posts.csv", folder / "prices"
    prices.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(data / WORKBOOK) as book:
        texts = [_plain(found) for found in re.findall(r"<si>(.*?)</si>", _read(book, "sharedStrings"), re.DOTALL)]
        tweets = ((row["I"], texts[int(row["C"])], texts[int(row["D"])]) for row in _rows(book, 3) if "I" in row)
        _write(posts, ("time", "text", "coin"), ((_time(at), text, coin) for at, text, coin in tweets))
        minutes = ((row["B"], *[row["C"]] * 4) for row in _rows(book, 1))
        _write(
            prices / "DOGE_USDT.csv",
            ("time", "open", "high", "low", "close"),
            ((_time(at), *told) for at, *told in minutes),
        )
    return posts, prices


def _rows(book: zipfile.ZipFile, sheet: int) -> Iterator[dict[str, str]]:
    """Cells by column; the first row names the columns and is left out."""
    _, *rows = re.findall(r"<row .*?</row>", _read(book, f"worksheets/sheet{sheet}"), re.DOTALL)
    for row in rows:
        yield {column: value for column, _, value in _CELL.findall(row)}


def _read(book: zipfile.ZipFile, part: str) -> str:
    return book.read(f"xl/{part}.xml").decode()


def _plain(rich: str) -> str:
    return html.unescape(re.sub("<[^>]+>", "", rich))


def _time(days: str) -> str:
    """To the minute: a spreadsheet's days are floats."""
    return (EPOCH + timedelta(minutes=round(float(days) * 1_440))).isoformat()


def _write(path: Path, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(columns)
        writer.writerows(rows)


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
