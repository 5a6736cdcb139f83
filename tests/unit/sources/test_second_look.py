"""Which lines a second engine looks at, and what its reading means."""

from __future__ import annotations

import pytest

from apps.sources.domain.second_look import Traits, critical, doubtful, marked, traits
from tradebot.contracts.messages import Box


def box(text: str, confidence: float = 0.99, height: float = 20) -> Box:
    return Box(text=text, confidence=confidence, points=[(0, 0), (99, 0), (99, height), (0, height)])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Sell $doge at 0.1034", ["$doge", "0.1034"]),
        ("BTC突破70,000美元", ["BTC", "70,000"]),
        ("OMG/BTC at 03:00, 1.05x", ["OMG", "BTC", "03:00", "1.05"]),
        ("nothing of the kind, I say", []),
    ],
)
def test_tickers_and_numbers_are_what_matters(text: str, found: list[str]) -> None:
    assert sorted(critical(text).elements()) == sorted(found)


def test_the_least_sure_lines_with_tickers_or_numbers_are_looked_at() -> None:
    lines = [box("BTC 1", 0.96), box("words", 0.9), box("ETH 2", 0.85), box("SOL 3", 0.99), box("XRP 4", 0.3)]

    assert doubtful(lines) == [2, 0]


@pytest.mark.parametrize(
    ("confidence", "second", "unsure"),
    [
        (0.99, None, False),
        (0.90, "Stop 2985", False),
        (0.90, "stop 2985.", False),
        (0.90, "Stop 2935", True),
        (0.90, "", True),
        (0.60, None, True),
    ],
)
def test_a_line_is_unsure_when_faint_or_read_differently(confidence: float, second: str | None, unsure: bool) -> None:
    assert marked(box("Stop 2985", confidence), second).unsure is unsure


def test_a_picture_says_how_it_is_to_be_prepared() -> None:
    labels = [box(str(price), height=12) for price in range(100, 107)]

    assert traits(labels, brightness=20, height=400) == Traits(dark=True, chinese=False, chart=True, small=True)
    assert traits([box("上币公告", height=44)], brightness=240, height=400) == Traits(
        dark=False, chinese=True, chart=False, small=False
    )
