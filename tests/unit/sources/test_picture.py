"""Lines of a picture in reading order."""

from __future__ import annotations

import pytest

from apps.sources.domain.picture import join_words, reading_of
from tradebot.contracts.messages import Box


def box(text: str, left: float, top: float, confidence: float = 1.0) -> Box:
    right, bottom = left + 10 * len(text), top + 20
    return Box(text=text, confidence=confidence, points=[(left, top), (right, top), (right, bottom), (left, bottom)])


def test_rows_go_down_and_pieces_of_a_row_go_right() -> None:
    reading = reading_of([box("below", 0, 50), box("right", 200, 3), box("left", 0, 0)], "sample")

    assert reading.text == "left right\nbelow"
    assert [entry.text for entry in reading.boxes] == ["left", "right", "below"]


def test_confidence_weighs_lines_by_their_length() -> None:
    assert reading_of([box("aaa", 0, 0, 1.0), box("b", 0, 50, 0.2)], "sample").confidence == pytest.approx(0.8)


def test_nothing_read_is_an_empty_reading() -> None:
    reading = reading_of([], "sample")

    assert (reading.text, reading.confidence, reading.boxes) == ("", 0.0, ())


def test_words_are_joined_as_their_script_does() -> None:
    assert join_words(["buy", "BTC", "now"]) == "buy BTC now"
    assert join_words(["比特", "币", "上涨"]) == "比特币上涨"
