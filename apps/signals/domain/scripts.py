"""Which scripts a text is written in: that decides which encoder can read it."""

from __future__ import annotations

from apps.signals.domain.links import unlinked

MOSTLY = 0.7
"""Share of a text's letters that must be Latin for MiniLM to know what it says."""
SOME = 0.2
"""Share of the letters of any other text that must be Chinese for the Chinese encoder to know what it says."""


def latin(text: str) -> bool:
    """Whether most letters of `text` are Latin."""
    letters = _letters(text)
    return bool(letters) and sum(letter < "\u0250" for letter in letters) / len(letters) >= MOSTLY


def chinese(text: str) -> bool:
    """Whether `text` is not mostly Latin, and a good part of its letters are Chinese characters."""
    letters = _letters(text)
    han = sum("\u3400" <= letter <= "\u9fff" for letter in letters)
    return bool(letters) and han / len(letters) >= SOME and not latin(text)


def _letters(text: str) -> list[str]:
    return [letter for letter in unlinked(text) if letter.isalpha()]
