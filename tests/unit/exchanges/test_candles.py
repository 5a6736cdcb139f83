"""Candle files become price moves in the order of their time."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from apps.exchanges.paper.candles import BadCandles, Move, files, moves, play
from apps.exchanges.paper.tape import Tape

HEADER = "time,open,high,low,close,volume\n"


def write(folder: Path, name: str, *rows: str) -> Path:
    (folder / name).write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return folder


def prices(folder: Path) -> list[tuple[str, str]]:
    return [(move.symbol, str(move.price)) for move in moves(files(folder, {"BTCUSDT", "ETHUSDT"}))]


def test_rising_candle_dips_first_and_falling_one_peaks_first(tmp_path: Path) -> None:
    write(tmp_path, "BTCUSDT.csv", "0,100,120,90,110,1", "60,110,130,80,85,1")
    assert [price for _, price in prices(tmp_path)] == ["100", "90", "120", "110", "110", "130", "80", "85"]


def test_files_are_merged_by_time(tmp_path: Path) -> None:
    write(tmp_path, "BTC_USDT-1m.csv", "1685577600000,1,1,1,1,1")
    write(tmp_path, "ethusdt.csv", "2023-06-01T00:00:10,2,2,2,2,1")
    assert [symbol for symbol, _ in prices(tmp_path)][:3] == ["BTCUSDT", "ETHUSDT", "BTCUSDT"]


@pytest.mark.parametrize(
    ("name", "row", "words"),
    [
        ("XYZUSDT.csv", "0,1,1,1,1,1", "not listed"),
        ("BTCUSDT.csv", "0,1,1,1,0,1", "line 2: prices must be above zero"),
        ("BTCUSDT.csv", "0,1,NaN,1,1,1", "line 2: prices must be above zero"),
        ("BTCUSDT.csv", "noon,1,1,1,1,1", "line 2: not a time"),
        ("BTCUSDT.csv", "0,1", "line 2: not a time"),
        ("BTCUSDT.csv", "0,1,1,1,1,1\n0,1,1,1,1,1", "times must rise"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, row: str, words: str) -> None:
    write(tmp_path, name, row)
    with pytest.raises(BadCandles, match=words):
        prices(tmp_path)


def test_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadCandles, match="name the files like"):
        prices(tmp_path)


def test_moves_are_set_in_their_order(tmp_path: Path) -> None:
    seen: list[tuple[str, Decimal]] = []
    recording = [Move(float(second), "BTCUSDT", Decimal(second)) for second in (5, 6, 8)]
    asyncio.run(play(iter(recording), lambda symbol, price: seen.append((symbol, price)), speed=1000))
    assert seen == [("BTCUSDT", Decimal(second)) for second in (5, 6, 8)]


def test_a_clock_that_is_put_back_leaves_no_candle_of_the_future() -> None:
    tape = Tape()
    for minute, price in ((0, "10"), (61, "15"), (1, "11")):
        tape.price("BTCUSDT", Decimal(price), minute * 60_000)
    told = tape.candles("BTCUSDT", 60_000, since=0, until=10**9)
    assert [(one.at, str(one.close)) for one in told] == [(0, "10"), (60_000, "11")]


def test_tape_makes_wider_candles_of_minutes() -> None:
    tape = Tape()
    for minute, price in enumerate(("10", "15", "8", "9")):
        tape.price("BTCUSDT", Decimal(price), minute * 60_000)
    now = 4 * 60_000
    assert [
        (one.at, str(one.open), str(one.close)) for one in tape.candles("BTCUSDT", 120_000, since=0, until=now)
    ] == [
        (0, "10", "15"),
        (120_000, "15", "9"),
    ]
    assert tape.candles("BTCUSDT", 120_000, since=now, until=now) == []
    day = tape.day("BTCUSDT", now)
    assert (day.open, day.high, day.low, day.close) == (10, 15, 8, 9)
