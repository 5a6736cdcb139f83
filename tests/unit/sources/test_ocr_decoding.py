"""Characters and blanks out of what the recogniser found likely."""

from __future__ import annotations

import numpy as np
import pytest

from apps.sources.adapters.ocr.decoding import LineDecoder

CHARACTERS = ["blank", *"BTC7买,", " "]
Column = tuple[str, float, float]
"""The likeliest character, how likely it is, and how likely a space is instead."""


def line(*columns: Column) -> tuple[str, float]:
    likely = np.zeros((1, len(columns), len(CHARACTERS)), dtype=np.float32)
    for place, (character, certain, space) in enumerate(columns):
        likely[0, place, -1] = space
        likely[0, place, CHARACTERS.index(character)] = certain
    ((read,), _) = LineDecoder(CHARACTERS)(likely)
    return read


def letters(between: float, left: str = "B", right: str = "T") -> str:
    return line((left, 1.0, 0.0), ("blank", 0.9, between), (right, 1.0, 0.0))[0]


def test_repeated_columns_are_one_character_unless_a_blank_parts_them() -> None:
    assert line(("B", 1, 0), ("B", 1, 0), ("7", 1, 0), ("blank", 1, 0), ("7", 1, 0))[0] == "B77"


def test_confidence_is_the_mean_of_the_characters() -> None:
    assert line(("B", 0.9, 0), ("blank", 0.6, 0), (" ", 0.5, 0), ("T", 0.7, 0))[1] == pytest.approx(0.8)
    assert line(("blank", 1, 0)) == ("", 0.0)


@pytest.mark.parametrize(
    ("left", "right", "likely", "text"),
    [
        ("B", "T", 0.2, "BT"),
        ("B", "T", 0.4, "B T"),
        ("T", "买", 0.1, "T 买"),
        (",", "7", 0.1, ", 7"),
        (",", "7", 0.01, ",7"),
    ],
)
def test_a_space_that_was_all_but_seen_counts_more_where_it_splits_no_word(
    left: str, right: str, likely: float, text: str
) -> None:
    assert letters(likely, left, right) == text


def test_no_space_stands_at_the_ends() -> None:
    assert line((" ", 1, 0), ("B", 1, 0), (" ", 1, 0))[0] == "B"
