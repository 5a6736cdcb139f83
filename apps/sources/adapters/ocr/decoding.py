"""Characters from what the recogniser found likely in each column of a line, with the blanks that it all but saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_BLANK = 0
_WITHIN = 0.3
"""Likelihood from which a space is put between two Latin letters or digits: a wrong one would split a word ..."""
_BETWEEN = 0.05
"""... and between any others, where it splits nothing and the recogniser sees it too seldom (docs/models.md)."""


class LineDecoder:
    """Greedy CTC decoding, as rapidocr's decoder does it, but for the spaces. The last of `characters` is the space,
    the first the CTC blank. The confidence of a line is the mean over its characters that are no spaces."""

    def __init__(self, characters: Sequence[str]) -> None:
        self._characters = characters
        self._space = len(characters) - 1

    def __call__(self, likely: Any, *_: Any, **__: Any) -> tuple[list[tuple[str, float]], list[Any]]:
        """Lines of `likely`, float32 of shape (lines, columns, characters): text and confidence of each."""
        return [self._line(each) for each in likely], []

    def _line(self, columns: Any) -> tuple[str, float]:
        places, certain, spaces = columns.argmax(axis=1), columns.max(axis=1), columns[:, self._space]
        text, found, gap, before = "", [], 0.0, _BLANK
        for place, how_certain, space in zip(places.tolist(), certain.tolist(), spaces.tolist(), strict=True):
            if place in {_BLANK, self._space}:
                gap = max(gap, 1.0 if place == self._space else space)
            elif place != before:
                character = self._characters[place]
                text += f" {character}" if text and gap >= _needed(text[-1], character) else character
                found.append(how_certain)
                gap = 0.0
            before = place
        return text, float(np.mean(found)) if found else 0.0


def _needed(left: str, right: str) -> float:
    return _WITHIN if _latin(left) and _latin(right) else _BETWEEN


def _latin(character: str) -> bool:
    return character.isascii() and character.isalnum()
