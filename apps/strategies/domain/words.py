"""How names and keywords compare with what posts say."""

from __future__ import annotations

import unicodedata

_UNSPACED = (
    (0x2E80, 0x9FFF),  # radicals, kana, Han
    (0xAC00, 0xD7AF),  # Hangul: particles stick to the word
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


def folded(text: str) -> str:
    """Text in the form in which it is compared: NFKC, case-folded, runs of white space as one space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def folded_name(name: str) -> str:
    """A user's, group's or feed's name in the form in which it is compared: without `@`."""
    return folded(name).lstrip("@").strip()


def occurs(keyword: str, text: str) -> bool:
    """Whether the keyword stands in the text as a whole word. Both are folded.

    A script written without spaces (Chinese, Japanese, Korean) has no word borders: there a substring counts.
    """
    start = text.find(keyword)
    while start >= 0:
        if _border(text, start) and _border(text, start + len(keyword)):
            return True
        start = text.find(keyword, start + 1)
    return False


def _border(text: str, at: int) -> bool:
    return at in (0, len(text)) or not (_in_word(text[at - 1]) and _in_word(text[at]))


def _in_word(char: str) -> bool:
    return (char.isalnum() or char == "_") and not any(low <= ord(char) <= high for low, high in _UNSPACED)
